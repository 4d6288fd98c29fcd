"""Settings: the Open Inference Protocol over gRPC."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from dandelion.settings.section import Section


class GrpcSettings(Section):
    """The Open Inference Protocol over gRPC."""

    host: str | None = Field(
        None,
        description="Address to listen on for gRPC; none means the API's. `0.0.0.0` also means all addresses of IPv6.",
    )
    port: int = Field(
        0, ge=0, le=65535, description="Port of the Open Inference Protocol over gRPC; 0 means that there is none."
    )
    tls_certificate: Path | None = Field(
        None, description="Certificate of the gRPC port, PEM; none means without encryption. A new file is taken up."
    )
    tls_key: Path | None = Field(None, description="Private key of that certificate, PEM.")
    tls_client_ca: Path | None = Field(
        None, description="Certificate authorities, PEM, one of which must have signed the certificate of each client."
    )
    max_message_mb: int | None = Field(
        None,
        ge=1,
        le=2047,
        description="Maximum size of a gRPC message, MiB; none means `DANDELION_API__MAX_UPLOAD_BYTES`.",
    )
    reflection: bool = Field(True, description="Describe the gRPC services to clients that ask for their schema.")

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key need each other; set both, or neither")
        if self.tls_client_ca and not self.tls_certificate:
            raise ValueError("tls_client_ca has no effect without tls_certificate; set it, or unset tls_client_ca")
        return self
