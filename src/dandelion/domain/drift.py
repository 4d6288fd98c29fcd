"""How far photos are from those of training."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

DriftTest = Literal["kolmogorov-smirnov", "chi-square", "hotelling"]


class FeatureDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How far one feature is from training.

    Attributes:
        feature: `brightness`, `classes`, `embedding` ...
        test: Which test it is.
        distance: The largest gap between the two distributions (Kolmogorov-Smirnov), Cohen's w (chi-square), or the
            mean shift in standard deviations an axis (Hotelling's T-square).
        threshold: The distance from which on photos have drifted.
        score: Distance over threshold: from 1 on they have.
        photos: How many live photos it rests on.
    """

    feature: str
    test: DriftTest
    distance: float
    threshold: float
    score: float
    photos: int


class MergedDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Drift of one model over the photos of all processes.

    Attributes:
        version: Model version.
        at: When it was found, UTC.
        photos: How many photos it rests on.
        features: Feature by feature, the farthest first.
    """

    version: str
    at: datetime
    photos: int
    features: list[FeatureDrift]


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """Whether photos still look like those that the model was trained on.

    Attributes:
        version: The model that this process serves.
        photos: How many of this process's photos the figures rest on; 0 until a window is full.
        features: Feature by feature, the farthest first; a score of 1 or more has drifted.
        merged: What hourly monitoring over all processes found last, model by model.
    """

    version: str
    photos: int
    features: list[FeatureDrift]
    merged: list[MergedDrift]
