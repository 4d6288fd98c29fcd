"""Models: their input, their versions, and the parts of a dataset."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec

# Aliases of the registry: the version in service, the one on trial, and the one in service before.
CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous"
# Equal bins of confidence over which the calibration error is measured (Guo et al. 2017 take as many).
CALIBRATION_BINS = 15
# Takes the place of a version number for the package that comes with Dandelion.
STARTER = "starter"


class Split(StrEnum):
    """The part of a dataset that a photo belongs to; its content decides it for good."""

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
        crop_fraction: Share of the resized photo's short side inside the crop, in (0, 1].
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


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version as the registry stores it.

    Attributes:
        name: Registered name.
        version: Number as text, as in MLflow.
        aliases: Aliases that point at it.
        digest: Digest of its model package; equal digests are equal models.
        created_ms: Milliseconds since the epoch.
        run_id: The training run that produced it, if any.
        tags: Set by training, the promotion gate and releases.
    """

    name: str
    version: str
    aliases: tuple[str, ...]
    digest: str
    created_ms: int
    run_id: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the model.

    Attributes:
        version: Version number.
        aliases: Aliases that point at it: `champion` is in service, `challenger` is on trial, `previous` was in
            service before.
        digest: Digest of its package; equal digests are equal models.
        made_at: When it was registered, UTC.
        metrics: Metrics on the test split, from training.
        tags: Set by training, the promotion gate and releases.
    """

    version: str
    aliases: tuple[str, ...]
    digest: str
    made_at: datetime
    metrics: dict[str, float]
    tags: dict[str, str]


class VersionDetails(Version, frozen=True, kw_only=True):
    """One version with its model card in Markdown and the names of its training run's plots."""

    card: str
    plots: list[str]


class Promoted(msgspec.Struct, frozen=True, kw_only=True):
    """The champion after a promotion or rollback, and the one before, if any, which a rollback restores."""

    version: str
    previous: str | None
