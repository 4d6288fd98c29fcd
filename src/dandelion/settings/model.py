"""Settings: which model is in service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from dandelion.settings.section import Section


class ModelSettings(Section):
    """Which model is in service."""

    path: Path | None = Field(None, description="Serve the package in this folder instead of the registry's version.")
    name: str = Field("dandelion", pattern=r"^[A-Za-z0-9._-]{1,100}$", description="Registered model in MLflow.")
    alias: str = Field("champion", pattern=r"^[a-z][a-z0-9_-]{0,63}$", description="Alias that this process serves.")
    version: str | None = Field(
        None, pattern=r"^[1-9][0-9]{0,9}$", description="Serve this version instead of the alias."
    )
    starter: bool = Field(
        True, description="Serve the bundled starter model while there is no registry or no version has the alias."
    )
    poll_seconds: float = Field(5.0, ge=0.2, description="How often to check the alias.")
