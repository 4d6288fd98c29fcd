"""What keeping predictions costs: throughput with and without the journal, rows/s into MySQL, and history queries.

    python -m benchmarks.journal --rows 1000000

The two servers take turns, so that a noisy neighbour hits both; the ratio is what counts.
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
from pathlib import Path

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

QUERIES: dict[str, predictions.Filter] = {
    "newest": predictions.Filter(),
    "label": predictions.Filter(label="dandelion"),
    "version": predictions.Filter(version="3"),
    "unsure": predictions.Filter(max_confidence=0.55),
    "wrong": predictions.Filter(verdict="wrong"),
    "unsure of one version": predictions.Filter(version="3", max_confidence=0.55),
    "rare version": predictions.Filter(version="99"),
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
            asyncio.run(shipping_and_history(server, folder, options.rows))
        finally:
            server.stop()


def overhead(folder: Path, seconds: float, rounds: int) -> None:
    photo = make_photos(folder)[PHOTOS[0]]
    rates: dict[str, list[float]] = {"true": [], "false": []}
    for _ in range(rounds):
        for enabled, measured in rates.items():
            port = free_port()
            argv = [sys.executable, "-m", "dandelion", "serve", "--port", str(port)]
            environment = {"DANDELION_JOURNAL__ENABLED": enabled}
            server = Server(f"journal {enabled}", argv, environment, f"http://127.0.0.1:{port}/readyz", "file")
            with running(server, folder):
                measured.append(load(server, "starter", "thumbnail", photo, 32, seconds).per_second)
    kept, bare = (statistics.median(rates[enabled]) for enabled in ("true", "false"))
    print(f"requests/s at 32 connections: {kept:.0f} with the journal (SQLite), {bare:.0f} without: {kept / bare:.3f}")


async def shipping_and_history(server: MySqlServer, folder: Path, rows: int) -> None:
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
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE predictions SET verdict='wrong' WHERE confidence > 0.9995"))
        await connection.execute(text("ANALYZE TABLE predictions"))
    for name, wanted in QUERIES.items():
        times = [await timed(engine, wanted) for _ in range(40)]
        print(f"history of {rows} rows, {name}: p95 {sorted(times)[37]:.1f} ms")
    await engine.dispose()


async def timed(engine: AsyncEngine, wanted: predictions.Filter) -> float:
    before = str(uuid.UUID(int=(random.randrange(500_000, 1_000_000) + 1_700_000_000_000 << 80)))
    started = time.perf_counter()
    await transact(engine, lambda on: predictions.page(on, wanted, before=before, limit=50), patience_seconds=0)
    return (time.perf_counter() - started) * 1000


def entry(number: int) -> JournalEntry:
    """One prediction a millisecond."""
    chance = random.Random(number)
    confidence = 0.5 + chance.random() / 2
    label, other = ("dandelion", "grass") if chance.random() < 0.5 else ("grass", "dandelion")
    return JournalEntry(
        prediction=Prediction(
            prediction_id=str(uuid.UUID(int=(1_700_000_000_000 + number << 80) | (7 << 76) | (2 << 62) | number)),
            label=label,
            confidence=confidence,
            probabilities={label: confidence, other: 1 - confidence},
            in_distribution=True,
            model=ModelRef(name="dandelion", version=str(number * 5 // 1_000_000)),
            duration_ms=3.0,
        ),
        track="stable",
    )


if __name__ == "__main__":
    main()
