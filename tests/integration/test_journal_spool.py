"""What the journal makes of a spool that others share, that a crash has torn, or that the disk is slow to give up."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils import uuid7

from dandelion.db import create_engine, predictions, transact
from dandelion.db.tables import first_id
from dandelion.domain import JournalEntry, Prediction
from dandelion.errors import DatabaseError, JournalFullError, RowRefusedError
from dandelion.journal import Journal
from dandelion.journal import journal as shipped_by
from dandelion.settings import Settings
from dandelion.telemetry import instruments
from tests.predictions import count_predictions, make_entry, make_prediction
from tests.waiting import until

MEBIBYTE = 1024 * 1024


def line_of(given: Prediction) -> bytes:
    return msgspec.json.encode(make_entry(given)) + b"\n"


def write_segment(settings: Settings, *lines: bytes) -> Path:
    """A segment whose writer is gone."""
    settings.spool.mkdir(parents=True, exist_ok=True)
    path = settings.spool / f"{uuid7()}.jsonl"
    path.write_bytes(b"".join(lines))
    return path


def set_aside(settings: Settings) -> bytes:
    return (settings.spool / "refused.jsonl.kept").read_bytes()


def lost(reason: str) -> float:
    return float(instruments.JOURNAL_LOST.labels(reason)._value.get())


async def rows(engine: AsyncEngine) -> int:
    return await transact(engine, count_predictions, patience_seconds=5)


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(journal={"max_bytes": MEBIBYTE, "ship_seconds": 0.02})


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    created = create_engine(settings)
    yield created
    await created.dispose()


def down(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let the database fail so often after it has stored what it was sent."""
    left = [times]

    async def break_off(*given: Any, **options: Any) -> Any:
        result = await transact(*given, **options)
        if left[0]:
            left[0] -= 1
            raise DatabaseError("The answer was lost.")
        return result

    monkeypatch.setattr(shipped_by, "transact", break_off)


async def test_room_that_another_process_made_in_the_spool_is_used(settings: Settings, engine: AsyncEngine) -> None:
    full = write_segment(settings, b"x" * (MEBIBYTE - 10) + b"\n")
    journal = Journal(settings, engine)
    with pytest.raises(JournalFullError):
        journal.append([make_prediction()])
    full.unlink()  # shipped by another
    await journal.ship()
    journal.append([make_prediction()])
    assert await journal.ship() == 1


async def test_what_another_process_added_to_the_spool_counts(settings: Settings, engine: AsyncEngine) -> None:
    journal = Journal(settings, engine)
    written = write_segment(settings, b"x" * (MEBIBYTE - 10) + b"\n")
    with written.open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # and it still writes
        await journal.ship()
        with pytest.raises(JournalFullError):
            journal.append([make_prediction()])


