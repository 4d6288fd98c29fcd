"""The values that travel between parts: frozen, validated where they enter, free of I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec


class Split(StrEnum):
    """Which part of a dataset a photo belongs to; decided by its content, for ever."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """How a photo becomes the model's input; travels with the model.

    The photo is resized so that the crop window of `height` x `width` covers the central `crop_fraction` of it,
    then centre-cropped.

    Attributes:
        height: Rows of the input, pixels.
        width: Columns of the input, pixels.
        crop_fraction: Share of the resized photo's short side that the crop keeps, in (0, 1].
        interpolation: `bilinear` or `bicubic`.
        mean: Per-channel mean in RGB order, of values scaled to [0, 1].
        std: Per-channel standard deviation in RGB order, of values scaled to [0, 1].
    """

    height: int
    width: int
    crop_fraction: float = 0.95
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


class ModelRef(msgspec.Struct, frozen=True, kw_only=True):
    """Which model answered.

    Attributes:
        name: Registered name in MLflow.
        version: Version in the registry; "starter" or "local" for a package that came from no registry.
        alias: The alias that led to it, if any.
    """

    name: str
    version: str
    alias: str | None = None


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One photo's answer.

    Attributes:
        prediction_id: UUIDv7, so that ids sort by time.
        label: The class with the highest probability.
        confidence: That probability, calibrated, in [0, 1].
        probabilities: Class to probability; sums to 1.
        in_distribution: False when the photo resembles nothing the model was trained on.
        model: Which model answered.
        duration_ms: From the photo's arrival to its answer, milliseconds.
    """

    prediction_id: str
    label: str
    confidence: float
    probabilities: dict[str, float]
    in_distribution: bool
    model: ModelRef
    duration_ms: float


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version as the registry knows it.

    Attributes:
        name: Registered name.
        version: Number as text, as MLflow has it.
        aliases: Names that point at it.
        digest: Digest of its model package; equal digests are equal models.
        created_ms: Milliseconds since the epoch.
        run_id: The training run it came from, if any.
        tags: What training, the gate and releases wrote on it.
    """

    name: str
    version: str
    aliases: tuple[str, ...]
    digest: str
    created_ms: int
    run_id: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
