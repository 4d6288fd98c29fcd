"""What goes wrong in a retraining: nothing half moved, the champion stays, somebody is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from uuid_utils import uuid7

from dandelion.errors import RegistryError, ReleaseError
from dandelion.objects import DATA_LAKE
from dandelion.orchestration.retrainings import RetrainingRequest
from dandelion.package.starter import starter_path
from dandelion.registry import Registry
from dandelion.retraining.lake import upload
from dandelion.retraining.local import run_steps
from dandelion.retraining.run import begin
from dandelion.settings import Settings
from tests.flows.conftest import Stage, Told
from tests.servers.toxiproxy import Proxy, Toxiproxy
from tests.waiting import wait_until


def retrain(settings: Settings) -> dict[str, str]:
    return run_steps(settings, str(uuid7()), RetrainingRequest(force=True, reason="a test"), say=print)


def without_golden(stage: Stage) -> None:
    for found in list(stage.store.list_objects(DATA_LAKE, "golden/")):
        stage.store.delete(DATA_LAKE, found.key)


@pytest.fixture(scope="module")
def weak(make_stage: Callable[..., Stage]) -> Stage:
    """A weak champion, and all photos in the lake: a candidate will pass the gate."""
    stage = make_stage("weak")
    upload(stage.store, stage.photos, progress=lambda *_: None)
    return stage


@pytest.fixture(scope="module")
def strong(make_stage: Callable[..., Stage]) -> Stage:
    """The starter as champion, and a recipe that cannot reach it."""
    stage = make_stage(
        "strong",
        DANDELION_RETRAINING__ARCHITECTURE="test_resnet",
        DANDELION_RETRAINING__WEIGHTS="off",
        DANDELION_RETRAINING__IMAGE_SIZE="64",
        DANDELION_RETRAINING__EPOCHS="2",
        DANDELION_RELEASE__MIN_PHOTOS="20",
    )
    stage.promote(stage.registry.register_package(starter_path()).version)
    return stage


@pytest.fixture
def behind_proxy(weak: Stage, toxiproxy: Toxiproxy) -> Iterator[tuple[Settings, Proxy]]:
    """The weak stage's settings with a proxy before MLflow."""
    proxy = toxiproxy.before(f"mlflow-{uuid7()}", weak.mlflow.port)
    uri = f"http://127.0.0.1:{proxy.port}"
    registry = weak.settings.registry.model_copy(update={"uri": uri, "timeout_seconds": 5.0})
    yield weak.settings.model_copy(update={"registry": registry}), proxy
    proxy.heal()


def folder_of(tmp_path: Path, photos: list[Path], *, flip_every: int = 0) -> Path:
    """A folder of some photos, every so many in the wrong class."""
    other = {"dandelion": "grass", "grass": "dandelion"}
    for number, path in enumerate(photos):
        label = path.parent.name
        if flip_every and number % flip_every == 0:
            label = other[label]
        place = tmp_path / label / f"{path.parent.name}-{path.name}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path)
    return tmp_path


def test_a_golden_photo_that_fails_in_service_takes_the_model_back_and_people_are_told(weak: Stage, told: Told) -> None:
    before = weak.champion()
    weak.store.put(DATA_LAKE, "golden/grass/trap.jpg", next((weak.photos / "dandelion").glob("*.jpg")).read_bytes())
    try:
        ended = retrain(weak.settings)
    finally:
        without_golden(weak)
    assert ended["outcome"] == "rolled_back", ended
    assert "golden/grass/trap.jpg" in ended["message"]
    assert weak.champion() == before
    wait_until(lambda: weak.version() == before, f"the API is back at version {before}", seconds=60, every=0.2)
    newest = weak.registry.list_versions()[0]
    assert newest.tags["dandelion.release"] == "rolled_back"
    assert weak.registry.find_alias("previous") is None
    assert any("was rolled back" in message["title"] for message in told.messages)


