"""The registry over real MLflow: the embedded database, and a server."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from dandelion.errors import PackageError, RegistryError, VersionNotFoundError
from dandelion.package.starter import starter_path
from dandelion.registry import Registry, create_registry, recall_alias, remember_alias
from dandelion.settings import Settings
from tests.servers.ports import free_ports


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server that proxies artifacts, as in a cluster."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_ports(1)[0]
    argv = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--serve-artifacts"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health").status_code == 200:
                break
        except httpx.HTTPError:
            time.sleep(0.2)
        assert process.poll() is None, (folder / "log").read_text()
    yield url
    process.terminate()
    process.wait(20)


@pytest.fixture(params=["embedded", "server"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    """An empty registry: a database of its own, or a model of its own on the server."""
    if request.param == "embedded":
        return create_registry(Settings(home=tmp_path / "home"))
    url = request.getfixturevalue("server")
    name = f"model-{tmp_path.parent.name}-{tmp_path.name}".replace("_", "-")[:90]
    return create_registry(
        Settings.model_validate({"home": tmp_path, "registry": {"uri": url}, "model": {"name": name}})
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


def test_a_damaged_cached_package_is_fetched_again(registry: Registry, tmp_path: Path) -> None:
    version = registry.register_package(starter_path())
    card = registry.download(version, tmp_path).path / "MODEL_CARD.md"
    card.write_text("something else")
    assert registry.download(version, tmp_path).card != "something else"


def test_promotion_and_rollback_move_the_champion_there_and_back(registry: Registry) -> None:
    first, second = (registry.register_package(starter_path()).version for _ in range(2))
    registry.promote(first)
    with pytest.raises(VersionNotFoundError, match="no earlier champion"):
        registry.rollback()
    registry.promote(second)
    assert registry.rollback().version == first
    aliases = {version.version: version.aliases for version in registry.list_versions()}
    assert aliases == {first: ("champion",), second: ("previous",)}


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
