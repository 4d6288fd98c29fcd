"""Settings: how predictions reach the database: appended to a spool on disk first, shipped behind the answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dandelion.settings.section import Section


class JournalSettings(Section):
    """How predictions reach the database: appended to a spool on disk first, shipped behind the answer."""

    enabled: bool = Field(True, description="Keep predictions; without it there is neither history nor feedback.")
    max_bytes: Annotated[int, Field(ge=1024 * 1024)] = Field(
        4 * 1024**3,
        description="Most that the spool may hold while the database is down; at 100 predictions/s the default lasts "
        "over 24 hours with up to six classes.",
    )
    max_age_hours: Annotated[float, Field(gt=0)] = Field(
        168.0,
        description="A prediction that waits longer for the database counts as a full spool; a photo is let go.",
    )
    when_full: Literal["refuse", "drop"] = Field(
        "refuse",
        description="`refuse` answers 503 rather than lose a prediction; `drop` answers and counts what was lost.",
    )
    ship_seconds: Annotated[float, Field(gt=0, le=10)] = Field(
        0.5,
        description="How long predictions wait at most before they are shipped while the database answers; a label "
        "about an answer of the last moment waits as long.",
    )
    batch_rows: Annotated[int, Field(ge=1, le=10_000)] = Field(1000, description="Most rows in one transaction.")
    photos: Literal["none", "some", "all"] = Field(
        "some", description="Photos that are kept, without their metadata; `some` are those that the next three name."
    )
    photo_rate: Annotated[float, Field(ge=0, le=1)] = Field(0.02, description="Share of all photos.")
    photo_below_confidence: Annotated[float, Field(ge=0, le=1)] = Field(
        0.8, description="All photos that were answered with less confidence."
    )
    photo_outliers: bool = Field(True, description="All photos that resemble nothing the model was trained on.")
    max_photo_bytes: Annotated[int, Field(ge=0)] = Field(
        2 * 1024**3,
        description="Most photos that the spool may hold while the object store is down; one more is let go and "
        "counted, and its prediction is kept.",
    )