async def test_rows_that_have_waited_too_long_let_no_more_in_until_the_database_answers(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(journal={"max_age_hours": 1.0, "ship_seconds": 0.02})
    engine = create_engine(settings)
    journal, tries = Journal(settings, engine), 0
    waits = write_segment(settings, line_of(make_prediction()))

    def let_it_wait(minutes: int) -> Path:
        return waits.rename(waits.with_stem(first_id(datetime.now(UTC) - timedelta(minutes=minutes))))

    async def be_away(*_: Any, **__: Any) -> None:
        nonlocal tries
        tries += 1
        raise DatabaseError("It is away.")

    def refuses() -> bool:
        try:
            journal.append([make_prediction()])
        except JournalFullError as error:
            return "over 1 hours old" in str(error)
        return False

    waits = let_it_wait(50)
    with monkeypatch.context() as patched:
        patched.setattr(shipped_by, "transact", be_away)
        shipping = asyncio.create_task(journal.run())
        await until(lambda: tries > 1, "the database is tried again")
        assert not refuses()
        waits = let_it_wait(70)
        await until(refuses, "what has waited for too long is refused")
    await until(lambda: not refuses(), "predictions are taken again")
    assert not waits.exists()
    shipping.cancel()
    with suppress(asyncio.CancelledError):
        await shipping
    await engine.dispose()


async def test_a_torn_line_is_set_aside_and_counted_once_however_often_its_segment_is_sent(
    settings: Settings, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_segment(settings, line_of(make_prediction()), b'{"half of a li')
    journal, before = Journal(settings, engine), lost("torn")
    down(monkeypatch, times=2)
    for _ in range(2):
        with pytest.raises(DatabaseError):
            await journal.ship()
    assert await journal.ship() == 1
    assert set_aside(settings) == b'{"half of a li\n'
    assert lost("torn") == before + 1
    assert await rows(engine) == 1


async def test_a_refused_row_is_set_aside_and_counted_once_however_often_its_segment_is_sent(
    settings: Settings, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = make_prediction(), make_prediction()
    write_segment(settings, line_of(bad), line_of(good))
    journal, before = Journal(settings, engine), lost("refused")
    add, away = predictions.add, [True]

    async def refuse(connection: AsyncConnection, entries: Sequence[JournalEntry]) -> None:
        ids = [each.prediction.prediction_id for each in entries]
        if bad.prediction_id in ids:
            raise RowRefusedError("It does not fit.")
        if away:
            away.pop()
            raise DatabaseError("It is away.")
        await add(connection, entries)

    monkeypatch.setattr(predictions, "add", refuse)
    with pytest.raises(DatabaseError):
        await journal.ship()
    assert await journal.ship() == 1
    assert set_aside(settings) == line_of(bad)
    assert lost("refused") == before + 1
    assert await rows(engine) == 1


async def test_a_row_whose_id_was_spoilt_on_disk_is_set_aside_and_holds_up_no_other(
    settings: Settings, engine: AsyncEngine
) -> None:
    bad, good = make_prediction(f"{uuid7()}"[:-1] + "x"), make_prediction()
    write_segment(settings, line_of(bad), line_of(good))
    journal, before = Journal(settings, engine), lost("refused")
    assert await journal.ship() == 1
    assert set_aside(settings) == line_of(bad)
    assert lost("refused") == before + 1
    assert await rows(engine) == 1


async def test_a_line_that_finds_no_room_aside_keeps_its_segment_and_holds_up_no_other(
    settings: Settings, engine: AsyncEngine
) -> None:
    torn = write_segment(settings, line_of(make_prediction()), b'{"half of a li')
    whole = write_segment(settings, line_of(make_prediction()))
    aside = settings.spool / "refused.jsonl.kept"
    aside.symlink_to("/dev/full")
    journal, before = Journal(settings, engine), lost("torn")
    assert await journal.ship() == 1
    assert await journal.ship() == 0
    assert (torn.exists(), whole.exists()) == (True, False)
    assert await rows(engine) == 2
    assert lost("torn") == before
    aside.unlink()
    assert await journal.ship() == 1
    assert set_aside(settings) == b'{"half of a li\n'
    assert lost("torn") == before + 1
    assert not torn.exists()


async def test_a_segment_that_does_not_close_is_shipped_all_the_same(
    settings: Settings, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(settings, engine)
    await journal.prepare()
    journal.append([make_prediction()])
    close = os.close

    def close_and_fail(descriptor: int) -> None:
        monkeypatch.setattr(os, "close", close)
        close(descriptor)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "close", close_and_fail)
    assert await journal.ship() == 1


async def test_a_file_that_a_person_named_is_shipped_and_ends_nothing_while_it_waits(
    settings: Settings, engine: AsyncEngine
) -> None:
    settings.spool.mkdir(parents=True)
    foreign = settings.spool / "given-back.jsonl"
    foreign.write_bytes(line_of(make_prediction()))
    journal = Journal(settings, engine)
    with foreign.open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        shipping = asyncio.create_task(journal.run())
        for count in (1, 2):  # the second is shipped by a turn that has found the locked file before
            journal.append([make_prediction()])
            await until(lambda: _is(engine, count), f"{count} predictions are stored")  # noqa: B023 -- runs here
        assert not shipping.done()
    await until(lambda: _is(engine, 3), "the prediction of the locked file is stored")
    assert not foreign.exists()
    shipping.cancel()
    with suppress(asyncio.CancelledError):
        await shipping


async def _is(engine: AsyncEngine, count: int) -> bool:
    try:
        return await rows(engine) == count
    except DatabaseError:  # without tables yet
        return False
