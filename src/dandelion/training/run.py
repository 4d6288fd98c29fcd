"""One training run, from a folder of photos to a registered version; read it from top to bottom."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import structlog
from safetensors.torch import save_file
from torch import nn

from dandelion import __version__
from dandelion.domain import LABEL_LENGTH, InputSpec, ModelVersion, Split
from dandelion.domain.arrays import Pixels
from dandelion.errors import DataError
from dandelion.imaging.statistics import NAMES as STATISTICS
from dandelion.imaging.statistics import SIZE, measure_pixels
from dandelion.package import Manifest, Neighbours, Reference, seal_package
from dandelion.package.network import Network
from dandelion.package.panorama import choose_view
from dandelion.package.store import CARD, GRAPHS, MANIFEST, METRICS, REFERENCE, WEIGHTS
from dandelion.training import graphs
from dandelion.training.architecture import Start, create_classifier, input_spec
from dandelion.training.card import Facts, write_card
from dandelion.training.checkpoint import Epoch, disk_errors
from dandelion.training.config import TrainingConfig
from dandelion.training.dataset import PhotoSet
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
    """One fit of a run, for progress displays: `fold 2 of 5` or `model`, and its maximum number of epochs."""

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
        version: None if none was registered.
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
    spec: InputSpec
    background: int | None

    def photo_set(self, photos: Sequence[Photo]) -> PhotoSet:
        return PhotoSet([p.path for p in photos], [self.classes.index(p.label) for p in photos], self.spec)

    def counts(self) -> dict[str, dict[str, int]]:
        return {split.value: dict(Counter(photo.label for photo in photos)) for split, photos in self.splits.items()}

    def score(
        self,
        classifier: nn.Module,
        photos: Sequence[Photo],
        around: Neighbours,
        temperature: float = 1.0,
        threshold: float = math.inf,
    ) -> Scored:
        """The outputs of `classifier` for photos that it was not fitted to; of panoramas as serving chooses their view.

        What the outputs are needed to find, `temperature` and the `threshold` of outliers, has values that change no
        prediction yet.
        """
        unseen = self.photo_set(photos)

        def choose(views: Pixels) -> int:
            logits, embeddings = (run(classifier, views, self.spec) for run in (predict_logits, predict_embeddings))
            return choose_view(
                logits / temperature, embeddings, around, background=self.background, outlier_threshold=threshold
            )

        served = unseen.served(choose)
        return Scored(
            unseen.targets.numpy(),
            predict_logits(classifier, served, self.spec),
            around.scores(predict_embeddings(classifier, served, self.spec)),
        )


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

    `folder` holds one sub-folder for each class. The checkpoints and the package are written to `output`, and with
    `resume` the run resumes from there. `command` is for the model card.

    `known` maps SHA-256 to the split recorded for a photo, which takes precedence over the split by content. `sent`
    maps SHA-256 to the id of the prediction that a photo came from: such a photo can be erased but plots are
    permanent, so they show the id instead of the photo.

    Raises:
        DataError: The photos cannot be used, or vanished.
        TrainingError: The configuration is invalid or the disk is full; ParityError if the exported graph differs.
        RegistryError: MLflow did not respond.
    """
    started = time.monotonic()
    with disk_errors(str(output), OSError):
        output.mkdir(parents=True, exist_ok=True)
        if not resume:
            _remove_checkpoints(output)
    data = _load_data(folder, config, known)
    spec, validation, test = data.spec, data.splits[Split.VALIDATION], data.splits[Split.TEST]
    with tracker.run(config, data.digest, output, resume=resume) as tracked:

        def note(stage: Stage, epoch: Epoch) -> None:
            tracked.log_epoch(stage.name, epoch)
            on_epoch(stage, epoch)

        fits = _Fits(data, config, output, resume, note)
        fold_metrics, held_out = fits.cross_validate()
        # After cross-validation, the model also learns from the validation photos, and runs all epochs.
        learnt = [*data.splits[Split.TRAIN], *(validation if config.folds else [])]
        start, history = fits.fit("model", "model.ckpt", learnt, [] if config.folds else validation)
        classifier = start.classifier
        final = data.photo_set(learnt)
        served = final.served()
        embeddings = predict_embeddings(classifier, served, spec)
        around = find_neighbours(embeddings, final.targets.numpy())
        if held_out is None:
            held_out = data.score(classifier, validation, around)
        temperature = find_temperature(held_out.logits, held_out.targets)
        unseen = held_out.probabilities(temperature)
        looks = {**dict(zip(STATISTICS, measure_pixels(served).T, strict=True)), SIZE: final.sizes()}
        reference = find_reference(embeddings, final.targets.numpy(), looks, unseen)
        threshold = outlier_threshold(held_out.outlier_scores)
        tested = data.score(classifier, test, around, temperature, threshold)
        metrics = {**measure(tested, temperature, data.classes), **fold_metrics}

        exported = _export(classifier, data.photo_set([*validation, *test]), spec, served, temperature)
        manifest = Manifest(
            architecture=config.architecture,
            input=spec,
            classes=data.classes,
            background=config.background or None,
            temperature=temperature,
            outlier_threshold=threshold,
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
            exported=exported,
            pretrained=start.weights,
            epochs=len(history),
            minutes=(time.monotonic() - started) / 60,
        )
        package = _write_package(output, facts, classifier, reference)
        tracked.log_metrics(metrics)
        named = [(sent or {}).get(photo.sha256) for photo in test]
        shown = data.photo_set(test)
        plots = plot_all(history, tested, temperature, data.classes, shown.served(), shown.paths, named)
        for name, plot in plots:
            tracked.log_plot(name, plot)
        version = tracked.register(package)
    _remove_checkpoints(output)  # the run is done, and the package is its result
    return Trained(package, metrics, exported.int8 is not None, version)


