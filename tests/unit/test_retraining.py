"""What asks for a retraining, which photos allow one, and who is told."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from dandelion.domain import RETRAINING_STEPS, ModelVersion
from dandelion.errors import DataError
from dandelion.objects import DATA_LAKE, PROCESSED, ObjectStore
from dandelion.objects.folder import FolderStore
from dandelion.orchestration.retrainings import RetrainingRequest
from dandelion.retraining.compare import golden_photos
from dandelion.retraining.label_noise import measure_label_noise
from dandelion.retraining.lake import (
    Inspected,
    Source,
    copy_photos,
    folder_of,
    inspect,
    label_of,
    list_uploads,
    news,
    surviving,
)
from dandelion.retraining.notice import Notice
from dandelion.retraining.performance import LiveMetrics, judge_need
from dandelion.retraining.quality import Quality, judge_quality, stop_for_label_noise
from dandelion.retraining.run import Run
from dandelion.retraining.state import State
from dandelion.retraining.steps import STEPS, notification, training
from dandelion.settings import RetrainingSettings, Settings
from dandelion.training.sample import create_sample
from dandelion.training.versions import DatasetVersion
from dandelion.ui.retraining import STEPS as SHOWN_STEPS

LIMITS = RetrainingSettings(min_photos_per_class=10, min_new_photos=5)
WELL = LiveMetrics("Database", accuracy=0.95, labels=200, tested=0.96, outliers=0.05, error_ratio=0.0, p95_seconds=0.1)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return FolderStore(tmp_path / "objects")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    create_sample(folder, per_class=30, size=96, seed=5)
    return folder


def upload(store: ObjectStore, drawn: Path, *, per_class: int = 30, first: int = 0) -> None:
    for classed in sorted(drawn.iterdir()):
        for file in sorted(classed.iterdir())[first : first + per_class]:
            store.put(DATA_LAKE, f"uploads/{classed.name}/{file.name}", file.read_bytes())


def look(store: ObjectStore, parent: DatasetVersion | None = None, **options: object) -> Quality:
    inspected = inspect(store, news(list_uploads(store), parent))
    given: dict[str, object] = {"known_classes": (), "force": False, **options}
    return judge_quality(inspected, parent, LIMITS, **given)  # type: ignore[arg-type]


def test_nothing_is_done_while_all_is_well() -> None:
    need = judge_need(WELL, RetrainingRequest(), RetrainingSettings())
    assert not need.retrain
    assert "accuracy 95.0% of 200 labels" in need.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"accuracy": 0.85}, "Live accuracy 85.0% (200 labels in 24h) lies below 90%"),
        ({"accuracy": 0.905}, "5.5 points below 96.0% on test photos"),
        ({"outliers": 0.3}, "30.0% of photos are out of distribution"),
        ({"drift": (1.4, "brightness")}, "brightness scores 1.40"),
    ],
)
def test_a_figure_that_falls_asks_for_a_retraining_and_says_which(change: dict[str, object], words: str) -> None:
    need = judge_need(dataclasses.replace(WELL, **change), RetrainingRequest(), RetrainingSettings())  # type: ignore[arg-type]
    assert need.retrain
    assert words in need.message


def test_few_labels_make_no_accuracy() -> None:
    assert not judge_need(
        dataclasses.replace(WELL, accuracy=0.2, labels=10), RetrainingRequest(), RetrainingSettings()
    ).retrain


@pytest.mark.parametrize("fault", [{"error_ratio": 0.2}, {"p95_seconds": 3.0}])
def test_a_service_that_fails_is_mended_first_unless_somebody_insists(fault: dict[str, float]) -> None:
    metrics = dataclasses.replace(WELL, accuracy=0.5, **fault)  # type: ignore[arg-type]
    assert not judge_need(metrics, RetrainingRequest(), RetrainingSettings()).retrain
    assert judge_need(metrics, RetrainingRequest(force=True), RetrainingSettings()).retrain
    assert judge_need(metrics, RetrainingRequest(alert="ModelAccuracyDrop"), RetrainingSettings()).retrain


def test_an_alert_is_reason_enough() -> None:
    need = judge_need(WELL, RetrainingRequest(alert="ModelAccuracyDrop"), RetrainingSettings())
    assert need.retrain
    assert need.message.startswith("Alert ModelAccuracyDrop.")


@pytest.mark.parametrize("label", ["dandelion", "common dandelion", "Löwenzahn", "été", "_odd", "-x", "a=b", "日本"])
def test_a_class_and_its_folder_are_turned_into_each_other(label: str) -> None:
    folder = folder_of(label)
    assert label_of(folder) == label
    FolderStore(Path("nowhere")).delete("data-lake", f"uploads/{folder}/a.jpg")  # a key that a store takes


@pytest.mark.parametrize("label", ["", " ", "../up", "a/b", ".hidden", "x" * 101, "line\nbreak"])
def test_what_cannot_be_a_class_is_refused(label: str) -> None:
    with pytest.raises(DataError, match="cannot be a class"):
        folder_of(label)


def test_an_empty_lake_says_how_to_fill_it(store: ObjectStore) -> None:
    quality = look(store)
    assert "dandelion data upload photos/" in quality.message


def test_good_photos_make_a_draft(store: ObjectStore, drawn: Path) -> None:
    upload(store, drawn)
    quality = look(store)
    assert quality.stops == ()
    assert quality.message == "60 new photos; 60 in all: 30 dandelion, 30 grass."
    assert quality.draft.classes == ("dandelion", "grass")


def test_a_class_that_the_champion_knows_must_be_there(store: ObjectStore, drawn: Path) -> None:
    upload(store, drawn)
    quality = look(store, known_classes=("clover", "dandelion", "grass"))
    assert "Class 'clover' has 0 photos; 10 are needed." in quality.message


def test_few_new_photos_stop_a_run_that_nobody_insists_on(store: ObjectStore, drawn: Path) -> None:
    upload(store, drawn, per_class=20)
    parent = look(store).draft
    upload(store, drawn, per_class=2, first=20)
    assert "4 new photos since the last version; a retraining needs 5." in look(store, parent).message
    assert look(store, parent, force=True).stops == ()


def test_many_bad_photos_stop_a_run_and_a_few_are_left_out(store: ObjectStore, drawn: Path) -> None:
    upload(store, drawn)
    store.put(DATA_LAKE, "uploads/grass/broken.jpg", b"no photo")
    one = look(store)
    assert one.stops == ()
    assert dict(one.bad).keys() == {"uploads/grass/broken.jpg"}
    for number, file in enumerate(sorted((drawn / "dandelion").iterdir())[:8]):
        store.put(DATA_LAKE, f"uploads/grass/twice-{number}.jpg", file.read_bytes())
    assert "unreadable, blank, tiny or labelled twice" in look(store).message


def test_an_upload_that_was_removed_leaves_the_next_version_and_feedback_stays(store: ObjectStore, drawn: Path) -> None:
    upload(store, drawn)
    quality = look(store)
    first = quality.draft
    copy_photos(store, [(each.origin, each.key, each.photo.sha256) for each in quality.new])
    told = first.photos[1]
    gone = next(photo for photo in first.photos if photo is not told)
    store.delete(DATA_LAKE, gone.origin)
    sources = list_uploads(store)
    survived = surviving(first, sources, store)
    assert survived is not None
    assert {photo.sha256 for photo in first.photos} - {photo.sha256 for photo in survived.photos} == {gone.sha256}


def test_a_photo_that_was_erased_leaves_the_next_version(store: ObjectStore, drawn: Path) -> None:
    upload(store, drawn)
    quality = look(store)
    copy_photos(store, [(each.origin, each.key, each.photo.sha256) for each in quality.new])
    store.delete(PROCESSED, quality.draft.photos[0].key)
    survived = surviving(quality.draft, list_uploads(store), store)
    assert survived is not None
    assert len(survived.photos) == len(quality.draft.photos) - 1


def test_keeping_photos_twice_copies_them_once(store: ObjectStore, drawn: Path) -> None:
    upload(store, drawn)
    copies = [(each.origin, each.key, each.photo.sha256) for each in look(store).new]
    assert copy_photos(store, copies) == 60
    assert copy_photos(store, copies) == 0


def test_a_photo_that_was_replaced_meanwhile_stops_the_run(store: ObjectStore, drawn: Path) -> None:
    upload(store, drawn)
    wrong = hashlib.sha256(b"another").hexdigest()
    with pytest.raises(DataError, match="was replaced during the run"):
        copy_photos(store, [("uploads/grass/" + next((drawn / "grass").iterdir()).name, "photos/uploads/x.jpg", wrong)])


def test_a_name_that_no_store_takes_is_told_and_spoils_nothing(store: ObjectStore) -> None:
    (inspected,) = inspect(store, [Source("uploads/grass/my photo.jpg", "grass", "x")])
    assert isinstance(inspected, Inspected)
    assert inspected.photo is None
    assert "dandelion data upload" in inspected.error


def clusters(count: int, seed: int) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float32]], list[str]]:
    """Embeddings of two kinds that lie apart."""
    draw = np.random.default_rng(seed)
    labels = ["dandelion", "grass"] * (count // 2)
    centres = np.array([[1.0] + [0.0] * 15, [0.0, 1.0] + [0.0] * 14])
    points = centres[[int(label == "grass") for label in labels]] + draw.normal(0, 0.15, (count, 16))
    return points.astype(np.float32), labels


def test_labels_flipped_in_a_third_of_new_photos_are_seen() -> None:
    (old, old_labels), (new, new_labels) = clusters(200, 1), clusters(60, 2)
    assert stop_for_label_noise(measure_label_noise(old, old_labels, new, new_labels), LIMITS) == ""
    flipped = [
        ("grass" if label == "dandelion" else "dandelion") if n % 3 == 0 else label
        for n, label in enumerate(new_labels)
    ]
    noise = measure_label_noise(old, old_labels, new, flipped)
    assert set(noise.new) == {n for n in range(60) if n % 3 == 0}
    assert "33% of new photos carry a label that hardly any similar photo shares" in stop_for_label_noise(noise, LIMITS)


@pytest.mark.parametrize(
    ("strategy", "words"), [("rolling", "version 7 is in service"), ("canary", "version 7 is on trial")]
)
def test_people_are_told_whether_a_candidate_serves_and_what_takes_it_back(
    monkeypatch: pytest.MonkeyPatch, strategy: str, words: str
) -> None:
    told: list[Notice] = []
    monkeypatch.setattr(notification, "send", lambda notice, _: told.append(notice))
    run = SimpleNamespace(request="by tests", settings=Settings.model_validate({"release": {"strategy": strategy}}))
    candidate = cast("ModelVersion", SimpleNamespace(version="7"))
    notification.notify(cast("Run", run), State(candidate=candidate).end("promoted", "Better."))
    assert words in told[0].title
    assert ("dandelion models rollback" in told[0].action) is (strategy == "rolling")


@pytest.mark.parametrize(("registered", "champion"), [("2", "2"), (None, "2"), ("2", "1")])
def test_a_move_that_a_kill_left_unproven_is_proven_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch, registered: str | None, champion: str
) -> None:
    class TrainedError(Exception):
        pass

    def train(*_: object, **__: object) -> None:
        raise TrainedError

    monkeypatch.setattr(training, "train_candidate", train)
    version = SimpleNamespace(version="2")
    run = SimpleNamespace(
        registered=registered, registry=SimpleNamespace(get_version=lambda _: version),
        champion=SimpleNamespace(version=champion, package=None), settings=None, store=None, folder=None,
    )  # fmt: skip
    state = State(dataset=cast("DatasetVersion", SimpleNamespace()))
    if registered == champion:
        done = training.train_model(cast("Run", run), state)
        assert "put in service by a run that was killed" in done.message
        assert cast("object", done.candidate) is version
    else:
        with pytest.raises(TrainedError):
            training.train_model(cast("Run", run), state)


def test_photos_that_somebody_chose_prove_also_what_was_not_compared(store: ObjectStore) -> None:
    assert golden_photos(store, None, 3) == []
    store.put(DATA_LAKE, "golden/grass/a.jpg", b"photo")
    assert [(each.label, each.data) for each in golden_photos(store, None, 3)] == [("grass", b"photo")]


def test_the_steps_are_those_that_people_see() -> None:
    assert tuple(step.__name__ for step in (*STEPS, notification.notify)) == RETRAINING_STEPS == tuple(SHOWN_STEPS)
