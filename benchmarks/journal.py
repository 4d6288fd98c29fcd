"""What keeping predictions costs: throughput with and without the journal, rows/s into MySQL, `GET /predictions`.

    python -m benchmarks.journal --rows 1000000

The two servers take turns, so that a noisy neighbour hits both; the ratio of two turns that follow each other is what
counts, and how far the ratios lie apart says how much a few of them are worth. Pages of 50 are asked for one after
another over HTTP, each from a moment by chance, in a table over which rare values are spread evenly.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.servers.mysql import MySqlServer

from benchmarks.loads import load
from benchmarks.photos import PHOTOS, make_photos
from benchmarks.servers import Server, free_port, running
from dandelion.db import create_engine, migrate, predictions, transact
from dandelion.domain import JournalEntry, ModelRef, Prediction
from dandelion.journal import Journal
from dandelion.settings import Settings

FIRST_MS = 1_700_000_000_000
REQUESTS = 100
# A share of rows each: half of them a label, a fifth a version, the rest as `entry` and `mark_labels` say.
QUERIES: dict[str, dict[str, str]] = {
    "all": {},
    "a label": {"label": "dandelion"},
    "a version": {"version": "3"},
    "a version that does not exist": {"version": "99"},
    "confidence at most 0.55": {"max_confidence": "0.55"},
    "confidence at most 0.5025 (5 in 1000)": {"max_confidence": "0.5025"},
    "confidence at most 0.5001 (2 in 10,000)": {"max_confidence": "0.5001"},
    "confidence at least 0.9": {"min_confidence": "0.9"},
    "confidence at least 0.9999 (2 in 10,000)": {"min_confidence": "0.9999"},
    "right": {"verdict": "right"},
    "wrong (1 in 1000)": {"verdict": "wrong"},
    "not told": {"verdict": "unknown"},
    "like known photos": {"in_distribution": "true"},
    "unlike them (2 in 1000)": {"in_distribution": "false"},
    "a label, wrong": {"label": "dandelion", "verdict": "wrong"},
    "a label of a version, not told": {"label": "dandelion", "version": "3", "verdict": "unknown"},
    "a version, confidence at most 0.55": {"version": "3", "max_confidence": "0.55"},
    "a version, confidence at most 0.5001": {"version": "3", "max_confidence": "0.5001"},
    "a version, unlike known photos": {"version": "3", "in_distribution": "false"},
    "a label, confidence at least 0.9, like known photos": {
        "label": "grass",
        "min_confidence": "0.9",
        "in_distribution": "true",
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.rounds:
            overhead(folder, options.seconds, options.rounds)
        (folder / "mysql").mkdir()
        server = MySqlServer("mysql", folder / "mysql")
        try:
            asyncio.run(shipping(server, folder, options.rows))
            history(server.url(), folder, options.rows)
        finally:
            server.stop()


def overhead(folder: Path, seconds: float, rounds: int) -> None:
    photo = make_photos(folder)[PHOTOS[0]]
    rates: dict[str, list[float]] = {"true": [], "false": []}
    order = list(rates)
    for _ in range(rounds):
        for enabled in order:
            port = free_port()
            argv = [sys.executable, "-m", "dandelion", "serve", "--port", str(port)]
            environment = {"DANDELION_JOURNAL__ENABLED": enabled}
            server = Server(f"journal {enabled}", argv, environment, f"http://127.0.0.1:{port}/readyz", "file")
            with running(server, folder):
                rates[enabled].append(load(server, "starter", "thumbnail", photo, 32, seconds).per_second)
        order.reverse()  # else a machine that grows slower would always slow the same one
    kept, bare = (statistics.median(each) for each in rates.values())
    ratios = [one / other for one, other in zip(*rates.values(), strict=True)]
    print(f"requests/s at 32 connections: {kept:.0f} with the journal (SQLite), {bare:.0f} without; ", end="")
    print(f"ratio of two turns {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


async def shipping(server: MySqlServer, folder: Path, rows: int) -> None:
    settings = Settings.model_validate(
        {"home": folder / "home", "database": {"url": server.url()}, "journal": {"batch_rows": 1000}}
    )
    engine = create_engine(settings)
    await migrate.upgrade(engine)
    journal = Journal(settings, engine)
    made = [entry(number) for number in range(20_000)]
    started = time.perf_counter()
    for each in made:
        journal.append([each.prediction])
    appended = time.perf_counter()
    await journal.ship()
    shipped = time.perf_counter()
    print(f"append: {1e6 * (appended - started) / len(made):.0f} us each; ", end="")
    print(f"shipping into MySQL: {len(made) / (shipped - appended):.0f} rows/s")
    for start in range(len(made), rows, 5000):
        batch = [entry(number) for number in range(start, min(start + 5000, rows))]
        await transact(engine, lambda on, batch=batch: predictions.add(on, batch), patience_seconds=30)  # type: ignore[misc]
    await mark_labels(engine)
    await engine.dispose()


async def mark_labels(engine: AsyncEngine) -> None:
    """A tenth of the labels given, one in a hundred of them against the answer."""
    async with engine.begin() as connection:
        for verdict, every in (("right", 10), ("wrong", 1000)):
            # The time of the id in milliseconds, which `entry` numbers.
            number = "CONV(HEX(SUBSTR(id, 1, 6)), 16, 10)"
            await connection.execute(
                text(f"UPDATE predictions SET verdict = :verdict WHERE MOD({number}, :every) = 0"),  # noqa: S608
                {"verdict": verdict, "every": every},
            )
        await connection.execute(text("ANALYZE TABLE predictions"))


def history(url: str, folder: Path, rows: int) -> None:
    """`GET /predictions` with filters: what 95 of 100 requests took at most, from a moment by chance."""
    port = free_port()
    argv = [sys.executable, "-m", "dandelion", "serve", "--port", str(port)]
    server = Server("history", argv, {"DANDELION_DATABASE__URL": url}, f"http://127.0.0.1:{port}/readyz", "file")
    chance = random.Random(1)
    with running(server, folder), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        for name, wanted in QUERIES.items():
            times = []
            for _ in range(REQUESTS):
                moment = datetime.fromtimestamp((FIRST_MS + chance.randrange(rows // 2, rows)) / 1000, UTC)
                times.append(timed(client, {**wanted, "until": moment.isoformat()}))
            tell(rows, name, times)
        for name, newest in {"the newest": {}, "the newest 500": {"limit": "500"}}.items():
            tell(rows, name, [timed(client, newest) for _ in range(REQUESTS)])


def tell(rows: int, name: str, times: list[float]) -> None:
    print(f"{rows} rows, {name}: p50 {statistics.median(times):.1f} ms, p95 {sorted(times)[94]:.1f} ms")


def timed(client: httpx.Client, query: dict[str, str]) -> float:
    """Milliseconds that an answer took."""
    started = time.perf_counter()
    client.get("/predictions", params=query).raise_for_status()
    return (time.perf_counter() - started) * 1000


def entry(number: int) -> JournalEntry:
    """One prediction a millisecond."""
    chance = random.Random(number)
    confidence = 0.5 + chance.random() / 2
    label, other = ("dandelion", "grass") if chance.random() < 0.5 else ("grass", "dandelion")
    return JournalEntry(
        prediction=Prediction(
            prediction_id=str(uuid.UUID(int=(FIRST_MS + number << 80) | (7 << 76) | (2 << 62) | number)),
            label=label,
            confidence=confidence,
            probabilities={label: confidence, other: 1 - confidence},
            in_distribution=number % 500 != 7,
            model=ModelRef(name="dandelion", version=str(number // 200_000)),
            duration_ms=3.0,
        ),
        track="stable",
    )


if __name__ == "__main__":
    main()
