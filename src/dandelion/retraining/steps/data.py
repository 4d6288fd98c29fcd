"""Steps 2 and 3: check whether the photos are worth training on, and freeze them as a dataset version."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import numpy as np

from dandelion.domain import Split
from dandelion.domain.arrays import Floats
from dandelion.errors import ObjectNotFoundError
from dandelion.inference.classifier import Classification, Classifier
from dandelion.objects import DATA_LAKE, PROCESSED
from dandelion.package import ModelPackage
from dandelion.retraining.label_noise import MAX_NEW, MAX_OLD, LabelNoise, measure_label_noise
from dandelion.retraining.lake import copy_photos, inspect
from dandelion.retraining.quality import Quality, judge_quality, stop_for_label_noise
from dandelion.retraining.run import Run
from dandelion.retraining.state import State
from dandelion.settings import InferenceSettings
from dandelion.training.versions import DatasetVersion, find_version, freeze_version, last_version

_BATCH = 8
# Fewer photos have too few neighbours.
_ENOUGH = 20


def check_data(run: Run, state: State) -> State:
    """Inspect the new photos, judge them, and draft the next dataset version."""
    if run.dataset_digest is not None:
        dataset = find_version(run.store, run.dataset_digest)
        return state.skip(f"{len(dataset.photos)} photos were checked before.", dataset=dataset)
    inspected = [photo for part in run.spread(inspect, state.news) for photo in part]
    limits, champion = run.settings.retraining, run.champion
    known = () if champion is None or champion.is_starter else champion.package.manifest.classes
    quality = judge_quality(inspected, state.parent, limits, known_classes=known, force=run.request.force)
    if quality.stops:
        return state.end("stopped", quality.message)
    noise = _measure_label_noise(run, state.parent, champion.package, quality) if champion else None
    if noise and (reason := stop_for_label_noise(noise, limits)):
        return state.end("stopped", reason)
    keys = {source.origin: source.key for source in state.sources}
    chosen = {photo.origin for photo in quality.draft.photos}
    copies = tuple((keys[each.origin], each.key, each.photo.sha256) for each in quality.new if each.origin in chosen)
    shares = f" {noise.new_share:.0%} of new labels are suspect, {noise.old_share:.0%} of old." if noise else ""
    return state.after(quality.message + shares, draft=quality.draft, copies=copies)


def prepare_data(run: Run, state: State) -> State:
    """Copy the photos and freeze the drafted version; the same photos make the same version."""
    if state.draft is not None:
        run.spread(copy_photos, state.copies)
        dataset = state.draft
        last = last_version(run.store)
        if last is not None and last.digest == dataset.digest:
            dataset = last
        else:
            freeze_version(run.store, dataset)
    else:
        dataset = state.frozen
    run.remember(dataset=dataset.digest)
    photos = Counter(each.split for each in dataset.photos)
    counts = ", ".join(f"{photos[split]} {split}" for split in Split)
    return state.after(f"Dataset version {dataset.name}: {counts}.", dataset=dataset)


def _measure_label_noise(
    run: Run, parent: DatasetVersion | None, package: ModelPackage, quality: Quality
) -> LabelNoise | None:
    """Measure label noise among the new photos; None without old photos to compare them with."""
    if parent is None or not parent.photos or not quality.new:
        return None
    sampler = random.Random(run.settings.retraining.seed)  # noqa: S311 -- a sample, not a secret
    old = sampler.sample(parent.photos, min(MAX_OLD, len(parent.photos)))
    new = sampler.sample(quality.new, min(MAX_NEW, len(quality.new)))
    read, settings = run.store.get, run.settings.inference
    old_photos = [(each.label, partial(read, PROCESSED, each.key)) for each in old]
    new_photos = [(each.photo.label, partial(read, DATA_LAKE, str(each.photo.path))) for each in new]
    old_labels, old_embeddings = _embed(package, settings, old_photos)
    new_labels, new_embeddings = _embed(package, settings, new_photos)
    if not old_labels or not new_labels or len(old_labels) + len(new_labels) < _ENOUGH:
        return None
    return measure_label_noise(old_embeddings, old_labels, new_embeddings, new_labels)


def _embed(
    package: ModelPackage, settings: InferenceSettings, photos: Sequence[tuple[str, Callable[[], bytes]]]
) -> tuple[list[str], Floats]:
    """Labels and embeddings, float32 [N, D], of photos that can still be read."""
    classifier = Classifier.load(package, settings)
    found = []
    for start in range(0, len(photos), _BATCH):
        some = []
        for label, read in photos[start : start + _BATCH]:
            with suppress(ObjectNotFoundError):
                some.append((label, read()))
        results = classifier.classify([data for _, data in some])
        found += [
            (label, each.embedding)
            for (label, _), each in zip(some, results, strict=True)
            if isinstance(each, Classification)
        ]
    embeddings = [embedding for _, embedding in found]
    return [label for label, _ in found], np.stack(embeddings) if embeddings else np.empty((0, 1), np.float32)
