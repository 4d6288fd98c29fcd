"""Tables, migrations and repositories on SQLite, MySQL and MariaDB."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import threading
import uuid
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, event, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion.db import create_engine, feedback, migrate, predictions, releases, transact
from dandelion.db.tables import audit_log, metadata
from dandelion.domain import Feedback, JournalEntry
from dandelion.errors import DatabaseError, FeedbackError, PredictionNotFoundError, RowRefusedError, SettingsError
from dandelion.settings import Settings
from tests.predictions import count_predictions, make_entry, make_prediction

START = datetime(2026, 5, 1, tzinfo=UTC)


def entry(number: int, label: str = "grass", confidence: float = 0.8, version: str = "1") -> JournalEntry:
    """One prediction a second from `START` on."""
    milliseconds = int((START + timedelta(seconds=number)).timestamp() * 1000)
    identity = uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62) | number)
    is_known = number % 2 == 0
    return make_entry(
        make_prediction(str(identity), label=label, confidence=confidence, is_known=is_known, version=version)
    )


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A database with up-to-date, empty tables."""
    made = create_engine(Settings.model_validate({"database": {"url": database_url}}))
    await migrate.upgrade(made)
    yield made
    await migrate.downgrade(made, "base")
    await made.dispose()


async def run(engine: AsyncEngine, work: Any) -> Any:
    return await transact(engine, work, patience_seconds=5)


async def store(engine: AsyncEngine, *entries: JournalEntry) -> None:
    await run(engine, lambda on: predictions.add(on, entries))


