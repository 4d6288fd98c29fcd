"""Real servers for every kind of test: started when first asked for, or those that the environment names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.mlflow import GivenMlflowServer, MlflowServer
from tests.servers.mysql import GivenMySqlServer, MySqlServer
from tests.servers.prefect import GivenPrefectServer, PrefectServer
from tests.servers.process import given
from tests.servers.s3 import GivenS3Server, S3Server
from tests.servers.toxiproxy import Toxiproxy


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
