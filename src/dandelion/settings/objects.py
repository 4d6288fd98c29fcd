"""Settings: where objects are stored, and how to reach an S3 server."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from dandelion.settings.section import Section, ServerUrl


class S3Settings(Section):
    """How to reach an S3 server."""

    url: ServerUrl | None = Field(None, description="S3 server, `http://minio:9000`.")
    access_key: SecretStr | None = Field(None, description="Access key of the S3 server.")
    secret_key: SecretStr | None = Field(None, description="Secret key of the S3 server.")
    workload_identity: bool = Field(
        False,
        description="Take temporary credentials from the cloud (IRSA, EKS Pod Identity, the machine's role), not keys.",
    )
    region: str = Field("us-east-1", description="Region for request signatures.")
    tls_ca: Path | None = Field(
        None,
        description="Certificate authority of the S3 server's certificate; by default `SSL_CERT_FILE`, else certifi's.",
    )
    bucket_prefix: str = Field(
        "", pattern=r"^[a-z0-9.-]{0,40}$", description="Prefix of all bucket names, if installations share a server."
    )
    part_bytes: int = Field(
        16 * 1024 * 1024,
        ge=5 * 1024 * 1024,
        le=5 * 1024**3,
        description="Size of a part, bytes; larger objects are uploaded in parts.",
    )
    timeout_seconds: float = Field(10.0, gt=0, description="Maximum wait for a response.")

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        if self.workload_identity and (self.access_key or self.secret_key):
            raise ValueError("workload_identity replaces access_key and secret_key; unset them, or workload_identity")
        return self


class ObjectsSettings(S3Settings):
    """Where photos, dataset versions and backups are stored: an S3 server, or a folder under the home folder."""

    url: ServerUrl | None = Field(
        None, description="S3 server, `http://minio:9000`; none means a folder under the home folder."
    )
    create_buckets: bool = Field(
        True, description="Create missing buckets; enable versioning, encryption and retention if the server has them."
    )
    data_lake_days: int | None = Field(
        90, ge=1, description="How long to retain photos of predictions; uploaded photos stay."
    )
    processed_data_days: int | None = Field(
        None, ge=1, description="How long to retain dataset versions; none means forever."
    )
    backups_days: int | None = Field(35, ge=1, description="How long to retain backups.")

    def retention(self) -> dict[str, int]:
        """Days that a bucket's objects are retained; buckets without a limit are left out."""
        days = {
            "data-lake": self.data_lake_days,
            "processed-data": self.processed_data_days,
            "backups": self.backups_days,
        }
        return {bucket: limit for bucket, limit in days.items() if limit is not None}
