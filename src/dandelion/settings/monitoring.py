"""Settings: how the model is monitored."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dandelion.settings.section import Section


class MonitoringSettings(Section):
    """How the model is monitored."""

    accuracy_windows: tuple[Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}[mhd]$")], ...] = Field(
        ("1h", "24h", "7d"), description="Windows of live accuracy, by the time of the label: `30m`, `24h`, `7d`."
    )
    refresh_seconds: float = Field(30.0, ge=0.2, description="How often live accuracy is measured.")
    drift: bool = Field(True, description="Compare live photos with the training photos.")
    drift_window_photos: int = Field(
        500,
        ge=50,
        le=1_000_000,
        description="Number of latest photos to compare with training; compared again after every fifth of them.",
    )
    photos_per_second: float = Field(
        20.0,
        gt=0,
        le=1000,
        description="Maximum photos per second that a process checks for drift; under load it takes a sample.",
    )
    save_seconds: float = Field(
        300.0, ge=1, description="How often a process saves its photo statistics, for monitoring over all processes."
    )
