"""Settings: how predictions reach the database: through the spool, a local queue on disk."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dandelion.settings.section import Section, Share


class JournalSettings(Section):
    """How predictions reach the database: through the spool, a local queue on disk."""

    enabled: bool = Field(True, description="Store predictions; history and feedback need them.")
    max_bytes: int = Field(
        4 * 1024**3,
        ge=1024 * 1024,
        description="Maximum size of the spool, a local queue on disk for while the database is down, bytes; at 100 "
        "predictions/s the default lasts over 24 hours with up to six classes.",
    )
    max_age_hours: float = Field(
        168.0,
        gt=0,
        description="Maximum age in the spool: an older prediction makes the spool count as full, an older photo is "
        "deleted.",
    )
    when_full: Literal["refuse", "drop"] = Field(
        "refuse",
        description="What to do while the spool is full: `refuse` returns 503; `drop` returns the prediction without "
        "storing it, and counts the loss.",
    )
    ship_seconds: float = Field(
        0.5,
        gt=0,
        le=10,
        description="Maximum time that a prediction waits in the spool while the database is up; a label for a new "
        "prediction waits as long.",
    )
    batch_rows: int = Field(1000, ge=1, le=10_000, description="Maximum rows in one transaction.")
    photos: Literal["none", "some", "all"] = Field(
        "some", description="Photos to store, without their metadata; `some` means those of the next three settings."
    )
    photo_rate: Share = Field(0.02, description="Store this share of all photos.")
    photo_below_confidence: Share = Field(0.8, description="Store all photos whose prediction has a lower confidence.")
    photo_outliers: bool = Field(True, description="Store all photos that are out of distribution.")
    max_photo_bytes: int = Field(
        2 * 1024**3,
        ge=0,
        description="Maximum size of the photos in the spool while the object store is down, bytes; one more photo is "
        "dropped and counted, and its prediction is still stored.",
    )
