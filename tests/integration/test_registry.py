"""The registry over real MLflow: the embedded database, and a server over MySQL and MinIO."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog

from dandelion.domain import CHAMPION, PREVIOUS, STARTER, ModelRef
from dandelion.errors import PackageError, RegistryError, VersionNotFoundError
from dandelion.inference.source import ModelSource
from dandelion.package.starter import starter_path
from dandelion.registry import Registry, create_registry, recall_alias, remember_alias
from dandelion.settings import Settings
from tests.packages import make_package, make_unreadable
from tests.servers.mlflow import MlflowServer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["embedded", "mlflow"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    """An empty registry: a database of its own, or a model of its own on the server."""
    if request.param == "embedded":
        return create_registry(Settings(home=tmp_path / "home"))
    server: MlflowServer = request.getfixturevalue(request.param)
    name = f"model-{tmp_path.parent.name}-{tmp_path.name}".replace("_", "-")[:90]
    return create_registry(
        Settings.model_validate({"home": tmp_path, "registry": {"uri": server.url}, "model": {"name": name}})
    )


def test_an_empty_registry_has_nothing_and_says_so(registry: Registry) -> None:
    assert registry.list_versions() == []
    assert registry.find_alias("champion") is None
    with pytest.raises(VersionNotFoundError, match="'7'"):
        registry.get_version("7")


def test_a_registered_package_comes_back_the_same(registry: Registry, tmp_path: Path) -> None:
    version = registry.register_package(starter_path(), tags={"note": "first"})
    package = registry.download(version, tmp_path / "cache")
    assert package.digest == version.digest
    assert version.tags["note"] == "first"
    assert (package.path / "model.json").read_bytes() == (starter_path() / "model.json").read_bytes()


def test_many_downloads_at_once_end_in_one_package(registry: Registry, tmp_path: Path) -> None:
    version = registry.register_package(starter_path())
    cache = tmp_path / "cache"
    with ThreadPoolExecutor(4) as pool:
        paths = {package.path for package in pool.map(lambda _: registry.download(version, cache), range(4))}
    assert paths == {cache / version.digest}
    assert [entry.name for entry in cache.iterdir()] == [version.digest]


def test_of_processes_that_want_a_package_at_once_one_fetches_it(registry: Registry, tmp_path: Path) -> None:
    version, cache, fetched = registry.register_package(starter_path()), tmp_path / "cache", tmp_path / "fetched"
    came = tmp_path / "came"
    program = f"""
import shutil
from pathlib import Path
from dandelion.registry.cache import fetch_into
from tests.waiting import wait_until
came = Path({str(came)!r})
def note(path):
    with path.open("a") as told:
        told.write("x")
def fetch(folder):
    note(Path({str(fetched)!r}))
    wait_until(lambda: came.read_text() == "xxx", "all three want it", seconds=100)
    return Path(shutil.copytree({str(starter_path())!r}, folder / "package"))
