"""Settings: when the model is retrained, on what, and how."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from dandelion.domain import CHAMPION, class_name
from dandelion.settings.section import PositiveShare, Section, Share, Url

LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]


class RetrainingSettings(Section):
    """When the model is retrained, on what, and how."""

    prometheus_url: Url | None = Field(
        None, description="Prometheus server to take the metrics from; none means the database."
    )
    prometheus_labels: dict[LabelName, str] = Field(
        {},
        description="Labels of the metrics to take, where Prometheus has those of several installations: "
        '`{"namespace": "photos"}`.',
    )
    window: str = Field("24h", pattern=r"^[1-9][0-9]{0,3}[mhd]$", description="Time window of these metrics.")
    min_accuracy: Share = Field(0.9, description="Retrain when the live accuracy is lower.")
    max_accuracy_drop: PositiveShare = Field(
        0.05, description="Retrain when the live accuracy is lower than the champion's on test photos by this much."
    )
    min_labels: int = Field(50, ge=1, description="Minimum number of labels for a live accuracy.")
    max_outliers: PositiveShare = Field(
        0.2, description="Retrain when a larger share of photos is out of distribution; 0.05 is normal."
    )
    max_drift: float = Field(
        1.0, gt=0, description="Retrain when a feature's drift score reaches this; 1 or more means drift."
    )
    max_error_ratio: PositiveShare = Field(
        0.05, description="Do not retrain when a larger share of photos is refused or fails; fix the service first."
    )
    max_p95_seconds: float = Field(
        1.0, gt=0, description="Do not retrain when responses are slower; training would slow them further."
    )
    cooldown_hours: float = Field(6.0, ge=0, description="Minimum pause after a run that trained.")
    budget_minutes: float = Field(240.0, gt=0, description="Maximum minutes of runs in 24 hours.")
    classes: tuple[Annotated[str, AfterValidator(class_name)], ...] = Field(
        (), description="Classes to learn; none means all classes of the labelled photos."
    )
    background: Annotated[str, AfterValidator(class_name)] = Field(
        CHAMPION,
        description="Class of photos that show none of the others, such as grass; `champion` means the champion's, if "
        "it is learnt again, and empty means none.",
    )
    min_new_photos: int = Field(
        20, ge=0, description="Minimum number of new labelled photos since the last dataset version; fewer stop a run."
    )
    min_photos_per_class: int = Field(
        20,
        ge=2,
        description="Minimum number of photos per class; fewer stop a run, since they cannot measure its accuracy.",
    )
    max_bad_share: Share = Field(
        0.1, description="Maximum share of new photos that are unreadable, blank or labelled twice; more stops a run."
    )
    max_label_noise: Share = Field(
        0.15,
        description="Maximum rise of label noise from old to new photos; more stops a run. A label counts as noise if "
        "at most one of the photo's five nearest neighbours shares it.",
    )
    architecture: str = Field("champion", description="timm model; `champion` means the champion's.")
    weights: str = Field(
        "champion",
        description="Initial weights: `champion` fine-tunes the champion if the architecture is the same, `auto` "
        "takes the hub's weights if the hub is reachable, `off` trains from scratch; or a weights file.",
    )
    image_size: int | None = Field(
        None, ge=32, description="Side length of the input, pixels; none means the champion's."
    )
    epochs: int | None = Field(
        None, ge=1, description="Maximum number of epochs; none means 12 from weights and 130 from scratch."
    )
    folds: int = Field(0, ge=0, description="Number of cross-validation folds; 0 means none.")
    seed: int = Field(0, description="Random seed.")

    @model_validator(mode="after")
    def _background_is_learnt(self) -> Self:
        if self.classes and self.background not in {"", CHAMPION, *self.classes}:
            raise ValueError(f"the background {self.background!r} is none of the classes {', '.join(self.classes)}")
        return self
