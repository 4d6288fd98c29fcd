"""One training run, from a folder of photos to a registered version; read it from top to bottom."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino as ov
import structlog
from safetensors.torch import save_file
from torch import nn

from dandelion import __version__
from dandelion.domain import LABEL_LENGTH, InputSpec, ModelVersion, Split
from dandelion.domain.arrays import Pixels
from dandelion.errors import DataError, TrainingError
from dandelion.imaging.statistics import NAMES as STATISTICS
from dandelion.imaging.statistics import SIZE, measure_pixels
from dandelion.package import Manifest, Neighbours, Reference, seal_package
from dandelion.package.network import Network
from dandelion.package.store import CARD, GRAPHS, MANIFEST, METRICS, REFERENCE, WEIGHTS
from dandelion.training import graphs
from dandelion.training.architecture import Start, create_classifier, input_spec
from dandelion.training.card import Facts, write_card
from dandelion.training.config import TrainingConfig
from dandelion.training.dataset import PhotoSet
from dandelion.training.epoch import Epoch
from dandelion.training.fit import fit, predict_embeddings, predict_logits
from dandelion.training.photos import Photo, scan_photos
from dandelion.training.plots import plot_all
from dandelion.training.reference import find_neighbours, find_reference, outlier_threshold
from dandelion.training.scoring import Scored, find_temperature, measure
from dandelion.training.splits import assign_folds, assign_splits, dataset_digest
from dandelion.training.tracking import Tracker

PACKAGE = "package"
MIN_PHOTOS_A_SPLIT = 2

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stage:
    """One fit of a run, for progress displays.

    Attributes:
        name: `fold 2 of 5` or `model`.
        epochs: Maximum number of epochs.
    """

    name: str
    epochs: int


OnEpoch = Callable[[Stage, Epoch], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of a run.

    Attributes:
        package: Folder of the sealed package.
        metrics: Metrics on the test split.
        int8: Whether the package contains an int8 graph.
        version: The registered version; None if none was registered.
    """

    package: Path
    metrics: Mapping[str, float]
    int8: bool
    version: ModelVersion | None


@dataclass(frozen=True, slots=True)
class _Data:
    classes: tuple[str, ...]
    digest: str
    splits: dict[Split, list[Photo]]

    def photo_set(self, photos: Sequence[Photo], spec: InputSpec) -> PhotoSet:
        return PhotoSet([p.path for p in photos], [self.classes.index(p.label) for p in photos], spec)

    def counts(self) -> dict[str, dict[str, int]]:
        return {split.value: dict(Counter(photo.label for photo in photos)) for split, photos in self.splits.items()}


def train(
    folder: Path,
    config: TrainingConfig,
    output: Path,
    *,
    tracker: Tracker,
    command: str,
    known: Mapping[str, Split] | None = None,
    sent: Mapping[str, str] | None = None,
    resume: bool = False,
    on_epoch: OnEpoch = lambda stage, epoch: None,
) -> Trained:
    """Train, calibrate, measure, export, package and register; a run that fails registers nothing.

    Args:
        folder: Holds one sub-folder for each class.
        config: The training configuration.
        output: Folder for the checkpoints and the package.
        tracker: MLflow, or a stand-in that records nothing.
        command: The command, for the model card.
        known: SHA-256 to the split recorded for a photo; takes precedence over the split by content.
        sent: SHA-256 to the id of the prediction that a photo came from. Such a photo can be erased but plots are
            permanent, so they show the id instead of the photo.
        resume: Resume from the checkpoints in `output`.
        on_epoch: Called after each epoch.

    Raises:
        DataError: The photos cannot be used, or vanished.
        TrainingError: The configuration is invalid or the disk is full; ParityError if the exported graph differs.
        RegistryError: MLflow did not respond.
    """
    started = time.monotonic()
    _prepare_output(output, resume=resume)
    data = load_data(folder, known)
    spec = input_spec(config)
    with tracker.run(config, data.digest, output, resume=resume) as tracked:

        def note(stage: Stage, epoch: Epoch) -> None:
            tracked.log_epoch(stage.name, epoch)
            on_epoch(stage, epoch)

        fold_metrics, held_out = _cross_validate(data, spec, config, output, resume, note)
        start, history = _fit_final(data, spec, config, output, resume, note)
        classifier = start.classifier
        test = data.photo_set(data.splits[Split.TEST], spec)
        final = data.photo_set(_final_photos(data, config), spec)
        learnt = final.served()
        embeddings = predict_embeddings(classifier, learnt, spec)
        around = find_neighbours(embeddings, final.targets.numpy())
        if held_out is None:
            held_out = _score(classifier, data.photo_set(data.splits[Split.VALIDATION], spec), spec, around)
        temperature = find_temperature(held_out.logits, held_out.targets)
        unseen = held_out.probabilities(temperature)
        reference = find_reference(embeddings, final.targets.numpy(), _looks(learnt, final.sizes()), unseen)
        tested = _score(classifier, test, spec, around)
        metrics = {**measure(tested, temperature, data.classes), **fold_metrics}

        judged = data.photo_set([*data.splits[Split.VALIDATION], *data.splits[Split.TEST]], spec)
        exported = _export(classifier, spec, config, judged, learnt, temperature)
        manifest = Manifest(
            architecture=config.architecture,
            input=spec,
            classes=data.classes,
            temperature=temperature,
            outlier_threshold=outlier_threshold(held_out.outlier_scores),
            dataset_digest=data.digest,
            code_version=__version__,
            created_at=datetime.now(UTC),
            precisions=("float32", "int8") if exported.int8 is not None else ("float32",),
        )
        facts = Facts(
            manifest=manifest,
            config=config,
            command=command,
            counts=data.counts(),
            metrics=metrics,
            parity=exported.parity,
            int8=(exported.int8_parity, exported.int8 is not None),
            pretrained=start.weights,
            epochs=len(history),
            minutes=(time.monotonic() - started) / 60,
        )
        package = _write_package(output, facts, exported, classifier, reference)
        tracked.log_metrics(metrics)
        named = [(sent or {}).get(photo.sha256) for photo in data.splits[Split.TEST]]
        plots = plot_all(history, tested, temperature, data.classes, test.served(), test.paths, named)
        for name, plot in plots:
            tracked.log_plot(name, plot)
        version = tracked.register(package)
    for checkpoint in output.glob("*.ckpt"):
        checkpoint.unlink()  # the run is done, and the package is its result
    return Trained(package, metrics, exported.int8 is not None, version)


