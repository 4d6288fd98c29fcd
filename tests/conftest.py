"""Tiers of tests, and real servers: started when first asked for, or those that the environment names."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.servers.mlflow import GivenMlflowServer, MlflowServer
from tests.servers.mysql import GivenMySqlServer, MySqlServer
from tests.servers.prefect import GivenPrefectServer, PrefectServer
from tests.servers.process import given
from tests.servers.s3 import GivenS3Server, S3Server
from tests.servers.toxiproxy import Toxiproxy
from tests.tiers import ROOT, TIERS, needs_of_file, needs_of_function, tier_of


def pytest_configure(config: pytest.Config) -> None:
    """Let tests be chosen by tier, `-m quick`, and let no quick test use a program that its tier goes without."""
    if config.getoption("markexpr") == "quick":
        os.environ["TESTS_TIER"] = "quick"
    for tier, needs in TIERS.items():
        config.addinivalue_line("markers", f"{tier}: {needs}")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The quick tier runs where there is no torch, so it must not import what needs it."""
    if config.getoption("markexpr") != "quick":
        return None
    return True if any("torch" in needs_of_file(file) for file in _files(collection_path)) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test the mark of its tier, before tests are chosen by marks."""
    for item in items:
        # What a test starts as a process of its own is not seen here: such a test names its tier itself.
        if isinstance(item, pytest.Function) and not any(item.get_closest_marker(tier) for tier in TIERS):
            item.add_marker(tier_of(_needs(item)))


def _needs(test: pytest.Function) -> set[str]:
    """What a test needs: its own code, its file, its fixtures, and those that a parameter names."""
    parameters = test.callspec.params.values() if hasattr(test, "callspec") else ()
    names = {*test.fixturenames, *(each for each in parameters if isinstance(each, str))}
    needs = {"torch"} & {need for file in _files(test.path) for need in needs_of_file(file)}
    for function in [test.function, *(each.func for each in _fixtures(test, names))]:
        file = Path(inspect.getfile(function))
        if file.is_relative_to(ROOT / "tests"):
            needs |= needs_of_function(file, function.__name__)
    return needs


def _fixtures(test: pytest.Function, names: set[str]) -> list[pytest.FixtureDef[object]]:
    """The fixtures of these names as the test sees them, and those that they ask for."""
    manager = test.session._fixturemanager  # pytest tells it in no other way
    found: list[pytest.FixtureDef[object]] = []
    waiting, seen = [*names], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            defined = manager.getfixturedefs(name, test) or ()
            found += defined
            waiting += (each for fixture in defined for each in fixture.argnames)
    return found


def _files(path: Path) -> list[Path]:
    """What is imported for a test file or for a folder of them."""
    folders = [path, *path.parents] if path.is_dir() else path.parents
    conftests = [folder / "conftest.py" for folder in folders if folder.is_relative_to(ROOT / "tests")]
    files = [*conftests, path] if path.suffix == ".py" else conftests
    return [file for file in files if file.is_file()]


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """What a test makes of the log ends with it: its standard error, to which handlers write, is closed then."""
    root, structured = logging.getLogger(), structlog.get_config()
    before, level = list(root.handlers), root.level
    yield
    structlog.configure(**structured)
    for handler in set(root.handlers).difference(before):
        root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(scope="session")
def mysql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MySqlServer]:
    """A MySQL server with an empty database `mlops_db`."""
    url = given("MYSQL_URL")
    server = GivenMySqlServer(url) if url else MySqlServer("mysql", tmp_path_factory.mktemp("mysql"))
    yield server
    server.end()


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MySqlServer]:
    """A MariaDB server with an empty database `mlops_db`."""
    url = given("MARIADB_URL")
    server = GivenMySqlServer(url) if url else MySqlServer("mariadb", tmp_path_factory.mktemp("mariadb"))
    yield server
    server.end()


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A MinIO server without buckets."""
    url = given("S3_URL")
    server = GivenS3Server(url) if url else S3Server("minio", tmp_path_factory.mktemp("minio"))
    yield server
    server.end()


@pytest.fixture(scope="session")
def versitygw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A second S3 server without buckets."""
    url = given("SECOND_S3_URL")
    server = GivenS3Server(url, "SECOND_S3") if url else S3Server("versitygw", tmp_path_factory.mktemp("versitygw"))
    yield server
    server.end()


@pytest.fixture(scope="session")
def mlflow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """An MLflow server over MySQL and MinIO, which hands artifacts through, as in a cluster."""
    url = given("MLFLOW_URL")
    if url:
        server: MlflowServer = GivenMlflowServer(url)
    else:
        mysql, minio = request.getfixturevalue("mysql"), request.getfixturevalue("minio")
        server = MlflowServer(mysql, minio, tmp_path_factory.mktemp("mlflow"))
    yield server
    server.end()


@pytest.fixture(scope="session")
def toxiproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toxiproxy]:
    """Proxies whose connections can be delayed and cut."""
    server = Toxiproxy(tmp_path_factory.mktemp("toxiproxy"))
    yield server
    server.end()


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A Prefect server that knows no flow."""
    url = given("PREFECT_URL")
    server = GivenPrefectServer(url) if url else PrefectServer(tmp_path_factory.mktemp("prefect"))
    yield server
    server.end()
