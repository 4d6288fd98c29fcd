"""MLflow's way to its database, as its pod goes it: encrypted, and with a password that nobody reads."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.chart.chart import Helm, containers_of, of_kind
from tests.servers.certificates import Certificate, make_certificate
from tests.servers.mysql import MySqlServer

SYSTEM = "/etc/ssl/certs/ca-certificates.crt"
PASSWORD = "n0b0dyReads"  # noqa: S105 -- of a server that lives as long as the test


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[MySqlServer]:
    started = MySqlServer("mysql", tmp_path_factory.mktemp("mysql"), certificate.mysql_options)
    yield started
    started.end()


@pytest.fixture(scope="module")
def in_the_clear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MySqlServer]:
    started = MySqlServer("mariadb", tmp_path_factory.mktemp("clear"), ["--skip-ssl"])
    yield started
    started.end()


@pytest.fixture
def pod(helm: Helm) -> Callable[..., subprocess.Popen[str]]:
    """Starts what MLflow's pod runs first, with its environment; files of the pod lie elsewhere here."""

    def start(server: MySqlServer, files: Mapping[str, Path | str], **tls: Any) -> subprocess.Popen[str]:
        _create(server)
        url = make_url(server.url())
        external = {"host": "127.0.0.1", "port": url.port, "existingSecret": "db", "tls": {"enabled": True, **tls}}
        manifests = helm.template({"mysql": {"enabled": False}, "global": {"externalDatabase": external}})
        (deployment,) = (
            each for each in of_kind(manifests, "Deployment") if each["metadata"]["name"] == "dandelion-mlflow"
        )
        container = containers_of(deployment["spec"]["template"]["spec"])[0]
        environ = {each["name"]: each["value"] for each in container["env"] if "value" in each}
        uri = environ["MLFLOW_BACKEND_STORE_URI"].replace("$(PASSWORD)", PASSWORD)
        for there, here in files.items():
            assert there in uri
            uri = uri.replace(there, str(here))
        argv: list[str] = [*container["command"], *container.get("args", [])]
        assert argv[0] == "python3"
        return subprocess.Popen(
            [sys.executable, *argv[1:]],
            env={"PATH": "/usr/bin:/bin", "MLFLOW_BACKEND_STORE_URI": uri},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def test_it_migrates_encrypted_and_shows_the_password_to_nobody(
    pod: Callable[..., subprocess.Popen[str]], server: MySqlServer, certificate: Certificate
) -> None:
    with pod(server, {"/etc/dandelion/database/ca.crt": certificate.ca}, caSecret="ca") as running:
        assert PASSWORD.encode() not in Path(f"/proc/{running.pid}/cmdline").read_bytes()
        said, _ = running.communicate(timeout=120)
    assert running.returncode == 0, said
    with create_engine(make_url(server.url()).set(drivername="mysql+pymysql", database="mlflow")).connect() as on:
        assert on.execute(text("SELECT COUNT(*) FROM alembic_version")).scalar() == 1


def test_without_an_authority_it_trusts_those_of_the_system_and_no_other(
    pod: Callable[..., subprocess.Popen[str]], server: MySqlServer, certificate: Certificate, tmp_path: Path
) -> None:
    system = make_certificate(tmp_path).ca
    with pod(server, {SYSTEM: system}) as running:
        assert running.stdout is not None
        assert any("certificate verify failed" in line for line in running.stdout)  # it tries again for two minutes
        running.kill()
    with pod(server, {SYSTEM: certificate.ca}) as running:
        said, _ = running.communicate(timeout=120)
    assert running.returncode == 0, said


def test_it_refuses_a_server_that_offers_no_encryption(
    pod: Callable[..., subprocess.Popen[str]], in_the_clear: MySqlServer, certificate: Certificate
) -> None:
    with pod(in_the_clear, {SYSTEM: certificate.ca}) as running:
        said, _ = running.communicate(timeout=120)
    assert running.returncode != 0
    assert "offers no encryption" in said


def _create(server: MySqlServer) -> None:
    with create_engine(make_url(server.url()).set(drivername="mysql+pymysql", database="")).begin() as on:
        on.execute(text("CREATE DATABASE IF NOT EXISTS mlflow"))
        on.execute(text("SET GLOBAL log_bin_trust_function_creators = ON"))
        on.execute(text(f"CREATE USER IF NOT EXISTS 'mlflow'@'%' IDENTIFIED BY '{PASSWORD}'"))
        on.execute(text("GRANT ALL ON mlflow.* TO 'mlflow'@'%'"))
