"""Settings: how to speak to an S3 server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from dandelion.settings.section import SERVER_PATTERN, Section


class S3Settings(Section):
    """How to speak to an S3 server."""

    url: str | None = Field(None, pattern=SERVER_PATTERN, description="S3 server, `http://minio:9000`.")
    access_key: SecretStr | None = Field(None, description="Name that the S3 server knows us by.")
    secret_key: SecretStr | None = Field(None, description="Its secret.")
    region: str = Field("us-east-1", description="Region that requests are signed for.")
    tls_ca: Path | None = Field(None, description="Certificate authority of the S3 server's certificate.")
    bucket_prefix: str = Field(
        "", pattern=r"^[a-z0-9.-]{0,40}$", description="Before the names of all buckets, where several share a server."
    )
    part_bytes: Annotated[int, Field(ge=5 * 1024 * 1024, le=5 * 1024**3)] = Field(
        16 * 1024 * 1024, description="Larger objects are sent in parts of this size."
    )
    timeout_seconds: Annotated[float, Field(gt=0)] = Field(10.0, description="Longest wait for one answer.")


class ObjectsSettings(S3Settings):
    """Where photos, dataset versions and backups are kept: on an S3 server, else in a folder under the home folder."""

    url: str | None = Field(
        None,
        pattern=SERVER_PATTERN,
        description="S3 server, `http://minio:9000`; none means a folder under the home folder.",
    )
    create_buckets: bool = Field(
        True,
        description="Make missing buckets; switch on versions, encryption and retention where the server has them.",
    )
    data_lake_days: Annotated[int, Field(ge=1)] | None = Field(
        90, description="How long predicted photos are kept; uploads stay."
    )
    processed_data_days: Annotated[int, Field(ge=1)] | None = Field(
        None, description="How long dataset versions are kept; none means for ever."
    )
    backups_days: Annotated[int, Field(ge=1)] | None = Field(35, description="How long backups are kept.")

    def retention(self) -> dict[str, int]:
        """Days that a bucket's objects are kept, for those that are not kept for ever."""
        days = {
            "data-lake": self.data_lake_days,
            "processed-data": self.processed_data_days,
            "backups": self.backups_days,
        }
        return {bucket: limit for bucket, limit in days.items() if limit is not None}


class MirrorSettings(S3Settings):
    """A second S3 server, where `dandelion objects mirror` copies everything."""
