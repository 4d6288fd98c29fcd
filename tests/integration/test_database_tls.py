"""What goes to the database encrypted goes no other way, and to nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.db import create_engine, transact
from dandelion.errors import DatabaseError
from dandelion.settings import Settings
from tests.servers.certificates import Certificate, make_certificate
from tests.servers.mysql import Kind, MySqlServer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module", params=["mysql", "mariadb"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Iterator[MySqlServer]:
    """Each kind with that certificate."""
    kind: Kind = request.param
    started = MySqlServer(kind, tmp_path_factory.mktemp(kind), certificate.mysql_options)
    yield started
    started.end()


@pytest.fixture(scope="module")
def in_the_clear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MySqlServer]:
    """One that knows no encryption."""
    started = MySqlServer("mariadb", tmp_path_factory.mktemp("clear"), ["--skip-ssl"])
    yield started
    started.end()


async def cipher(url: str, **tls: object) -> str:
    """How a connection is encrypted, as the server has it."""
    engine = create_engine(Settings.model_validate({"database": {"url": url, **tls}}))

    async def ask(connection: AsyncConnection) -> str:
        return str((await connection.execute(text("SHOW STATUS LIKE 'Ssl_cipher'"))).one()[1])

    try:
        return await transact(engine, ask, patience_seconds=0)
    finally:
        await engine.dispose()


async def test_a_connection_is_encrypted_where_the_settings_say_so(
    server: MySqlServer, certificate: Certificate
) -> None:
    assert await cipher(server.url(), tls=True, tls_ca=certificate.ca)
    assert await cipher(server.url()) == ""


async def test_a_server_that_cannot_prove_who_it_is_gets_nothing(
    server: MySqlServer, certificate: Certificate, tmp_path: Path
) -> None:
    stranger = make_certificate(tmp_path)
    with pytest.raises(DatabaseError, match="certificate verify failed"):
        await cipher(server.url(), tls=True, tls_ca=stranger.ca)
    elsewhere = server.url().replace("127.0.0.1", "localhost")
    with pytest.raises(DatabaseError, match="not valid for 'localhost'"):
        await cipher(elsewhere, tls=True, tls_ca=certificate.ca)


async def test_nothing_goes_in_the_clear_to_a_server_that_offers_no_encryption(
    in_the_clear: MySqlServer, certificate: Certificate
) -> None:
    with pytest.raises(DatabaseError, match="offers no encryption") as refused:
        await cipher(in_the_clear.url(), tls=True, tls_ca=certificate.ca)
    assert "DANDELION_DATABASE__TLS=false" in refused.value.remedy
    assert await cipher(in_the_clear.url()) == ""


@pytest.mark.parametrize("given", [{"tls_ca": "ca.crt"}, {"tls": True, "tls_key": "tls.key"}])
def test_certificates_that_would_do_nothing_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="set it"):
        Settings.model_validate({"database": {"url": "mysql://db/mlops_db", **given}})
