"""What stays in MLflow shows no photo that may be erased: photos of predictions are named there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from uuid_utils import uuid7

from dandelion.objects import DATA_LAKE, PROCESSED, ObjectStore, frozen_key, photo_key
from dandelion.objects.folder import FolderStore
from dandelion.registry import create_registry
from dandelion.release.gate import Decision, Scores
from dandelion.retraining.compare import Comparison, judged_photos
from dandelion.retraining.report import render_report
from dandelion.retraining.train import train_candidate
from dandelion.settings import Settings
from dandelion.training.photos import describe_photo
from dandelion.training.plots import plot_worst
from dandelion.training.report import thumbnail
from dandelion.training.sample import create_sample
from dandelion.training.scoring import Scored
from dandelion.training.versions import DatasetVersion, Labelled, draft_version
from tests.photos import jpeg


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return FolderStore(tmp_path / "objects")


def freeze(store: ObjectStore, label: str, data: bytes, origin: str) -> Labelled:
    """A photo of a dataset version, of a prediction or put there by somebody."""
    kind, _, name = origin.partition("/")
    key = frozen_key(name, ".jpg") if kind == "feedback" else f"photos/{origin}"
    store.put(PROCESSED, key, data)
    return Labelled(photo=describe_photo(Path(key), label, data), origin=origin, key=key)


def held_out(photos: list[Labelled]) -> DatasetVersion:
    """A version with these photos in its test split."""
    version = draft_version(photos, None)
    records = tuple(msgspec.structs.replace(each, split="test") for each in version.photos)
    return msgspec.structs.replace(version, photos=records)


def test_the_gates_page_names_photos_of_predictions_and_shows_those_that_somebody_put_there(store: ObjectStore) -> None:
    uploaded, frozen, lately = jpeg(160), jpeg(164), jpeg(168)
    known, fresh = str(uuid7()), str(uuid7())
    dataset = held_out(
        [
            freeze(store, "grass", uploaded, "uploads/grass/a.jpg"),
            freeze(store, "grass", frozen, f"feedback/{known}"),
        ]
    )
    store.put(DATA_LAKE, photo_key(fresh, ".jpg"), lately)
    told = {f"feedback/{each}": (photo_key(each, ".jpg"), "grass") for each in (known, fresh)}
    photos = judged_photos(store, dataset, told)
    before, after = (
        Scores([label] * len(photos), [0.9] * len(photos), ece=0.0, latency_ms=1.0, size_bytes=1, agreement=1.0)
        for label in ("grass", "dandelion")
    )
    comparison = Comparison(tuple(photos), after, before, Decision(False, "It is worse.", ()))
    page = render_report(comparison, candidate="2", champion="1")
    assert page.count("<img") == 1
    assert str(thumbnail(uploaded)) in page
    assert page.count(f">{known}<") == page.count(f">{fresh}<") == 1


def test_the_worst_mistakes_name_photos_of_predictions_and_show_the_others() -> None:
    wrong = Scored(np.array([1, 1]), np.array([[2, 0], [3, 0]], np.float32), np.zeros(2, np.float32))
    photos = np.zeros((2, 8, 8, 3), np.uint8)
    paths, identity = [Path("put.jpg"), Path("sent.jpg")], str(uuid7())
    figure = plot_worst(wrong, 1.0, ("dandelion", "grass"), photos, paths, [None, identity])
    shown = {axes.get_title().rpartition("; ")[2]: axes for axes in figure.axes if axes.get_title()}
    assert (len(shown["put.jpg"].images), len(shown["sent.jpg"].images)) == (1, 0)
    assert [identity in text.get_text() for text in shown["sent.jpg"].texts] == [True]
    assert not shown["put.jpg"].texts


@pytest.mark.parametrize("kind", ["feedback", "uploads"])
def test_a_retraining_keeps_pictures_of_no_photo_that_may_be_erased(
    store: ObjectStore, tmp_path: Path, kind: str
) -> None:
    create_sample(tmp_path / "drawn", per_class=40, size=64, seed=3)
    files = sorted((tmp_path / "drawn").glob("*/*.jpg"))
    names = [str(uuid7()) if kind == "feedback" else f"{file.parent.name}/{file.name}" for file in files]
    dataset = draft_version(
        [
            freeze(store, file.parent.name, file.read_bytes(), f"{kind}/{name}")
            for file, name in zip(files, names, strict=True)
        ],
        None,
    )
    recipe = {"architecture": "test_resnet", "weights": "off", "image_size": 64, "epochs": 1}
    settings = Settings.model_validate({"home": tmp_path / "home", "retraining": recipe})
    registry = create_registry(settings)
    version, _ = train_candidate(settings, store, registry, dataset, None, tmp_path / "run", command="tests")
    figure = registry.client.download_artifacts(str(version.run_id), "plots/worst_mistakes.png")
    with Image.open(figure) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    # One epoch teaches little: there are mistakes, of which photos are coloured and words are grey.
    assert (pixels.max(axis=2) == pixels.min(axis=2)).all() == (kind == "feedback")
    assert (pixels < 128).any()
