"""The recipe of a retraining: the champion's architecture and weights, unless the settings name others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from safetensors.torch import save_file

from dandelion.domain import CHAMPION
from dandelion.domain.arrays import Pixels
from dandelion.errors import TrainingError
from dandelion.files.replacing import replacing
from dandelion.package import ModelPackage
from dandelion.settings import RetrainingSettings
from dandelion.training.architecture import create_classifier
from dandelion.training.config import TrainingConfig

EPOCHS_FROM_WEIGHTS = 12
# Enough for the statistics of batch normalisation when weights are unfolded from a graph.
UNFOLDED_PHOTOS = 64

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """The plan of a training run.

    Attributes:
        start: Where the initial weights come from, in words.
        digest: Equal for equal recipes on every machine.
    """

    config: TrainingConfig
    start: str
    digest: str


def plan_recipe(
    limits: RetrainingSettings,
    champion: ModelPackage | None,
    classes: Collection[str],
    folder: Path,
    photos: Callable[[ModelPackage], Pixels],
) -> Recipe:
    """Plan the recipe for `classes` from the settings and the champion.

    If the champion's weights must be rebuilt from its graph, they are stored in `folder`, and `photos` returns training
    photos as the champion sees them.

    Raises:
        TrainingError: timm has no such model, the weights file does not exist, or the background is no class.
    """
    if limits.background not in {"", CHAMPION, *classes}:
        raise TrainingError(
            f"There is no class {limits.background!r} to be the background.",
            f"Set DANDELION_RETRAINING__BACKGROUND to one of: {', '.join(sorted(classes))}.",
        )
    defaults = TrainingConfig()
    own, side, background = defaults.architecture, defaults.image_size, None
    if champion is not None:
        manifest = champion.manifest
        own, side = manifest.architecture, manifest.input.height
        background = manifest.background if manifest.background in classes else None
    if limits.background != CHAMPION:
        background = limits.background
    architecture = own if limits.architecture == CHAMPION else limits.architecture
    weights, start = limits.weights, limits.weights
    if limits.weights == CHAMPION:
        weights, start = "auto", "the hub's weights, where it is reachable"
        if champion is not None and architecture == own and (found := _weights_of(champion, folder, photos)):
            weights, start = str(found), f"the champion's weights ({champion.digest[:12]})"
    config = TrainingConfig(
        architecture=architecture,
        pretrained=weights,
        image_size=limits.image_size or side,
        epochs=limits.epochs or defaults.epochs,
        background=background or "",
        folds=limits.folds,
        seed=limits.seed,
    )
    if limits.epochs is None and _starts_from_weights(config):
        config = replace(config, epochs=EPOCHS_FROM_WEIGHTS)
    params = config.as_params() | {"pretrained": start}
    digest = hashlib.sha256(repr(sorted(params.items())).encode()).hexdigest()
    return Recipe(config, start, digest)


def _weights_of(champion: ModelPackage, folder: Path, photos: Callable[[ModelPackage], Pixels]) -> Path | None:
    """A file with the champion's weights; None if its package has none and they cannot be rebuilt."""
    if champion.weights.exists():
        return champion.weights
    from dandelion.training.unfold import unfold

    path = folder / f"{champion.digest[:16]}.safetensors"
    if not path.exists():
        try:
            state = unfold(champion, photos(champion)[:UNFOLDED_PHOTOS])
        except TrainingError as error:
            log.warning("champion_has_no_weights", reason=str(error))
            return None
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as fresh:
            save_file(state, fresh)
    return path


def _starts_from_weights(config: TrainingConfig) -> bool:
    if config.pretrained == "off":
        return False
    return config.pretrained != "auto" or create_classifier(config, 2).pretrained
