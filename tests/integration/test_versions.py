"""Versions over HTTP: what there is, which one serves, and what the one on trial says."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dandelion.client import Client
from dandelion.db.tables import audit_log
from dandelion.domain import CHALLENGER, CHAMPION, Promoted
from dandelion.errors import DandelionError, RegistryError, VersionNotFoundError
from dandelion.package.starter import starter_path
from dandelion.registry import Registry, create_registry
from dandelion.settings import Settings
from dandelion.telemetry.instruments import REGISTRY
from tests.integration.conftest import Api, running_api
from tests.integration.test_photos import rows
from tests.packages import make_package
from tests.photos import labelled_photos
from tests.servers.ports import free_ports


@dataclass
class Running:
    client: Client
    registry: Registry
    api: Api
    settings: Settings


@pytest.fixture(scope="module")
def running(make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Version 1 serves; version 2 takes dandelions for grass and grass for dandelions."""
    settings = make_settings(model={"path": None, "poll_seconds": 60.0})
    registry = create_registry(settings)
    registry.promote(registry.register_package(starter_path()).version)
    swapped = make_package(tmp_path_factory.mktemp("packages") / "swapped", classes=["grass", "dandelion"], note="Odd.")
    registry.register_package(swapped)
    with running_api(settings) as api, Client(api.url) as client:
        yield Running(client, registry, api, settings)


def test_versions_are_listed_with_what_they_are(running: Running, tmp_path: Path) -> None:
    newest, oldest = running.client.versions()
    assert (newest.version, oldest.version) == ("2", "1")
    assert oldest.aliases == ("champion",)
    assert newest.metrics["accuracy"] == 1.0
    assert running.client.versions(limit=1) == [newest]
    plot = tmp_path / "confusion_matrix.png"
    plot.write_bytes(b"\x89PNG drawn")
    run_id = running.registry.get_version("2").run_id
    assert run_id is not None
    running.registry.client.log_artifact(run_id, str(plot), "plots")
    details = running.client.version("2")
    assert "Odd." in details.card
    assert details.plots == ["confusion_matrix.png"]
    assert running.client.plot("2", "confusion_matrix.png") == b"\x89PNG drawn"
    for name in ("roc.png", "model.json", "..%2Fmodel%2Fmodel.json"):
        with pytest.raises(DandelionError, match=r"(?i)no plot|not found"):
            running.client.plot("2", name)
    with pytest.raises(VersionNotFoundError):
        running.client.version("9")


def test_a_promotion_serves_at_once_and_a_rollback_undoes_it(running: Running) -> None:
    assert running.client.model()["version"] == "1"
    with pytest.raises(VersionNotFoundError, match="no earlier champion"):
        running.client.rollback()
    done = running.client.promote("2")
    assert (done.version, done.previous) == ("2", "1")
    assert running.client.model()["version"] == "2"
    assert running.client.rollback().version == "1"
    assert running.client.model()["version"] == "1"
    with pytest.raises(VersionNotFoundError, match="'9'"):
        running.client.promote("9")
    written = rows(running.settings, audit_log.c.action, audit_log.c.subject)
    assert sorted(written) == [("promote", "dandelion 2"), ("rollback", "dandelion 1")]


def test_the_version_on_trial_is_asked_about_the_same_photo(running: Running) -> None:
    (label, photo), *_ = labelled_photos(per_class=1)
    assert [each.model.version for each in running.client.compare(photo)] == ["1"]
    running.registry.set_alias(CHALLENGER, "2")
    other = running.settings.api.model_copy(update={"port": free_ports(1)[0]})  # a server that has not looked yet
    settings = running.settings.model_copy(update={"api": other})
    with running_api(settings) as api, Client(api.url) as asking:
        first, second = asking.compare(photo)
        assert (first.model.version, first.label) == ("1", label)
        assert second.model.alias == CHALLENGER
        assert second.label != label
        assert second.confidence == first.confidence
        assert asking.predictions().predictions == []  # it was no traffic


def test_a_move_is_answered_though_no_model_could_be_loaded_after_it(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(model={"path": None, "poll_seconds": 60.0})
    registry = create_registry(settings)
    first, second = (registry.register_package(starter_path()).version for _ in range(2))
    registry.promote(first)
    registry.promote(second)
    shutil.rmtree(settings.home / "artifacts")
    with running_api(settings) as api, Client(api.url) as client:
        assert not api.service.is_ready
        assert client.rollback() == Promoted(version=first, previous=second)
    champion = registry.find_alias(CHAMPION)
    assert champion is not None
    assert champion.version == first
    assert rows(settings, audit_log.c.action, audit_log.c.subject) == [("rollback", f"dandelion {first}")]


def test_a_move_whose_answer_was_lost_and_a_reload_that_failed_are_in_the_audit_log(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(model={"path": None, "poll_seconds": 60.0})
    registry = create_registry(settings)
    first, second = (registry.register_package(starter_path()).version for _ in range(2))
    registry.promote(first)
    set_alias = Registry.set_alias

    def lose(registry: Registry, alias: str, version: str) -> None:
        set_alias(registry, alias, version)
        if alias == CHAMPION:
            raise RegistryError("The answer was lost.")

    def fail(_: Registry, alias: str) -> None:
        raise RegistryError(f"No answer about {alias}.")

    with running_api(settings) as api, Client(api.url) as client, monkeypatch.context() as broken:
        broken.setattr(Registry, "set_alias", lose)
        with pytest.raises(RegistryError, match="lost"):
            client.promote(second)
        assert (moved := registry.find_alias(CHAMPION)) is not None
        assert moved.version == second
        with pytest.raises(RegistryError, match="lost"):
            client.rollback()
        broken.setattr(Registry, "find_alias", fail)
        with pytest.raises(RegistryError, match="No answer"):
            client.reload()
    written = rows(settings, audit_log.c.action, audit_log.c.subject, audit_log.c.detail)
    assert {action: (subject, detail["failed"]) for action, subject, detail in written} == {
        "promote": (f"dandelion {second}", "The answer was lost."),
        "rollback": ("dandelion previous", "The answer was lost."),
        "reload": ("champion", "No answer about champion."),
    }


def test_a_move_is_answered_though_the_swap_fails_in_an_unforeseen_way(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> bool:
        raise RuntimeError("the accelerator is gone")

    def failures() -> float:
        return REGISTRY.get_sample_value("model_reloads_total", {"outcome": "failed"}) or 0

    before = failures()
    monkeypatch.setattr(running.api.service, "swap", fail)
    assert running.client.promote("1").version == "1"
    assert failures() == before + 1


def test_without_a_registry_there_are_no_versions(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(model={"path": None})
    with running_api(settings) as api, Client(api.url) as client:
        assert client.versions() == []
        with pytest.raises(VersionNotFoundError):
            client.promote("1")
    assert not (settings.home / "mlflow.db").exists()


def test_a_registry_that_is_down_is_named(make_settings: Callable[..., Settings]) -> None:
    with running_api(make_settings(registry={"uri": "http://127.0.0.1:9"})) as api, Client(api.url) as client:
        with pytest.raises(RegistryError, match=r"127\.0\.0\.1:9"):
            client.versions()
        assert len(client.compare(labelled_photos(per_class=1)[0][1])) == 1  # a fixed model has no challenger
