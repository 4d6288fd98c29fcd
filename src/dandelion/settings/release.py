"""Settings: what a candidate must show, and how it comes into service."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from dandelion.domain import CHALLENGER, CHAMPION
from dandelion.settings.section import Section


class ReleaseSettings(Section):
    """What a candidate must show, and how it comes into service."""

    strategy: Literal["rolling", "canary", "blue-green"] = Field(
        "rolling",
        description="`rolling` moves the alias `champion`; the others move `challenger`, which their trial pods serve.",
    )
    margin: Annotated[float, Field(gt=0, le=1)] = Field(
        0.03, description="A candidate may be worse by less than this; a worse one is promoted rarely."
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.985, description="How surely a model that is worse by the margin is turned down."
    )
    class_margin: Annotated[float, Field(ge=0, le=1)] = Field(
        0.05, description="No class, and not the photos of late, may fall by more, beyond chance."
    )
    min_photos: Annotated[int, Field(ge=1)] = Field(30, description="Fewer labelled photos decide nothing.")
    recent_days: Annotated[float, Field(gt=0)] = Field(30.0, description="Labels of so many days are `recent`.")
    max_ece: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, description="Largest expected calibration error, unless the champion's is larger."
    )
    max_latency_ms: Annotated[float, Field(gt=0)] = Field(
        100.0, description="Most milliseconds for one photo alone, decoded and classified, at the median."
    )
    max_size_bytes: Annotated[int, Field(gt=0)] = Field(512 * 1024 * 1024, description="Largest model package.")
    min_agreement: Annotated[float, Field(ge=0, le=1)] = Field(
        0.98, description="Share of photos on which the graph that serves must agree with the float32 graph."
    )
    api_url: str | None = Field(
        None, pattern=r"^https?://", description="Where the API answers; none means the one on this machine."
    )
    pods_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="A name every address of which is one serving pod, `http://dandelion-api-pods:8000`; none means "
        "that the API's address is all there is.",
    )
    api_key: SecretStr | None = Field(
        None, description="API key with the scopes `predict` and `read`, if access is on."
    )
    timeout_seconds: Annotated[float, Field(gt=0)] = Field(
        180.0, description="Pods that do not serve the new version by then take it back."
    )
    golden_photos: Annotated[int, Field(ge=0)] = Field(
        4,
        description="Test photos of each class that both models know, asked of every pod after a release, where nobody "
        "put golden photos into `data-lake/golden/`.",
    )

    @property
    def alias(self) -> str:
        """The alias that a release moves."""
        return CHAMPION if self.strategy == "rolling" else CHALLENGER