def differences_to_the_code(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": False})
    return list(compare_metadata(context, metadata))


async def test_migrations_lead_to_the_tables_that_the_code_knows_and_back(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await connection.run_sync(differences_to_the_code) == []
    await migrate.downgrade(engine, "base")
    assert not any(step.applied for step in await migrate.status(engine))
    await migrate.upgrade(engine)
    assert all(step.applied for step in await migrate.status(engine))


async def test_a_migration_that_breaks_off_after_any_statement_is_gone_on_with(database_url: str) -> None:
    engine = create_engine(Settings.model_validate({"database": {"url": database_url}}))
    changes = 0

    def break_off(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal changes
        if statement.lstrip().startswith(("CREATE", "DROP")):
            changes += 1
            if changes == 2:
                raise OperationalError(statement, None, Exception("the server died"))

    async def until_done(work: Callable[[], Awaitable[None]]) -> int:
        """One change at each try; how many tries broke off."""
        nonlocal changes
        for tries in range(200):
            changes = 0
            try:
                await work()
            except DatabaseError:
                continue
            return tries
        raise AssertionError("it never ended")

    event.listen(engine.sync_engine, "before_cursor_execute", break_off)
    assert await until_done(lambda: migrate.upgrade(engine)) > 20
    event.remove(engine.sync_engine, "before_cursor_execute", break_off)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences_to_the_code) == []
    event.listen(engine.sync_engine, "before_cursor_execute", break_off)
    assert await until_done(lambda: migrate.downgrade(engine, "base")) > 10
    event.remove(engine.sync_engine, "before_cursor_execute", break_off)
    assert not any(step.applied for step in await migrate.status(engine))
    await engine.dispose()


async def test_an_upgrade_that_is_cancelled_locks_nobody_out(tmp_path: Path) -> None:
    """At whatever moment, and though somebody holds the error; a server that stopped then waited half a minute."""
    errors = []
    for number in range(100):
        file = tmp_path / f"{number}.db"
        engine = create_engine(Settings.model_validate({"database": {"url": f"sqlite:///{file}"}}))
        upgrading = asyncio.create_task(migrate.upgrade(engine))
        await asyncio.sleep(number * 0.0002)
        upgrading.cancel()
        with pytest.raises(asyncio.CancelledError) as error:
            await upgrading
        errors.append(error.value)
        await asyncio.sleep(0.02)  # a thread may be in the middle of something
        with closing(sqlite3.connect(file, timeout=1)) as other:
            other.execute("BEGIN EXCLUSIVE")
        await engine.dispose()


async def test_two_databases_are_not_confused_in_one_process(tmp_path: Path) -> None:
    engines = [create_engine(Settings(home=tmp_path / name)) for name in ("one", "two", "three")]
    await asyncio.gather(*(migrate.upgrade(each) for each in engines))
    for each in engines:
        assert all(step.applied for step in await migrate.status(each))
        await each.dispose()


async def test_replicas_that_start_together_take_turns(database_url: str) -> None:
    settings = Settings.model_validate({"database": {"url": database_url}})
    engines = [create_engine(settings) for _ in range(4)]
    await asyncio.gather(*(migrate.upgrade(each) for each in engines))
    assert all(step.applied for step in await migrate.status(engines[0]))
    await migrate.downgrade(engines[0], "base")
    for each in engines:
        await each.dispose()


async def test_processes_that_upgrade_an_empty_database_together_take_turns(database_url: str, tmp_path: Path) -> None:
    env = {**os.environ, "DANDELION_HOME": str(tmp_path), "DANDELION_DATABASE__URL": database_url}
    argv = [sys.executable, "-m", "dandelion", "db", "upgrade"]
    start = partial(asyncio.create_subprocess_exec, *argv, env=env, stdout=PIPE, stderr=STDOUT)
    together = await asyncio.gather(*(start() for _ in range(3)))
    told = await asyncio.gather(*(process.communicate() for process in together))
    assert [process.returncode for process in together] == [0, 0, 0], told
    engine = create_engine(Settings.model_validate({"database": {"url": database_url}}))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences_to_the_code) == []
    assert all(step.applied for step in await migrate.status(engine))
    await migrate.downgrade(engine, "base")
    await engine.dispose()


async def test_an_unknown_revision_is_named(engine: AsyncEngine) -> None:
    with pytest.raises(DatabaseError, match="9999"):
        await migrate.upgrade(engine, "9999")


async def test_a_batch_that_is_sent_again_changes_nothing(engine: AsyncEngine) -> None:
    entries = [entry(n) for n in range(20)]
    await store(engine, *entries[:15])
    await store(engine, *entries)
    assert await run(engine, count_predictions) == 20
    found = await run(engine, lambda on: predictions.find(on, entries[3].prediction.prediction_id))
    assert found.probabilities == entries[3].prediction.probabilities
    assert found.created_at == START + timedelta(seconds=3)


async def test_pages_walk_through_all_of_it_once(engine: AsyncEngine) -> None:
    await store(engine, *(entry(n) for n in range(25)))
    seen: list[str] = []
    cursor: str | None = None
    while page := await run(
        engine, lambda on, before=cursor: predictions.page(on, predictions.Filter(), before=before, limit=10)
    ):
        seen += [each.prediction_id for each in page]
        cursor = seen[-1]
    assert seen == sorted((entry(n).prediction.prediction_id for n in range(25)), reverse=True)


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (predictions.Filter(label="dandelion"), [1, 4]),
        (predictions.Filter(version="2"), [2, 3]),
        (predictions.Filter(min_confidence=0.9), [3, 4]),
        (predictions.Filter(max_confidence=0.6), [0, 1]),
        (predictions.Filter(since=START + timedelta(seconds=2), until=START + timedelta(seconds=4)), [2, 3]),
        (predictions.Filter(in_distribution=False), [1, 3]),
        (predictions.Filter(verdict="right"), [0]),
        (predictions.Filter(verdict="wrong"), [1]),
        (predictions.Filter(verdict="unknown"), [2, 3, 4]),
        (predictions.Filter(label="x' OR '1'='1"), []),
    ],
)
async def test_each_filter_finds_its_own(engine: AsyncEngine, wanted: predictions.Filter, numbers: list[int]) -> None:
    rows = [
        entry(0, "grass", 0.6),
        entry(1, "dandelion", 0.55),
        entry(2, "grass", 0.8, "2"),
        entry(3, "grass", 0.9, "2"),
        entry(4, "dandelion", 0.95),
    ]
    await store(engine, *rows)
    for number in (0, 1):
        told = Feedback(prediction_id=rows[number].prediction.prediction_id, label="grass")
        await run(engine, lambda on, told=told: feedback.give(on, told, actor="test"))
    found = await run(engine, lambda on: predictions.page(on, wanted, limit=10))
    assert [each.prediction_id for each in found] == [rows[n].prediction.prediction_id for n in reversed(numbers)]


