"""Settings: what the promotion gate requires of a candidate, and how a candidate comes into service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from dandelion.domain import CHALLENGER, CHAMPION
from dandelion.settings.section import PositiveShare, Section, Share, Url


class ReleaseSettings(Section):
    """What the promotion gate requires of a candidate, and how a candidate comes into service."""

    strategy: Literal["rolling", "canary", "blue-green"] = Field(
        "rolling",
        description="`rolling` moves the alias `champion`; the others move `challenger`, which the trial pods serve.",
    )
    margin: PositiveShare = Field(
        0.03, description="Accuracy that a candidate may lose; one that loses more is rarely promoted."
    )
    confidence: float = Field(
        0.985, gt=0.5, lt=1, description="Probability that the gate rejects a candidate that is worse by the margin."
    )
    class_margin: Share = Field(
        0.05, description="Accuracy that a class, or the recent photos, may lose beyond chance."
    )
    min_photos: int = Field(30, ge=1, description="Minimum number of labelled photos for a decision.")
    recent_days: float = Field(30.0, gt=0, description="Age in days up to which labels are `recent`.")
    max_ece: PositiveShare = Field(
        0.1, description="Maximum expected calibration error, unless the champion's is larger."
    )
    max_latency_ms: float = Field(
        100.0, gt=0, description="Maximum median latency for one photo, decoded and classified, milliseconds."
    )
    max_size_bytes: int = Field(512 * 1024 * 1024, gt=0, description="Maximum size of a model package, bytes.")
    min_agreement: Share = Field(
        0.98, description="Minimum share of photos on which the serving graph agrees with the float32 graph."
    )
    api_url: Url | None = Field(None, description="Address of the API; none means the one on this machine.")
    pods_url: Url | None = Field(
        None,
        description="URL whose host name resolves to every serving pod, `http://dandelion-api-pods:8000`; none means "
        "the API's address alone.",
    )
    api_key: SecretStr | None = Field(
        None, description="API key with the scopes `predict` and `read`, if the API requires a key."
    )
    timeout_seconds: float = Field(
        180.0, gt=0, description="How long pods may take to serve the new version; then it is rolled back."
    )
    golden_photos: int = Field(
        4,
        ge=0,
        description="Number of test photos per class that both models know, sent to every pod after a release; used if "
        "`data-lake/golden/` has no golden photos.",
    )

    @property
    def alias(self) -> str:
        """The alias that a release moves to the new version."""
        return CHAMPION if self.strategy == "rolling" else CHALLENGER
