"""Settings: where predictions, feedback and the audit log are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from dandelion.settings.section import Section


class DatabaseSettings(Section):
    """Where predictions, feedback and the audit log are stored."""

    url: SecretStr | None = Field(
        None, description="`mysql://user:password@host:3306/mlops_db`; none means SQLite under the home folder."
    )
    password: SecretStr | None = Field(
        None, description="Password for MySQL, if it is separate from the URL, as in a cluster."
    )
    pool_size: int = Field(
        5,
        ge=1,
        le=100,
        description="Connections that a process holds open to MySQL; under load it opens up to twice as many.",
    )
    connect_timeout_seconds: float = Field(5.0, gt=0, description="Maximum wait for a connection.")
    query_timeout_seconds: float = Field(30.0, gt=0, description="Maximum time for one query.")
    tls: bool = Field(False, description="Encrypt the connection to MySQL and check the server's certificate.")
    tls_ca: Path | None = Field(
        None, description="Certificate authority of MySQL's certificate; by default the system's."
    )
    tls_cert: Path | None = Field(None, description="Client certificate, if MySQL requires one.")
    tls_key: Path | None = Field(None, description="Private key of the client certificate.")
    auto_upgrade: bool = Field(True, description="Upgrade the tables before their first use.")

    @model_validator(mode="after")
    def _certificates_are_for_tls(self) -> Self:
        if not self.tls and (self.tls_ca or self.tls_cert or self.tls_key):
            raise ValueError("tls_ca, tls_cert and tls_key have no effect without tls; set it, or unset them")
        if self.tls_key and not self.tls_cert:
            raise ValueError("tls_key needs tls_cert, which is missing; set it")
        return self
