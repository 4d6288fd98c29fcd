"""`dandelion db` on an embedded database."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dandelion.db import create_engine, predictions, transact
from dandelion.db.tables import first_id
from dandelion.settings import Settings
from tests.integration.conftest import Command
from tests.predictions import count_predictions, make_entry, make_prediction
from tests.servers.ports import free_ports


def test_status_tells_what_is_missing_until_upgraded(dandelion: Command) -> None:
    status, output, _ = dandelion("db", "status")
    assert status == 1
    assert "dandelion db upgrade" in output
    assert dandelion("db", "upgrade")[0] == 0
    status, output, _ = dandelion("db", "status", "--json")
    assert status == 0
    assert all(step["applied"] for step in json.loads(output))
    assert dandelion("db", "downgrade", "base", "--yes")[0] == 0
    assert dandelion("db", "status")[0] == 1


def test_prune_deletes_what_is_older_and_keeps_the_rest(dandelion: Command, tmp_path: Path) -> None:
    dandelion("db", "upgrade")
    ids = [first_id(datetime(2024, 1, 1, tzinfo=UTC)), first_id(datetime.now(UTC))]
    entries = [make_entry(make_prediction(identity)) for identity in ids]

    async def on_database(work: Callable[..., object]) -> object:
        engine = create_engine(Settings(home=tmp_path))
        try:
            return await transact(engine, work, patience_seconds=1)  # type: ignore[arg-type]
        finally:
            await engine.dispose()

    asyncio.run(on_database(lambda on: predictions.add(on, entries)))
    status, output, _ = dandelion("db", "prune", "--older-than", "90d")
    assert (status, output.startswith("Deleted 1 predictions")) == (0, True)
    assert asyncio.run(on_database(count_predictions)) == 1


@pytest.mark.parametrize("age", ["soon", "-1d", "5", "5y", ""])
def test_an_age_that_cannot_be_read_says_how_to_write_one(dandelion: Command, age: str) -> None:
    status, _, errors = dandelion("db", "prune", f"--older-than={age}")
    assert status == 2
    assert "90d" in errors


def test_an_unknown_revision_is_named(dandelion: Command) -> None:
    status, _, errors = dandelion("db", "upgrade", "9999")
    assert status == 2
    assert "9999" in errors


def test_tables_of_a_newer_version_are_left_alone_after_a_rollback(dandelion: Command, tmp_path: Path) -> None:
    dandelion("db", "upgrade")

    async def come_from_the_future() -> None:
        engine = create_engine(Settings.model_validate({"home": tmp_path}))
        async with engine.begin() as connection:
            await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        await engine.dispose()

    asyncio.run(come_from_the_future())
    status, _, errors = dandelion("db", "upgrade")
    assert (status, "9999" in errors) == (2, True)
    status, _, errors = dandelion("db", "upgrade", "--or-newer")
    assert (status, "newer version" in errors) == (0, True)


def test_an_upgrade_waits_for_a_database_that_is_not_there_yet(
    dandelion: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DANDELION_DATABASE__URL", f"mysql://root@127.0.0.1:{free_ports(1)[0]}/mlops_db")
    started = time.monotonic()
    status, _, errors = dandelion("db", "upgrade", "--wait", "0m")
    assert (status, "database failed" in errors) == (2, True)
    assert time.monotonic() - started < 60