def test_mlflow_down_before_the_move_moves_nothing(
    weak: Stage, behind_proxy: tuple[Settings, Proxy], monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    settings, proxy = behind_proxy
    before, told_before = weak.champion(), len(told.messages)
    real = Registry.find_alias

    def cut_then_find(self: Registry, alias: str) -> object:
        if alias == "previous":  # which only a release asks for
            proxy.cut()
        return real(self, alias)

    monkeypatch.setattr(Registry, "find_alias", cut_then_find)
    with pytest.raises(RegistryError):
        retrain(settings)
    proxy.heal()
    assert weak.champion() == before
    assert weak.version() == before
    assert "a retraining failed" in told.messages[told_before]["title"]


def test_mlflow_down_between_two_aliases_leaves_nothing_half_moved(
    weak: Stage, behind_proxy: tuple[Settings, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, proxy = behind_proxy
    before = weak.champion()
    real = Registry.set_alias
    cuts: list[str] = []

    def set_then_cut(self: Registry, alias: str, version: str) -> None:
        real(self, alias, version)
        if alias == "previous" and not cuts:
            cuts.append(version)
            proxy.cut()
            threading.Timer(3, proxy.heal).start()

    monkeypatch.setattr(Registry, "set_alias", set_then_cut)
    with pytest.raises(RegistryError):
        retrain(settings)
    assert cuts == [before]
    assert weak.champion() == before
    assert weak.registry.find_alias("previous") is None


def test_the_next_run_takes_the_version_that_the_failed_ones_had_trained(weak: Stage) -> None:
    versions = [each.version for each in weak.registry.list_versions()]
    ended = retrain(weak.settings)
    assert ended["outcome"] == "promoted", ended
    assert [each.version for each in weak.registry.list_versions()] == versions
    assert weak.version() == versions[0]
    previous = weak.registry.find_alias("previous")
    assert previous is not None
    assert previous.version == versions[-1]


def test_pods_that_do_not_answer_keep_the_alias_where_it_is(weak: Stage) -> None:
    weak.promote(weak.registry.list_versions()[-1].version)
    before = weak.champion()
    release = weak.settings.release.model_copy(update={"api_url": "http://127.0.0.1:9"})
    with pytest.raises(ReleaseError, match="nothing was moved"):
        retrain(weak.settings.model_copy(update={"release": release}))
    assert weak.champion() == before


def test_an_empty_lake_stops_the_run_with_a_reason(strong: Stage) -> None:
    ended = retrain(strong.settings)
    assert ended["outcome"] == "stopped"
    assert "dandelion data upload photos/" in ended["message"]


def test_a_class_that_is_missing_stops_the_run(strong: Stage, tmp_path: Path) -> None:
    some = sorted((strong.photos / "dandelion").glob("*.jpg"))[:40]
    upload(strong.store, folder_of(tmp_path, some), progress=lambda *_: None)
    known = strong.settings.retraining.model_copy(update={"classes": ("dandelion", "grass")})
    ended = retrain(strong.settings.model_copy(update={"retraining": known}))
    assert ended["outcome"] == "stopped"
    assert "Class 'grass' has 0 photos; 20 are needed." in ended["message"]


def test_a_worse_candidate_is_rejected_and_the_champion_stays(strong: Stage, told: Told, tmp_path: Path) -> None:
    before = strong.champion()
    clean = [path for number, path in enumerate(sorted(strong.photos.glob("*/*.jpg"))) if number % 3]
    upload(strong.store, folder_of(tmp_path, clean), progress=lambda *_: None)
    ended = retrain(strong.settings)
    assert ended["outcome"] == "rejected", ended
    assert "right on" in ended["message"]
    assert strong.champion() == before
    assert strong.version() == before
    candidate = strong.registry.list_versions()[0]
    assert candidate.tags["dandelion.gate"] == "reject"
    assert candidate.tags["dandelion.gate_reason"] == ended["message"]
    assert any(f"version {candidate.version} was rejected" in message["title"] for message in told.messages)


def test_labels_flipped_in_a_third_of_new_photos_are_caught(strong: Stage, tmp_path: Path) -> None:
    fresh = [path for number, path in enumerate(sorted(strong.photos.glob("*/*.jpg"))) if number % 3 == 0]
    upload(strong.store, folder_of(tmp_path, fresh, flip_every=3), progress=lambda *_: None)
    ended = retrain(strong.settings)
    assert ended["outcome"] == "stopped", ended
    assert "carry a label that hardly any similar photo shares" in ended["message"]


def test_a_run_waits_while_another_goes_on(strong: Stage) -> None:
    with begin(strong.settings, str(uuid7()), RetrainingRequest()) as run:
        assert run is not None
        run.state = run.state.end("skipped", "a test")
        assert retrain(strong.settings) == {"outcome": "skipped", "message": "Another retraining is running."}