def _load_data(folder: Path, config: TrainingConfig, known: Mapping[str, Split] | None) -> _Data:
    """Load the photos of a folder and split them; raise `DataError` if no model can be trained on them."""
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
    if config.background and config.background not in classes:
        raise DataError(
            f"{folder} has no class {config.background!r} to be the background.", f"Name one of: {', '.join(classes)}."
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
    background = classes.index(config.background) if config.background else None
    return _Data(classes, dataset_digest(photos), splits, input_spec(config), background)


@dataclass(frozen=True, slots=True)
class _Fits:
    """The fits of a run, and what they share."""

    data: _Data
    config: TrainingConfig
    output: Path
    resume: bool
    note: OnEpoch

    def fit(
        self, name: str, checkpoint: str, learnt: Sequence[Photo], validation: Sequence[Photo] = ()
    ) -> tuple[Start, list[Epoch]]:
        """Fit a new classifier to the photos `learnt`."""
        data, config = self.data, self.config
        start = create_classifier(config, len(data.classes))
        history = fit(
            start,
            data.photo_set(learnt),
            data.photo_set(validation),
            classes=len(data.classes),
            spec=data.spec,
            config=config,
            on_epoch=partial(self.note, Stage(name, config.epochs)),
            checkpoint=self.output / checkpoint,
            resume=self.resume,
        )
        return start, history

    def cross_validate(self) -> tuple[dict[str, float], Scored | None]:
        """Metrics over the folds, and scores of every photo outside the test split by a model that never saw it."""
        data, k = self.data, self.config.folds
        if not k:
            return {}, None
        photos = [*data.splits[Split.TRAIN], *data.splits[Split.VALIDATION]]
        folds = assign_folds(photos, k)
        parts: list[Scored] = []
        for fold in range(k):
            learnt = [p for p, f in zip(photos, folds, strict=True) if f != fold]
            left_out = [p for p, f in zip(photos, folds, strict=True) if f == fold]
            start, _ = self.fit(f"fold {fold + 1} of {k}", f"fold-{fold}.ckpt", learnt)
            seen = data.photo_set(learnt)
            embeddings = predict_embeddings(start.classifier, seen.served(), data.spec)
            parts.append(data.score(start.classifier, left_out, find_neighbours(embeddings, seen.targets.numpy())))
        accuracies = [float((part.logits.argmax(axis=1) == part.targets).mean()) for part in parts]
        metrics = {
            "cv_folds": float(k),
            "cv_accuracy_mean": float(np.mean(accuracies)),
            "cv_accuracy_std": float(np.std(accuracies)),
        }
        together = Scored(
            np.concatenate([part.targets for part in parts]),
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.outlier_scores for part in parts]),
        )
        return metrics, together


def _export(
    classifier: nn.Module, judged: PhotoSet, spec: InputSpec, served: Pixels, temperature: float
) -> graphs.Exported:
    """Export the graphs, and check them on photos outside the training set."""
    photos, targets = judged.served(), judged.targets.numpy()
    exact = graphs.convert(Network(classifier, spec).eval(), spec.height, spec.width)
    float32 = graphs.halve(exact)
    logits = predict_logits(classifier, photos, spec)
    parity = graphs.compare(logits, graphs.run_graph(float32, photos), targets, temperature)
    graphs.require_parity(parity)
    quantised = graphs.quantise(exact, served)
    int8_parity = graphs.compare(logits, graphs.run_graph(quantised, photos), targets, temperature)
    is_good = graphs.keeps_quality(int8_parity)
    log.info("int8_graph", kept=is_good, agreement=int8_parity.agreement, accuracy_loss=int8_parity.accuracy_loss)
    return graphs.Exported(float32, parity, quantised if is_good else None, int8_parity)


def _write_package(output: Path, facts: Facts, classifier: nn.Module, reference: Reference) -> Path:
    """Write and seal the package in a temporary folder, then move it into place as a whole."""
    with disk_errors(str(output), OSError), tempfile.TemporaryDirectory(dir=output) as name:
        folder = Path(name) / PACKAGE
        folder.mkdir()
        # Older versions of Dandelion refuse a field that they do not know, so it is left out where it says nothing.
        unused = {"background"} if facts.manifest.background is None else set()
        (folder / MANIFEST).write_text(facts.manifest.model_dump_json(indent=2, exclude=unused), encoding="utf-8")
        (folder / METRICS).write_text(json.dumps(facts.metrics, indent=2), encoding="utf-8")
        (folder / CARD).write_text(write_card(facts), encoding="utf-8")
        reference.save(folder / REFERENCE)
        graphs.save(facts.exported.float32, folder / GRAPHS["float32"])
        if facts.exported.int8 is not None:
            graphs.save(facts.exported.int8, folder / GRAPHS["int8"])
        if not facts.config.compact:
            state = {key: value.contiguous() for key, value in classifier.state_dict().items()}
            save_file(state, folder / WEIGHTS)
        seal_package(folder)
        place = output / PACKAGE
        shutil.rmtree(place, ignore_errors=True)
        folder.rename(place)
    return place


def _remove_checkpoints(output: Path) -> None:
    for checkpoint in output.glob("*.ckpt"):
        checkpoint.unlink()
