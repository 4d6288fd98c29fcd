"""Train a candidate on a frozen dataset version; a killed run resumes from its last epoch, on any machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import structlog

from dandelion.domain import ModelVersion, Split
from dandelion.domain.arrays import Pixels
from dandelion.errors import ObjectStoreError, TrainingError
from dandelion.objects import PROCESSED, ObjectStore
from dandelion.package import ModelPackage
from dandelion.registry import Registry
from dandelion.retraining.lake import prediction_of
from dandelion.retraining.recipe import plan_recipe
from dandelion.settings import Settings
from dandelion.training.checkpoint import Epoch
from dandelion.training.dataset import PhotoSet
from dandelion.training.run import Stage, train
from dandelion.training.tracking import Tracker
from dandelion.training.versions import DatasetVersion, fetch_version, path_in

CHECKPOINTS = "training"
# Tag of a version: its dataset and recipe, so that no run trains the same version twice.
KEY_TAG = "dandelion.training_key"
_CARRIED = ("*.ckpt", "run.json")

log = structlog.get_logger(__name__)


def train_candidate(
    settings: Settings,
    store: ObjectStore,
    registry: Registry,
    dataset: DatasetVersion,
    champion: ModelPackage | None,
    folder: Path,
    *,
    command: str,
    on_epoch: Callable[[Stage, Epoch], None] = lambda stage, epoch: None,
) -> tuple[ModelVersion, str]:
    """Train on `dataset` and register the result, or return the version registered before for this data and recipe.

    The store has the photos and gets a checkpoint after every epoch; `folder` is for copies of both. `command` is for
    the model card.

    Returns:
        The version, at which no alias points yet; where it came from, and its accuracy.

    Raises:
        DataError: The photos no longer suffice.
        TrainingError: The recipe is invalid or the disk is full; ParityError if the exported graph differs.
        RegistryError: MLflow did not respond.
        ObjectStoreError: The store did not respond before training began.
    """
    photos = fetch_version(store, dataset, folder / "photos")

    def served(package: ModelPackage) -> Pixels:
        learnt = [path_in(folder / "photos", each) for each in photos.values() if each.split == Split.TRAIN]
        return PhotoSet(learnt, [0] * len(learnt), package.manifest.input).served()

    recipe = plan_recipe(
        settings.retraining, champion, dataset.classes, settings.home / "retraining" / "weights", served
    )
    key = f"{dataset.digest[:16]}-{recipe.digest[:8]}"
    if found := next((each for each in registry.list_versions() if each.tags.get(KEY_TAG) == key), None):
        return found, f"Version {found.version} was trained on these photos with this recipe before."
    output = folder / key
    carried = _Carried(store, f"{CHECKPOINTS}/{key}", output)
    carried.fetch()

    def note(stage: Stage, epoch: Epoch) -> None:
        carried.save()
        on_epoch(stage, epoch)

    trained = train(
        folder / "photos",
        recipe.config,
        output,
        tracker=Tracker(registry, tags={KEY_TAG: key}, on_trial=False),
        command=command,
        known={sha256: each.split for sha256, each in photos.items()},
        sent={sha256: sent for sha256, each in photos.items() if (sent := prediction_of(each.origin))},
        resume=True,
        on_epoch=note,
    )
    carried.forget()
    version = trained.version
    if version is None:
        raise TrainingError("The candidate was not registered.")
    resumed = ", resumed after it was killed" if carried.resumed else ""
    return version, (
        f"Version {version.version}: {recipe.config.architecture} at {recipe.config.image_size} px from {recipe.start}"
        f"{resumed}; {trained.metrics['accuracy']:.1%} of test photos right."
    )


class _Carried:
    """Checkpoints in the object store, so that another machine can resume from them."""

    def __init__(self, store: ObjectStore, prefix: str, output: Path) -> None:
        self._store, self._prefix, self._output = store, prefix, output
        self._saved: dict[str, int] = {}
        self.resumed = False

    def fetch(self) -> None:
        """Download saved checkpoints; local files stay, because they are at least as new."""
        self._output.mkdir(parents=True, exist_ok=True)
        for found in self._store.list_objects(PROCESSED, f"{self._prefix}/"):
            path = self._output / found.key.rsplit("/", 1)[1]
            self.resumed = True
            if not path.exists():
                self._store.get_file(PROCESSED, found.key, path)

    def save(self) -> None:
        """Save what changed. If the store is down, the run continues but cannot be resumed elsewhere."""
        for path in (each for pattern in _CARRIED for each in self._output.glob(pattern)):
            changed_ns = path.stat().st_mtime_ns
            if self._saved.get(path.name) == changed_ns:
                continue
            try:
                self._store.put_file(PROCESSED, f"{self._prefix}/{path.name}", path)
            except ObjectStoreError as error:
                log.warning("checkpoint_not_saved", file=path.name, reason=str(error))
            else:
                self._saved[path.name] = changed_ns

    def forget(self) -> None:
        """Remove the checkpoints from the store and from this machine."""
        try:
            for found in list(self._store.list_objects(PROCESSED, f"{self._prefix}/")):
                self._store.delete(PROCESSED, found.key)
        except ObjectStoreError as error:
            log.warning("checkpoint_left_behind", prefix=self._prefix, reason=str(error))
        shutil.rmtree(self._output, ignore_errors=True)