def load_data(folder: Path, known: Mapping[str, Split] | None = None) -> _Data:
    """Load the photos of a folder and split them; `known` maps SHA-256 to the split recorded before.

    Raises:
        DataError: A photo cannot be read, the name of a class is too long, or there are too few photos or classes.
    """
    photos = assign_splits(scan_photos(folder), known)
    classes = tuple(sorted({photo.label for photo in photos}))
    if len(classes) < 2:
        raise DataError(
            f"{folder} has {len(classes)} class{'' if len(classes) == 1 else 'es'} with photos.",
            "Create one sub-folder for each class, two or more, and put the photos in it.",
        )
    if long := next((name for name in classes if len(name) > LABEL_LENGTH), ""):
        raise DataError(
            f"Class {long[:40]!r}... of {folder} has a name of {len(long)} characters.",
            f"Rename its folder; a name has up to {LABEL_LENGTH} characters.",
        )
    splits = {split: [photo for photo in photos if photo.split is split] for split in Split}
    for split, members in splits.items():
        for name in classes:
            found = sum(photo.label == name for photo in members)
            if found < MIN_PHOTOS_A_SPLIT:
                raise DataError(
                    f"The {split.value} split of {folder} has {found} photos of {name!r}.",
                    f"It needs {MIN_PHOTOS_A_SPLIT}. Add photos: 40 or more of each class fill all three splits.",
                )
    return _Data(classes, dataset_digest(photos), splits)


def _cross_validate(
    data: _Data, spec: InputSpec, config: TrainingConfig, output: Path, resume: bool, note: OnEpoch
) -> tuple[dict[str, float], Scored | None]:
    """Metrics over the folds, and scores of every photo outside the test split by a model that never saw it."""
    if not config.folds:
        return {}, None
    photos = [*data.splits[Split.TRAIN], *data.splits[Split.VALIDATION]]
    folds = assign_folds(photos, config.folds)
    parts: list[Scored] = []
    for fold in range(config.folds):
        learnt = data.photo_set([p for p, f in zip(photos, folds, strict=True) if f != fold], spec)
        left_out = data.photo_set([p for p, f in zip(photos, folds, strict=True) if f == fold], spec)
        start = create_classifier(config, len(data.classes))
        stage = Stage(f"fold {fold + 1} of {config.folds}", config.epochs)
        _fit(start, learnt, None, data, spec, config, output / f"fold-{fold}.ckpt", resume, stage, note)
        embeddings = predict_embeddings(start.classifier, learnt.served(), spec)
        around = find_neighbours(embeddings, learnt.targets.numpy())
        parts.append(_score(start.classifier, left_out, spec, around))
    accuracies = [float((part.logits.argmax(axis=1) == part.targets).mean()) for part in parts]
    metrics = {
        "cv_folds": float(config.folds),
        "cv_accuracy_mean": float(np.mean(accuracies)),
        "cv_accuracy_std": float(np.std(accuracies)),
    }
    together = Scored(
        np.concatenate([part.targets for part in parts]),
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.outlier_scores for part in parts]),
    )
    return metrics, together


