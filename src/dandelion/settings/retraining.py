"""Settings: when the model is trained again, on what, and how."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dandelion.settings.section import Section


class RetrainingSettings(Section):
    """When the model is trained again, on what, and how."""

    prometheus_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Prometheus, whose figures decide; none means those that the database holds.",
    )
    window: str = Field("24h", pattern=r"^[1-9][0-9]{0,3}[mhd]$", description="How far back figures look.")
    min_accuracy: Annotated[float, Field(ge=0, le=1)] = Field(
        0.9, description="Retrain when the live accuracy lies below."
    )
    max_accuracy_drop: Annotated[float, Field(gt=0, le=1)] = Field(
        0.05, description="Retrain when the live accuracy lies so much below the champion's on test photos."
    )
    min_labels: Annotated[int, Field(ge=1)] = Field(50, description="Fewer labels make no accuracy.")
    max_outliers: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="Retrain when a larger share of photos resembles nothing known; 0.05 is normal."
    )
    max_drift: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Retrain when a feature's drift score reaches this; from 1 on it has drifted."
    )
    max_error_ratio: Annotated[float, Field(gt=0, le=1)] = Field(
        0.05, description="With more refused or failed photos a run waits: the service is mended first."
    )
    max_p95_seconds: Annotated[float, Field(gt=0)] = Field(
        1.0, description="With slower answers a run waits: training would slow them further."
    )
    cooldown_hours: Annotated[float, Field(ge=0)] = Field(6.0, description="Pause after a run that trained.")
    budget_minutes: Annotated[float, Field(gt=0)] = Field(240.0, description="Most minutes of runs in 24 hours.")
    classes: tuple[str, ...] = Field((), description="Classes to learn; none means all that labelled photos have.")
    min_new_photos: Annotated[int, Field(ge=0)] = Field(
        20, description="Fewer new labelled photos since the last dataset version stop a run."
    )
    min_photos_per_class: Annotated[int, Field(ge=2)] = Field(
        20, description="A class with fewer photos stops a run: its accuracy could not be measured."
    )
    max_bad_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="A larger share of new photos that are unreadable, blank or labelled twice stops a run."
    )
    max_label_noise: Annotated[float, Field(ge=0, le=1)] = Field(
        0.15,
        description="A run stops when so much more of the new photos than of the old ones has a label that none or one "
        "of its five nearest neighbours shares.",
    )
    architecture: str = Field("champion", description="timm model; `champion` is the one that serves.")
    weights: str = Field(
        "champion",
        description="What it starts from: `champion` fine-tunes the one that serves where the architecture is its own, "
        "`auto` the hub's weights where the hub answers, `off` nothing; or a weights file.",
    )
    image_size: Annotated[int, Field(ge=32)] | None = Field(
        None, description="Side of the input, pixels; none means the champion's."
    )
    epochs: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Most passes over the photos; none means 12 from weights and 130 from scratch."
    )
    folds: Annotated[int, Field(ge=0)] = Field(0, description="Folds of cross-validation; 0 does none.")
    seed: int = Field(0, description="Of everything random.")
