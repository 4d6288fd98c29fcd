"""Models: their input, their versions, and the parts of a dataset."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec

# Aliases of the registry: what serves, what is on trial, and what served before.
CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous"
# In place of a version's number, for the package that comes with Dandelion.
STARTER = "starter"


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


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the model.

    Attributes:
        version: Its number.
        aliases: Names that point at it: `champion` serves, `challenger` is on trial, `previous` served before.
        digest: Digest of its package; equal digests are equal models.
        made_at: When it was registered, UTC.
        metrics: Figures on the test split, from training.
        tags: What training, the gate and releases wrote on it.
    """

    version: str
    aliases: tuple[str, ...]
    digest: str
    made_at: datetime
    metrics: dict[str, float]
    tags: dict[str, str]


class VersionDetails(Version, frozen=True, kw_only=True):
    """One version with what is longer.

    Attributes:
        card: The model card, Markdown.
        plots: Names of the plots of its training run.
    """

    card: str
    plots: list[str]


class Promoted(msgspec.Struct, frozen=True, kw_only=True):
    """What serves from now on.

    Attributes:
        version: The champion.
        previous: What was champion until now, if anything was; a rollback brings it back.
    """

    version: str
    previous: str | None