def _fit_final(
    data: _Data, spec: InputSpec, config: TrainingConfig, output: Path, resume: bool, note: OnEpoch
) -> tuple[Start, list[Epoch]]:
    """Fit the model; after cross-validation it also trains on validation photos, and runs all epochs."""
    start = create_classifier(config, len(data.classes))
    learnt = _final_photos(data, config)
    validation = None if config.folds else data.photo_set(data.splits[Split.VALIDATION], spec)
    stage = Stage("model", config.epochs)
    history = _fit(
        start,
        data.photo_set(learnt, spec),
        validation,
        data,
        spec,
        config,
        output / "model.ckpt",
        resume,
        stage,
        note,
    )
    return start, history


def _fit(
    start: Start,
    learnt: PhotoSet,
    validation: PhotoSet | None,
    data: _Data,
    spec: InputSpec,
    config: TrainingConfig,
    checkpoint: Path,
    resume: bool,
    stage: Stage,
    note: OnEpoch,
) -> list[Epoch]:
    return fit(
        start,
        learnt,
        validation,
        classes=len(data.classes),
        spec=spec,
        config=config,
        on_epoch=lambda epoch: note(stage, epoch),
        checkpoint=checkpoint,
        resume=resume,
    )


def _final_photos(data: _Data, config: TrainingConfig) -> list[Photo]:
    more = data.splits[Split.VALIDATION] if config.folds else []
    return [*data.splits[Split.TRAIN], *more]


def _looks(served: Pixels, sizes: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
    """Statistic to its values, float32 [N], of photos uint8 [N, H, W, 3]."""
    measured = measure_pixels(served)
    return {**{name: measured[:, column] for column, name in enumerate(STATISTICS)}, SIZE: sizes}


def _score(classifier: nn.Module, photos: PhotoSet, spec: InputSpec, around: Neighbours) -> Scored:
    served = photos.served()
    return Scored(
        photos.targets.numpy(),
        predict_logits(classifier, served, spec),
        around.scores(predict_embeddings(classifier, served, spec)),
    )


@dataclass(frozen=True, slots=True)
class _Exported:
    float32: ov.Model
    parity: graphs.Parity
    int8: ov.Model | None
    int8_parity: graphs.Parity


def _export(
    classifier: nn.Module,
    spec: InputSpec,
    config: TrainingConfig,
    judged: PhotoSet,
    learnt: Pixels,
    temperature: float,
) -> _Exported:
    """Export the graphs, and check them on photos outside the training set."""
    photos, targets = judged.served(), judged.targets.numpy()
    exact = graphs.convert(Network(classifier, spec).eval(), spec.height, spec.width)
    float32 = graphs.halve(exact)
    logits = predict_logits(classifier, photos, spec)
    parity = graphs.compare(logits, graphs.run_graph(float32, photos), targets, temperature)
    graphs.require_parity(parity)
    quantised = graphs.quantise(exact, learnt)
    int8_parity = graphs.compare(logits, graphs.run_graph(quantised, photos), targets, temperature)
    is_good = graphs.keeps_quality(int8_parity)
    log.info("int8_graph", kept=is_good, agreement=int8_parity.agreement, accuracy_loss=int8_parity.accuracy_loss)
    return _Exported(float32, parity, quantised if is_good else None, int8_parity)


def _write_package(output: Path, facts: Facts, exported: _Exported, classifier: nn.Module, around: Reference) -> Path:
    """Write and seal the package in a temporary folder, then move it into place as a whole."""
    with _disk_errors(output), tempfile.TemporaryDirectory(dir=output) as name:
        folder = Path(name) / PACKAGE
        folder.mkdir()
        (folder / MANIFEST).write_text(facts.manifest.model_dump_json(indent=2), encoding="utf-8")
        (folder / METRICS).write_text(json.dumps(facts.metrics, indent=2), encoding="utf-8")
        (folder / CARD).write_text(write_card(facts), encoding="utf-8")
        around.save(folder / REFERENCE)
        graphs.save(exported.float32, folder / GRAPHS["float32"])
        if exported.int8 is not None:
            graphs.save(exported.int8, folder / GRAPHS["int8"])
        if not facts.config.compact:
            state = {key: value.contiguous() for key, value in classifier.state_dict().items()}
            save_file(state, folder / WEIGHTS)
        seal_package(folder)
        place = output / PACKAGE
        shutil.rmtree(place, ignore_errors=True)
        folder.rename(place)
    return place


def _prepare_output(output: Path, *, resume: bool) -> None:
    with _disk_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        if not resume:
            for checkpoint in output.glob("*.ckpt"):
                checkpoint.unlink()


@contextmanager
def _disk_errors(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{output} cannot be written ({error.strerror or error}).",
            "Free some disk space, or choose another --output, then continue with --resume.",
        ) from error
