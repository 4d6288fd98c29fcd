"""How far live photos are from the training photos."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

DriftTest = Literal["kolmogorov-smirnov", "chi-square", "hotelling"]


class FeatureDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How far one feature of live photos is from training.

    Attributes:
        feature: `brightness`, `classes`, `embedding` ...
        test: Statistical test that measured it.
        distance: The largest gap between the two distributions (Kolmogorov-Smirnov), Cohen's w (chi-square), or the
            mean shift in standard deviations an axis (Hotelling's T-square).
        threshold: The distance from which photos count as drifted.
        score: Distance divided by threshold; 1 or more means drift.
        photos: Number of live photos that were measured.
    """

    feature: str
    test: DriftTest
    distance: float
    threshold: float
    score: float
    photos: int


class MergedDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Drift of one model version over the live photos of all processes, measured at a time in UTC.

    The feature with the largest score comes first.
    """

    version: str
    at: datetime
    photos: int
    features: list[FeatureDrift]


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """Whether live photos still resemble the training photos.

    Attributes:
        version: The model that this process serves.
        photos: Number of this process's photos that were measured; 0 until a window is full.
        features: Every feature, the largest score first; a score of 1 or more means drift.
        merged: Latest result of hourly monitoring over all processes, model by model.
    """

    version: str
    photos: int
    features: list[FeatureDrift]
    merged: list[MergedDrift]
