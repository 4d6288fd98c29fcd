"""Drift on made-up photos: what changes is named, what does not stays below its threshold."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from dandelion.monitoring.drift import EMBEDDING, compare
from dandelion.monitoring.sketch import CLASSES, Expected, Sketch
from dandelion.package import Reference
from dandelion.training.reference import find_reference

Generator = np.random.Generator
Looks = dict[str, npt.NDArray[Any]]
PHOTOS = 300


def look(rng: Generator, count: int, *, darker: float = 0.0, grass: float = 0.5, elsewhere: float = 0.0) -> Looks:
    """Values of photos: brightness, confidence, class and embedding."""
    sure = rng.uniform(0.5, 1, count)
    is_grass = rng.random(count) < grass
    certain = np.where(is_grass, sure, 1 - sure)
    probabilities = np.stack([1 - certain, certain], axis=1).astype(np.float32)
    embedding = (rng.normal(size=(count, 24)) + 1).astype(np.float32)
    embedding[:, 0] += elsewhere
    return {
        "brightness": rng.normal(0.5 - darker, 0.1, count).astype(np.float32),
        "probabilities": probabilities,
        "embedding": embedding,
    }


@pytest.fixture(scope="module")
def reference() -> Reference:
    trained = look(np.random.default_rng(0), PHOTOS)
    targets = trained["probabilities"].argmax(axis=1)
    return find_reference(
        trained["embedding"], targets, {"brightness": trained["brightness"]}, trained["probabilities"]
    )


def sketch(reference: Reference, photos: Looks) -> Sketch:
    values = {
        "brightness": photos["brightness"],
        "confidence": photos["probabilities"].max(axis=1),
        CLASSES: photos["probabilities"].argmax(axis=1),
    }
    return Sketch.of(Expected.of(reference), values, reference.directions.coordinates(photos["embedding"]))


def drifted(reference: Reference, photos: Looks) -> list[str]:
    return [each.feature for each in compare(sketch(reference, photos)) if each.score >= 1]


@pytest.mark.parametrize(
    ("change", "feature"),
    [
        ({"darker": 0.06}, "brightness"),
        ({"grass": 0.8}, CLASSES),
        ({"elsewhere": 2.0}, EMBEDDING),
    ],
)
def test_what_changed_is_named_and_nothing_else(reference: Reference, change: dict[str, float], feature: str) -> None:
    assert drifted(reference, look(np.random.default_rng(1), 500, **change)) == [feature]


def test_windows_of_the_same_kind_of_photos_do_not_drift(reference: Reference) -> None:
    alarms = [drifted(reference, look(np.random.default_rng(seed), 500)) for seed in range(1000)]
    assert sum(bool(each) for each in alarms) <= 2


def test_a_difference_too_small_to_matter_is_none_however_many_photos_prove_it(reference: Reference) -> None:
    assert drifted(reference, look(np.random.default_rng(2), 200_000, darker=0.005)) == []


def test_sketches_of_two_processes_add_up_to_that_of_all_photos(reference: Reference) -> None:
    one, two = (look(np.random.default_rng(seed), 250, darker=0.02) for seed in (3, 4))
    both = {name: np.concatenate([one[name], two[name]]) for name in one}
    merged, whole = sketch(reference, one) + sketch(reference, two), sketch(reference, both)
    assert (merged.photos, merged.counts) == (whole.photos, whole.counts)
    assert merged.sums == pytest.approx(whole.sums, rel=1e-4)


def test_a_model_that_is_surer_has_not_drifted_and_one_that_is_less_sure_has(reference: Reference) -> None:
    photos = look(np.random.default_rng(6), 500)
    for confidence, found in ((0.999, []), (0.55, ["confidence"])):
        is_grass = photos["probabilities"].argmax(axis=1) == 1
        certain = np.where(is_grass, confidence, 1 - confidence)
        shifted = np.stack([1 - certain, certain], axis=1).astype(np.float32)
        assert drifted(reference, photos | {"probabilities": shifted}) == found


def test_a_sketch_is_as_large_for_many_photos_as_for_few_and_survives_json(reference: Reference) -> None:
    few, many = (sketch(reference, look(np.random.default_rng(5), count)) for count in (10, 10_000))
    text = msgspec.json.encode(many)
    assert len(text) < 1.2 * len(msgspec.json.encode(few))
    assert msgspec.json.decode(text, type=Sketch) == many


def test_no_photo_says_nothing(reference: Reference) -> None:
    assert compare(Sketch.empty(Expected.of(reference))) == []
