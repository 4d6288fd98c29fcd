"""Steps 2 and 3: check whether the photos are worth training on, and freeze them as a dataset version."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from dandelion.domain.arrays import Floats
from dandelion.errors import ObjectNotFoundError, PhotoError
from dandelion.imaging import prepare
from dandelion.inference.engines import create_runtime
from dandelion.objects import DATA_LAKE, PROCESSED
from dandelion.package import ModelPackage
from dandelion.retraining.label_noise import MAX_NEW, MAX_OLD, LabelNoise, measure_label_noise
from dandelion.retraining.quality import Quality, judge_quality, stop_for_label_noise
from dandelion.retraining.run import Run, Step
from dandelion.settings import InferenceSettings
from dandelion.training.versions import find_version, freeze_version, last_version

_BATCH = 8
# Fewer photos have too few neighbours.
_ENOUGH = 20


def check_data(run: Run) -> Step:
    """Judge the inspected photos, and draft the next dataset version.

    Raises:
        DandelionError: The object store or MLflow did not respond.
    """
    if skipped := run.skip():
        return skipped
    if run.dataset_digest is not None:
        run.dataset = find_version(run.store, run.dataset_digest)
        return Step(f"{len(run.dataset.photos)} photos were checked before.", skipped=True)
    limits, champion = run.settings.retraining, run.champion
    known = () if champion is None or champion.is_starter else champion.package.manifest.classes
    quality = judge_quality(run.inspected, run.parent, limits, known_classes=known, force=run.request.force)
    if quality.stops:
        return run.end("stopped", quality.message)
    noise = _measure_label_noise(run, champion.package, quality) if champion else None
    if noise and (reason := stop_for_label_noise(noise, limits)):
        return run.end("stopped", reason)
    keys = {source.origin: source.key for source in run.sources}
    chosen = {photo.origin for photo in quality.draft.photos}
    run.draft = quality.draft
    run.copies = [(keys[each.origin], each.key, each.photo.sha256) for each in quality.new if each.origin in chosen]
    shares = f" {noise.new_share:.0%} of new labels are suspect, {noise.old_share:.0%} of old." if noise else ""
    return Step(quality.message + shares)


def prepare_data(run: Run) -> Step:
    """Freeze the drafted version, whose photos were copied before; the same photos make the same version.

    Raises:
        DandelionError: The object store or the database did not respond.
    """
    if skipped := run.skip():
        return skipped
    if run.draft is not None:
        last = last_version(run.store)
        if last is not None and last.digest == run.draft.digest:
            run.dataset = last
        else:
            freeze_version(run.store, run.draft)
            run.dataset = run.draft
    dataset = run.frozen
    run.remember(dataset=dataset.digest)
    splits = {name: sum(each.split == name for each in dataset.photos) for name in ("train", "validation", "test")}
    counts = ", ".join(f"{count} {name}" for name, count in splits.items())
    return Step(f"Dataset version {dataset.name}: {counts}.")


def _measure_label_noise(run: Run, package: ModelPackage, quality: Quality) -> LabelNoise | None:
    """Measure label noise among the new photos; None without old photos to compare them with."""
    if run.parent is None or not run.parent.photos or not quality.new:
        return None
    sampler = random.Random(run.settings.retraining.seed)  # noqa: S311 -- a sample, not a secret
    old = sampler.sample(run.parent.photos, min(MAX_OLD, len(run.parent.photos)))
    new = sampler.sample(quality.new, min(MAX_NEW, len(quality.new)))
    old_labels, old_embeddings = _embed(
        package, run.settings.inference, [(each.label, _reader(run, PROCESSED, each.key)) for each in old]
    )
    new_labels, new_embeddings = _embed(
        package,
        run.settings.inference,
        [(each.photo.label, _reader(run, DATA_LAKE, str(each.photo.path))) for each in new],
    )
    if not old_labels or not new_labels or len(old_labels) + len(new_labels) < _ENOUGH:
        return None
    return measure_label_noise(old_embeddings, old_labels, new_embeddings, new_labels)


def _reader(run: Run, bucket: str, key: str) -> Callable[[], bytes]:
    return lambda: run.store.get(bucket, key)


def _embed(
    package: ModelPackage, settings: InferenceSettings, photos: Sequence[tuple[str, Callable[[], bytes]]]
) -> tuple[list[str], Floats]:
    """Labels and embeddings, float32 [N, D], of photos that can still be read."""
    runtime = create_runtime(package, settings, 1)
    labels, parts = [], []
    for start in range(0, len(photos), _BATCH):
        pixels = []
        for label, read in photos[start : start + _BATCH]:
            try:
                pixels.append(prepare(read(), package.manifest.input))
            except (ObjectNotFoundError, PhotoError):
                continue
            labels.append(label)
        if pixels:
            parts.append(runtime.run(np.stack(pixels)).embedding)
    return labels, np.concatenate(parts) if parts else np.empty((0, 1), np.float32)
