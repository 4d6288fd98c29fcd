"""Settings: where MLflow is."""

from __future__ import annotations

from pydantic import Field

from dandelion.settings.section import Port, Section


class RegistrySettings(Section):
    """Where MLflow is."""

    uri: str | None = Field(
        None, description="Tracking server, `http://host:5000`; none means the embedded one under the home folder."
    )
    host: str = Field("127.0.0.1", description="Address that the embedded MLflow server listens on.")
    port: Port = Field(5000, description="Port that the embedded MLflow server listens on.")
    timeout_seconds: float = Field(10.0, gt=0, description="Maximum wait for a response.")
