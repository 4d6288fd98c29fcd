"""Settings: how the model is monitored."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dandelion.settings.section import Section


class MonitoringSettings(Section):
    """How the model is monitored."""

    accuracy_windows: tuple[Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}[mhd]$")], ...] = Field(
        ("1h", "24h", "7d"),
        description="Windows of the accuracy from feedback, by when it was told: `30m`, `24h`, `7d`.",
    )
    refresh_seconds: Annotated[float, Field(ge=0.2)] = Field(30.0, description="How often it is measured.")
    drift: bool = Field(True, description="Compare photos with those of training.")
    drift_window_photos: Annotated[int, Field(ge=50, le=1_000_000)] = Field(
        500, description="Last photos that are compared with training; looked at anew after every fifth of them."
    )
    photos_per_second: Annotated[float, Field(gt=0, le=1000)] = Field(
        20.0, description="Most photos a second that a process looks at for drift; under load it takes a sample."
    )
    save_seconds: Annotated[float, Field(ge=1)] = Field(
        300.0, description="How often a process saves what its photos looked like, for monitoring over all processes."
    )
