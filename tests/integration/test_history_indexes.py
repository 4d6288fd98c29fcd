"""A page of the history looks at little more than its own rows, whatever is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from itertools import combinations, product
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.db import create_engine, migrate, predictions, transact
from dandelion.db.tables import moment_of
from dandelion.domain import JournalEntry
from dandelion.settings import Settings
from tests.predictions import make_entry, make_prediction

ROWS, PAGE = 20_000, 20
# Rows and entries of indexes that a page may look at: an eighth of them, for servers prefer to intersect small indexes.
MOST_READ = ROWS // 8

# A common and a rare value of each. The old version answered first, and none of its rows are among the newest.
WANTED: dict[str, list[Any]] = {
    "label": ["grass", "moss"],
    "version": ["1", "2"],
    "verdict": ["right", "wrong", "unknown"],
    "in_distribution": [True, False],
    "max_confidence": [0.9, 0.501],
    "min_confidence": [0.6, 0.999],
}


def entry(number: int) -> JournalEntry:
    """Rare values lie all over the table."""
    return make_entry(
        make_prediction(
            f"018f3a00-{number:04x}-7000-8000-000000000000",
            label="moss" if number % 1009 == 0 else "grass" if number % 2 else "dandelion",
            confidence=0.5 + number * 7919 % ROWS / ROWS / 2,
            is_known=number % 997 != 0,
            version="1" if number < ROWS // 2 else "2",
        )
    )


async def reads(connection: AsyncConnection, ask: Callable[[], Awaitable[object]]) -> int:
    """How many rows and entries of indexes the server looks at for what is asked."""
    counts = []
    for asked in (False, True):
        if asked:
            await ask()
        rows = await connection.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'"))
        counts.append(sum(int(value) for _, value in rows))
    return counts[1] - counts[0]


async def test_pages_are_answered_while_an_upgrade_has_not_made_the_indexes_yet(database_url: str) -> None:
    engine = create_engine(Settings.model_validate({"database": {"url": database_url}}))
    await migrate.upgrade(engine, "0001")
    await transact(engine, lambda on: predictions.add(on, [entry(1), entry(997)]), patience_seconds=5)
    strange = predictions.Filter(in_distribution=False, version="1")
    found = await transact(engine, lambda on: predictions.page(on, strange), patience_seconds=5)
    await engine.dispose()
    assert [each.prediction_id for each in found] == [entry(997).prediction.prediction_id]


@pytest.mark.parametrize("database_url", ["mysql", "mariadb"], indirect=True)
async def test_a_page_walks_past_few_others(database_url: str) -> None:
    engine = create_engine(Settings.model_validate({"database": {"url": database_url}}))
    await migrate.upgrade(engine)
    for start in range(0, ROWS, 5000):
        batch = [entry(number) for number in range(start, start + 5000)]
        await transact(engine, lambda on, batch=batch: predictions.add(on, batch), patience_seconds=5)  # type: ignore[misc]
    async with engine.begin() as connection:
        for verdict, every in (("right", 10), ("wrong", 991)):
            number = "CONV(HEX(SUBSTR(id, 5, 2)), 16, 10)"
            told = text(f"UPDATE predictions SET verdict = :verdict WHERE MOD({number} DIV 2, :every) = 0")  # noqa: S608
            await connection.execute(told, {"verdict": verdict, "every": every})
        await connection.execute(text("UPDATE predictions SET photo_key = 'a.jpg'"))
        await connection.execute(text("ANALYZE TABLE predictions"))
    filters = [
        predictions.Filter(**dict(zip(names, values, strict=True)))
        for names in (*combinations(WANTED, 1), *combinations(WANTED, 2))
        for values in product(*(WANTED[name] for name in names))
    ]
    async with engine.connect() as connection:
        found = {
            str(wanted): await reads(connection, partial(predictions.page, connection, wanted, limit=PAGE))
            for wanted in filters
        }
        since = moment_of(entry(ROWS // 2).prediction.prediction_id)
        found["labelling"] = await reads(connection, partial(predictions.unlabelled, connection, since, limit=PAGE))
    await engine.dispose()
    assert {wanted: count for wanted, count in found.items() if count > MOST_READ} == {}