async def test_feedback_told_twice_keeps_the_last_and_audits_both(engine: AsyncEngine) -> None:
    row = entry(0, "grass")
    await store(engine, row)
    identity = row.prediction.prediction_id
    for label, correct in (("dandelion", False), ("grass", True)):
        told = Feedback(prediction_id=identity, label=label)
        assert await run(engine, lambda on, told=told: feedback.give(on, told, actor="ann")) is correct
    found = await run(engine, lambda on: predictions.find(on, identity))
    assert (found.true_label, found.verdict) == ("grass", "right")
    async with engine.connect() as connection:
        kept = (await connection.execute(select(audit_log).order_by(audit_log.c.id))).all()
    assert [(row.actor, row.subject, row.detail) for row in kept] == [
        ("ann", identity, {"label": "dandelion"}),
        ("ann", identity, {"label": "grass"}),
    ]


async def test_feedback_about_nothing_and_of_no_class_is_refused(engine: AsyncEngine) -> None:
    await store(engine, entry(0))
    nothing = Feedback(prediction_id=str(uuid.UUID(int=5)), label="grass")
    with pytest.raises(PredictionNotFoundError):
        await run(engine, lambda on: feedback.give(on, nothing, actor="ann"))
    wrong = Feedback(prediction_id=entry(0).prediction.prediction_id, label="oak")
    with pytest.raises(FeedbackError, match=r"grass.*dandelion"):
        await run(engine, lambda on: feedback.give(on, wrong, actor="ann"))


async def test_two_who_tell_at_once_are_both_heard(engine: AsyncEngine) -> None:
    await store(engine, entry(0))
    told = Feedback(prediction_id=entry(0).prediction.prediction_id, label="grass")
    await asyncio.gather(*(run(engine, lambda on, n=n: feedback.give(on, told, actor=f"person {n}")) for n in range(5)))
    async with engine.connect() as connection:
        assert len((await connection.execute(select(audit_log.c.id))).all()) == 5


async def test_an_erasure_while_photos_are_placed_is_not_undone(engine: AsyncEngine, database_url: str) -> None:
    made = [entry(number) for number in range(2)]
    erased, other = (each.prediction.prediction_id for each in made)
    await store(engine, *made)

    async def erase() -> None:
        elsewhere = create_engine(Settings.model_validate({"database": {"url": database_url}}))
        await run(elsewhere, lambda on: predictions.mark_erased(on, [erased]))
        await elsewhere.dispose()

    erasing = threading.Thread(target=lambda: asyncio.run(erase()))

    def let_it_erase_first(*given: Any) -> None:
        if given[2].startswith("UPDATE") and erasing.ident is None:
            erasing.start()
            erasing.join(20)

    event.listen(engine.sync_engine, "before_cursor_execute", let_it_erase_first)
    keys = {each: f"predicted/{each}.jpg" for each in (erased, other)}
    assert await run(engine, lambda on: predictions.place_photos(on, keys)) == {other}
    found = await run(engine, lambda on: predictions.photo_keys(on, list(keys)))
    assert found == {erased: predictions.ERASED, other: keys[other]}


async def test_pruning_takes_the_oldest_with_their_feedback(engine: AsyncEngine) -> None:
    await store(engine, *(entry(n) for n in range(30)))
    told = Feedback(prediction_id=entry(2).prediction.prediction_id, label="grass")
    await run(engine, lambda on: feedback.give(on, told, actor="ann"))
    before = START + timedelta(seconds=20)
    assert await run(engine, lambda on: predictions.prune(on, before, limit=15)) == 15
    assert await run(engine, lambda on: predictions.prune(on, before, limit=15)) == 5
    assert await run(engine, lambda on: predictions.prune(on, before, limit=15)) == 0
    left = await run(engine, lambda on: predictions.page(on, predictions.Filter(), limit=50))
    assert [each.created_at for each in left] == [START + timedelta(seconds=n) for n in range(29, 19, -1)]


async def test_connections_that_the_server_closed_are_replaced(engine: AsyncEngine) -> None:
    if engine.dialect.name == "sqlite":
        return  # a file has no connections to lose
    async with engine.connect() as connection:
        ours = await connection.scalar(text("SELECT CONNECTION_ID()"))
    other = create_engine(Settings.model_validate({"database": {"url": str(engine.url.render_as_string(False))}}))
    async with other.connect() as connection:
        await connection.execute(text(f"KILL {int(ours or 0)}"))
    await other.dispose()
    assert await transact(engine, count_predictions, patience_seconds=0) == 0  # no second try: it was noticed before


