"""Sampled photos to disk, then to the data lake, and the row that says where each is.

A photo follows its row: it is shipped once its row is in the database, which is then told the photo's key. So a key
in the table always leads to a photo, and a photo that was to be erased meanwhile never arrives.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion.db import predictions, transact
from dandelion.db.tables import moment_of
from dandelion.domain import Prediction
from dandelion.errors import PhotoError
from dandelion.imaging import clean
from dandelion.journal.shipping import ship_for_ever
from dandelion.objects import DATA_LAKE, PHOTO_TYPES, ObjectStore, photo_key
from dandelion.settings import Settings
from dandelion.telemetry import instruments

AT_ONCE = 64
KEEPERS = 2
# Many photos at a time hide how far away a store is, but each takes time of this processor that answers need: only as
# many as bring this many a second over.
FEWEST_SHIPPERS, MOST_SHIPPERS = 2, 16
SHIPPED_PER_SECOND = 100
RESERVE_BYTES = 128 * 1024 * 1024
# A row that is not there by then was refused, dropped or pruned.
ORPHAN_SECONDS = 3600

log = structlog.get_logger(__name__)


class Photos:
    """One server process's sampled photos on their way to the object store.

    Args:
        settings: Which photos, how many, and where they wait.
        engine: Where their rows are.
        store: Where they go.
        prepare: Sees to it that the tables are there.
    """

    def __init__(
        self, settings: Settings, engine: AsyncEngine, store: ObjectStore, prepare: Callable[[], Awaitable[None]]
    ) -> None:
        self._prepare_tables = prepare
        self._settings = settings.journal
        self._folder = settings.photo_spool
        self._rows = settings.spool
        self._engine = engine
        self._store = store
        self._one_at_a_time = asyncio.Lock()
        # Threads of their own: answers wait for keepers, who must never queue behind a slow store.
        self._keepers = ThreadPoolExecutor(KEEPERS, "photo-keeper")
        self._shippers = ThreadPoolExecutor(MOST_SHIPPERS, "photo-shipper")
        self._side_by_side = FEWEST_SHIPPERS
        self._prepared = False
        self._waiting = sum(_size(path) for path in self._list())
        self._full = False

    def wants(self, given: Prediction) -> bool:
        """Whether the settings ask for this prediction's photo."""
        options = self._settings
        if not options.enabled or options.photos != "some":
            return options.enabled and options.photos == "all"
        return (
            given.confidence < options.photo_below_confidence
            or (options.photo_outliers and not given.in_distribution)
            or random.random() < options.photo_rate  # noqa: S311 -- a sample, not a secret
        )

    async def keep(self, taken: Sequence[tuple[Prediction, bytes]]) -> None:
        """Spool the photos that are wanted, without metadata; one that finds no room is counted and let go."""
        if wanted := [(given.prediction_id, photo) for given, photo in taken if self.wants(given)]:
            await asyncio.get_running_loop().run_in_executor(self._keepers, self._keep, wanted)

    async def ship_for_ever(self) -> None:
        """Ship what waits, every `ship_seconds`; while the database or the store is down, less and less often."""
        if self._settings.enabled:
            await ship_for_ever("photos", self.ship, pause_seconds=self._settings.ship_seconds, report=self._report)

    def close(self) -> None:
        """End the threads; what waits stays on disk for the next start."""
        self._keepers.shutdown()
        self._shippers.shutdown(wait=False, cancel_futures=True)

    async def ship(self) -> int:
        """Ship photos whose rows are in the database; return how many.

        Raises:
            DatabaseError: The database does not answer; everything is kept.
            ObjectStoreError: The object store does not; everything is kept.
        """
        shipped = 0
        async with self._one_at_a_time:
            waiting = await asyncio.to_thread(self._list)
            if waiting:
                await self._prepare_tables()
            for start in range(0, len(waiting), AT_ONCE):
                shipped += await self._ship_some(waiting[start : start + AT_ONCE])
        return shipped

    def _keep(self, wanted: Sequence[tuple[str, bytes]]) -> None:
        for prediction_id, photo in wanted:
            try:
                cleaned = clean(photo)
                if why := self._no_room(len(cleaned.data)):
                    self._let_go("full", prediction_id, why)
                    continue
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                path = self._folder / f"{prediction_id}{cleaned.suffix}"
                fresh = path.with_suffix(".part")
                try:
                    fresh.write_bytes(cleaned.data)
                    fresh.rename(path)
                except BaseException:
                    fresh.unlink(missing_ok=True)
                    raise
            except PhotoError as error:
                self._let_go("unreadable", prediction_id, str(error))
            except OSError as error:
                self._let_go("full", prediction_id, str(error))
            else:
                self._full = False
                self._count(len(cleaned.data))

    def _no_room(self, size: int) -> str:
        """Why a photo must not be spooled, or nothing: rows need the room more."""
        if self._waiting + size > self._settings.max_photo_bytes:
            return f"{self._waiting} bytes of photos wait, of {self._settings.max_photo_bytes}"
        disk = shutil.disk_usage(self._folder if self._folder.exists() else self._rows.parent)
        if disk.free - size < min(RESERVE_BYTES, disk.total // 4):
            return f"{disk.free} bytes of disk are free, which are left to the rows"
        return ""

    async def _ship_some(self, paths: Sequence[Path]) -> int:
        ids = [path.stem for path in paths]
        keys = await transact(self._engine, lambda on: predictions.photo_keys(on, ids), patience_seconds=0)
        ready = []
        for path in paths:
            if path.stem not in keys:
                self._give_up_when_old(path)
            elif keys[path.stem] == predictions.ERASED:
                self._remove(path)
            else:
                ready.append(path)
        if not ready:
            return 0
        if not self._prepared:
            for feature, why in (await asyncio.to_thread(self._store.prepare)).items():
                log.warning("object_store_lacks", feature=feature, reason=why)
            self._prepared = True
        placed = {path.stem: photo_key(path.stem, path.suffix) for path in ready}
        await self._put_all([(path, placed[path.stem]) for path in ready])
        known = await transact(self._engine, lambda on: predictions.place_photos(on, placed), patience_seconds=0)
        for path in ready:
            if path.stem not in known:  # erased or pruned while it was on its way
                await asyncio.to_thread(self._store.delete, DATA_LAKE, placed[path.stem])
            self._remove(path)
        instruments.PHOTOS_SHIPPED.inc(len(known))
        return len(known)

    async def _put_all(self, pairs: Sequence[tuple[Path, str]]) -> None:
        run = asyncio.get_running_loop().run_in_executor
        while pairs:
            now, pairs = pairs[: self._side_by_side], pairs[self._side_by_side :]
            seconds = await asyncio.gather(*(run(self._shippers, self._put, *pair) for pair in now))
            # The quickest waited for nobody, so that photos which hinder each other are not taken for a far store.
            wanted = round(min(seconds) * SHIPPED_PER_SECOND)
            self._side_by_side = min(max(wanted, FEWEST_SHIPPERS), MOST_SHIPPERS)

    def _put(self, path: Path, key: str) -> float:
        """Put one, and tell how many seconds it took."""
        begin = time.perf_counter()
        self._store.put_file(DATA_LAKE, key, path, content_type=PHOTO_TYPES[path.suffix])
        return time.perf_counter() - begin

    def _give_up_when_old(self, path: Path) -> None:
        age = time.time() - moment_of(path.stem).timestamp()
        rows_wait = any(self._rows.glob("*.jsonl"))
        if age > timedelta(hours=self._settings.max_age_hours).total_seconds():
            self._let_go("old", path.stem, f"it waited {age / 3600:.0f} hours")
        elif age > ORPHAN_SECONDS and not rows_wait:
            self._let_go("no_row", path.stem, "its prediction is not stored")
        else:
            return
        self._remove(path)

    def _report(self, _: bool) -> None:
        instruments.PHOTOS_BYTES.set(self._waiting)

    def _let_go(self, reason: str, prediction_id: str, why: str) -> None:
        instruments.PHOTOS_LOST.labels(reason).inc()
        if reason != "full" or not self._full:  # a full disk is said once, not for every photo
            log.warning("photo_not_kept", prediction_id=prediction_id, reason=reason, why=why)
        self._full = self._full or reason == "full"

    def _remove(self, path: Path) -> None:
        size = _size(path)
        path.unlink(missing_ok=True)
        self._count(-size)

    def _count(self, size: int) -> None:
        self._waiting = max(0, self._waiting + size)
        instruments.PHOTOS_BYTES.set(self._waiting)

    def _list(self) -> list[Path]:
        """Photos that wait, oldest first."""
        try:
            with os.scandir(self._folder) as found:
                return sorted(Path(entry.path) for entry in found if not entry.name.endswith(".part"))
        except FileNotFoundError:
            return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