note(came)
print(fetch_into(Path({str(cache)!r}), {version.digest!r}, fetch).digest)
"""
    argv = [sys.executable, "-c", program]
    racing = [subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert {process.communicate(timeout=120)[0].strip() for process in racing} == {version.digest}
    assert fetched.read_text() == "x"


def test_a_damaged_cached_package_is_fetched_again(registry: Registry, tmp_path: Path) -> None:
    version = registry.register_package(starter_path())
    card = registry.download(version, tmp_path).path / "MODEL_CARD.md"
    card.write_text("something else")
    assert registry.download(version, tmp_path).card != "something else"


@pytest.mark.parametrize("spoilt", ["note", "package"])
def test_what_a_bad_disk_keeps_of_a_model_is_fetched_again_at_a_start(tmp_path: Path, spoilt: str) -> None:
    settings = Settings(home=tmp_path)
    registry = create_registry(settings)
    registry.promote(registry.register_package(starter_path()).version)
    served = ModelSource(settings).current()
    assert served is not None
    (note,) = settings.cache.glob("*.json")
    make_unreadable(note if spoilt == "note" else served.package.path / "model.json")
    with pytest.raises(PackageError):
        recall_alias(settings.cache, note.stem)
    assert ModelSource(settings).first() == served
    assert recall_alias(settings.cache, note.stem) is not None


def test_an_alias_is_followed_though_the_disk_takes_no_note_of_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    registry = create_registry(settings)
    first = registry.register_package(starter_path())
    second = registry.register_package(make_package(tmp_path / "second", note="second"))
    source, seen = ModelSource(settings), []
    for version in (first, second):
        registry.promote(version.version)
        seen.append(source.current())
    (note,) = settings.cache.glob("*.json")
    note.unlink()
    note.mkdir()  # which takes the place of a full disk
    registry.rollback()
    with structlog.testing.capture_logs() as logged:
        assert [source.current() for _ in range(3)] == [seen[0]] * 3
    assert [each["event"] for each in logged] == ["model_not_remembered"]
    assert {path.name for path in settings.cache.iterdir()} == {first.digest, second.digest, note.name}
    note.rmdir()
    assert source.current() == seen[0]
    assert ModelSource(settings).first() == seen[0]
    assert note.is_file()


def test_what_did_not_change_is_neither_read_nor_noted_again(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    registry = create_registry(settings)
    registry.promote(registry.register_package(starter_path()).version)
    ModelSource(settings).current()
    (note,) = settings.cache.glob("*.json")
    for look in (ModelSource.first, ModelSource.current):
        source = ModelSource(settings)
        found = look(source)
        assert found is not None
        make_unreadable(found.package.path / "metrics.json")
        written = note.stat().st_mtime_ns
        assert source.current() is found
        assert note.stat().st_mtime_ns == written
        shutil.rmtree(found.package.path)
        assert source.current() == found
        assert found.package.metrics()


def test_a_model_of_another_name_is_not_recalled(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    registry = create_registry(settings)
    registry.promote(registry.register_package(starter_path()).version)
    champion = ModelSource(settings).current()
    told = {"home": tmp_path, "model": {"name": "flowers"}}
    down = {"uri": "http://127.0.0.1:9"}
    with pytest.raises(RegistryError):
        ModelSource(Settings.model_validate(told | {"registry": down})).first()
    assert ModelSource(Settings.model_validate(told)).first().ref == ModelRef(name="flowers", version=STARTER)
    assert ModelSource(Settings.model_validate({"home": tmp_path, "registry": down})).first() == champion


def test_promotion_and_rollback_move_the_champion_there_and_back(registry: Registry) -> None:
    first, second = (registry.register_package(starter_path()).version for _ in range(2))
    registry.promote(first)
    with pytest.raises(VersionNotFoundError, match="no earlier champion"):
        registry.rollback()
    registry.promote(second)
    assert registry.rollback().version == first
    aliases = {version.version: version.aliases for version in registry.list_versions()}
    assert aliases == {first: ("champion",), second: ("previous",)}


def test_a_promotion_that_broke_off_is_gone_on_with_and_never_rolled_back_to_itself(registry: Registry) -> None:
    first, second = (registry.register_package(starter_path()).version for _ in range(2))
    registry.promote(first)
    registry.set_alias(PREVIOUS, first)  # then the process died
    with pytest.raises(VersionNotFoundError, match=rf"(?s)version {first}.*dandelion models promote"):
        registry.rollback()
    assert registry.promote(second).aliases == ("champion",)
    assert registry.rollback().version == first


def test_a_move_that_was_made_does_not_fail_for_a_last_look(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (registry.register_package(starter_path()).version for _ in range(2))
    registry.promote(first)
    set_alias = registry.set_alias

    def last(alias: str, version: str) -> None:
        set_alias(alias, version)
        if alias == CHAMPION:  # and MLflow goes away
            monkeypatch.setattr(registry, "_mlflow", None)

    monkeypatch.setattr(registry, "set_alias", last)
    assert registry.promote(second).version == second


def test_a_package_that_is_not_sound_leaves_no_version(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(PackageError):
        registry.register_package(tmp_path)
    assert registry.list_versions() == []


def test_a_registry_that_is_down_is_an_error_within_seconds(tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": tmp_path, "registry": {"uri": "http://127.0.0.1:9"}})
    started = time.monotonic()
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:9"):
        create_registry(settings).find_alias("champion")
    assert time.monotonic() - started < 30


ASKED = """
import sys
from dandelion.registry import create_registry
from dandelion.settings import Settings

settings = Settings.model_validate_json(sys.argv[1])
registry = create_registry(settings)
registry.promote(sys.argv[2])
registry.tag_version(sys.argv[2], {"note": "é"})
found = registry.find_alias("champion")
assert found.tags["note"] == "é", found
assert [each.aliases for each in registry.list_versions()] == [("champion",)]
assert registry.read_card(found) and registry.read_metrics(found) and registry.list_plots(found) == []
assert registry.download(found, settings.home / "cache").digest == found.digest
registry.drop_alias("champion")
assert registry.find_alias("champion") is None
print("mlflow" in sys.modules)
"""


def test_a_server_is_asked_without_mlflow_s_own_client(mlflow: MlflowServer, tmp_path: Path) -> None:
    """Its import would take half of a serving pod's start."""
    told = {"home": str(tmp_path), "registry": {"uri": mlflow.url}, "model": {"name": "asked-lightly"}}
    version = create_registry(Settings.model_validate(told)).register_package(starter_path()).version
    argv = [sys.executable, "-c", ASKED, json.dumps(told), version]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr


def test_two_processes_may_make_the_embedded_registry_at_once(tmp_path: Path) -> None:
    env = {"DANDELION_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    results: list[subprocess.CompletedProcess[str]] = []

    def run() -> None:
        argv = [sys.executable, "-m", "dandelion", "models", "list", "--json"]
        results.append(subprocess.run(argv, env=env, capture_output=True, text=True, check=False))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.stdout.strip() for result in results] == ["[]", "[]"], [result.stderr for result in results]


def test_a_remembered_alias_is_recalled_without_a_registry(tmp_path: Path) -> None:
    registry = create_registry(Settings(home=tmp_path / "home"))
    version = registry.register_package(starter_path())
    registry.download(version, tmp_path / "cache")
    assert recall_alias(tmp_path / "cache", "champion") is None
    remember_alias(tmp_path / "cache", version, "champion")
    recalled = recall_alias(tmp_path / "cache", "champion")
    assert recalled is not None
    assert recalled[0] == version


def test_a_version_that_the_settings_name_is_served_wherever_aliases_point(registry: Registry, tmp_path: Path) -> None:
    first, second = (registry.register_package(starter_path()).version for _ in range(2))
    registry.promote(second)
    home = tmp_path / "home"
    uri = {"uri": registry.uri} if registry.uri.startswith("http") else {}
    pinned, missing = (
        ModelSource(
            Settings.model_validate(
                {"home": home, "registry": uri, "model": {"name": registry.name, "version": version}}
            )
        )
        for version in (first, "99")
    )
    found = pinned.current()
    assert found is not None
    assert (found.ref.version, found.ref.alias) == (first, None)
    assert pinned.first().ref == found.ref
    with pytest.raises(VersionNotFoundError, match="'99'"):
        missing.current()