async def test_a_value_that_does_not_fit_is_refused_as_such(engine: AsyncEngine) -> None:
    if engine.dialect.name == "sqlite":
        return  # which takes text of any length
    with pytest.raises(RowRefusedError):
        await store(engine, entry(0, label="x" * 101))


async def test_tables_that_are_behind_are_no_fault_of_the_value(engine: AsyncEngine) -> None:
    await run(engine, lambda on: on.execute(text("ALTER TABLE predictions DROP COLUMN track")))
    with pytest.raises(DatabaseError) as without_a_column:
        await store(engine, entry(0))
    await migrate.downgrade(engine, "base")
    with pytest.raises(DatabaseError) as without_a_table:
        await store(engine, entry(0))
    assert RowRefusedError not in {without_a_column.type, without_a_table.type}


async def test_a_query_that_runs_too_long_is_ended(database_url: str) -> None:
    if database_url.startswith("sqlite"):
        return  # has no such limit
    engine = create_engine(Settings.model_validate({"database": {"url": database_url, "query_timeout_seconds": 0.2}}))
    columns = "information_schema.columns"
    slow = text(f"SELECT COUNT(*) FROM {columns} a, {columns} b, {columns} c")  # noqa: S608 -- no value in it
    with pytest.raises(DatabaseError, match=r"(?i)execution time|max_statement_time"):
        await run(engine, lambda on: on.execute(slow))
    await engine.dispose()


async def test_a_migration_takes_as_long_as_it_must_and_queries_keep_their_limit(database_url: str) -> None:
    """MariaDB's limit ends every statement, also one that makes an index; MySQL's ends any SELECT."""
    if database_url.startswith("sqlite"):
        return  # has no such limit
    engine = create_engine(Settings.model_validate({"database": {"url": database_url, "query_timeout_seconds": 0.2}}))
    limits: list[float] = []
    asked = "SELECT @@SESSION.{}"

    def name(connection: Any) -> str:
        return "max_statement_time" if connection.dialect.is_mariadb else "max_execution_time"

    def look(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().startswith(("CREATE", "DROP")):
            cursor.execute(asked.format(name(connection)))
            limits.append(cursor.fetchone()[0])

    event.listen(engine.sync_engine, "before_cursor_execute", look)
    async with engine.connect() as other:
        await other.execute(text("SELECT GET_LOCK(:name, 0)"), {"name": migrate.LOCK})
        turn = asyncio.create_task(migrate.upgrade(engine))
        await asyncio.sleep(1)
        assert not turn.done()
        await other.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": migrate.LOCK})
        await turn
    await migrate.downgrade(engine, "base")
    assert set(limits) == {0}
    async with engine.connect() as one, engine.connect() as another:
        for connection in (one, another):
            left = await connection.scalar(text(asked.format(name(connection))))
            assert left == (0.2 if name(connection) == "max_statement_time" else 200)
    await engine.dispose()


async def test_a_database_that_is_down_is_an_error_without_its_password() -> None:
    settings = Settings.model_validate({"database": {"url": "mysql://root:hunter2@127.0.0.1:9/x"}})
    engine = create_engine(settings)
    with pytest.raises(DatabaseError, match="database failed") as caught:
        await transact(engine, count_predictions, patience_seconds=0.3)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(settings)
    await engine.dispose()


@pytest.mark.parametrize(("url", "says"), [("postgres://x/y", "postgres"), ("nonsense", "not a database address")])
def test_an_address_that_is_none_is_named(url: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        create_engine(Settings.model_validate({"database": {"url": url}}))


async def test_a_release_that_ended_is_under_way_no_more(engine: AsyncEngine) -> None:
    begin = partial(releases.begin, name="dandelion", version="2", previous="1", strategy="rolling", weight=100)
    begun = await run(engine, begin)
    assert await run(engine, lambda on: releases.find_begun(on, "dandelion", "2")) == (begun, "1")
    await run(engine, lambda on: releases.finish(on, begun, state=releases.SERVING, reason="All pods serve it."))
    assert await run(engine, lambda on: releases.find_begun(on, "dandelion", "2")) is None
