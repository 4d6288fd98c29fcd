"""Sampled photos go to disk, then to the data lake; their rows then get the keys.

A photo follows its row: it is shipped once its row is in the database, and the row then gets the photo's key. So a key
in the table always leads to a photo, and a photo that was erased meanwhile never arrives.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion.db import predictions, transact
from dandelion.domain import Prediction
from dandelion.errors import PhotoError
from dandelion.imaging import PreparedPhoto, clean
from dandelion.journal.files import age_seconds, remove_unfinished
from dandelion.journal.photo_spool import PhotoSpool
from dandelion.journal.shipping import ship_at_last, ship_periodically
from dandelion.objects import DATA_LAKE, PHOTO_TYPES, ObjectStore, photo_key
from dandelion.settings import Settings
from dandelion.telemetry import instruments

AT_ONCE = 64
WRITERS = 2
# Parallel uploads hide the latency of a distant store, but each takes processor time from predictions. So only as many
# run as are needed for this rate.
MIN_SHIPPERS, MAX_SHIPPERS = 2, 16
SHIPPED_PER_SECOND = 100
# A row that is still missing by then was refused, dropped or pruned.
ORPHAN_SECONDS = 3600

log = structlog.get_logger(__name__)


class Photos:
    """One server process's sampled photos on their way to the object store.

    Args:
        settings: Which photos to store, how many, and where they wait.
        engine: The database of their rows.
        store: The object store that gets them.
        prepare: Brings the tables up to date.
    """

    def __init__(
        self, settings: Settings, engine: AsyncEngine, store: ObjectStore, prepare: Callable[[], Awaitable[None]]
    ) -> None:
        self._prepare_tables = prepare
        self._settings = settings.journal
        self._spool = PhotoSpool(settings)
        self._rows = settings.spool
        self._engine = engine
        self._store = store
        self._one_at_a_time = asyncio.Lock()
        # A separate pool: responses wait for the writers, which must never queue behind a slow store.
        self._writers = ThreadPoolExecutor(WRITERS, "photo-writer")
        self._shippers = ThreadPoolExecutor(MAX_SHIPPERS, "photo-shipper")
        self._side_by_side = MIN_SHIPPERS
        self._prepared = False
        self._full = False
        for path in remove_unfinished(settings.photo_spool):
            self._let_go("unreadable", path.stem, "a killed process left it unfinished")

    def wants(self, given: Prediction) -> bool:
        """Whether the settings select this prediction's photo."""
        options = self._settings
        if not options.enabled or options.photos != "some":
            return options.enabled and options.photos == "all"
        return (
            given.confidence < options.photo_below_confidence
            or (options.photo_outliers and not given.in_distribution)
            or random.random() < options.photo_rate  # noqa: S311 -- a sample, not a secret
        )

    async def store(self, taken: Sequence[tuple[Prediction, bytes]]) -> None:
        """Spool the selected photos without metadata; a photo without room is counted and dropped."""
        wanted = [
            (given.prediction_id, photo)
            for given, photo in taken
            if not isinstance(photo, PreparedPhoto) and self.wants(given)
        ]
        if wanted:
            await asyncio.get_running_loop().run_in_executor(self._writers, self._write, wanted)

    async def run(self) -> None:
        """Ship what waits every `ship_seconds` until cancelled; while either side is down, less and less often."""
        if self._settings.enabled:
            await ship_periodically("photos", self.ship, pause_seconds=self._settings.ship_seconds)

    async def close(self) -> None:
        """Ship what waits, if its rows are stored and the store responds soon; the rest stays for the next start.

        If the disk goes away with the process, there is no next start, so the log says how much was left.
        """
        self._writers.shutdown()
        if self._settings.enabled:
            await ship_at_last("photos", self.ship)
        self._shippers.shutdown(wait=False, cancel_futures=True)
        if left := await asyncio.to_thread(self._spool.list_waiting):
            log.warning("photos_left_waiting", photos=len(left), bytes=self._spool.size_bytes)

    async def ship(self) -> int:
        """Ship photos whose rows are in the database; return how many.

        Raises:
            DatabaseError: The database does not respond; everything stays on disk.
            ObjectStoreError: The object store does not respond; everything stays on disk.
        """
        shipped = 0
        async with self._one_at_a_time:
            waiting = await asyncio.to_thread(self._spool.list_waiting)
            if waiting:
                await self._prepare_tables()
            for start in range(0, len(waiting), AT_ONCE):
                try:
                    if ours := await asyncio.to_thread(self._spool.claim, waiting[start : start + AT_ONCE]):
                        shipped += await self._ship_some(ours)
                finally:
                    self._spool.release()
        return shipped

    def _write(self, wanted: Sequence[tuple[str, bytes]]) -> None:
        for prediction_id, photo in wanted:
            try:
                cleaned = clean(photo)
            except PhotoError as error:
                self._let_go("unreadable", prediction_id, str(error))
                continue
            if why := self._spool.add(prediction_id, cleaned.suffix, cleaned.data):
                self._let_go("full", prediction_id, why)
            else:
                self._full = False

    async def _ship_some(self, paths: Sequence[Path]) -> int:
        ids = [path.stem for path in paths]
        rows_wait = self._old_rows_wait()  # checked first: they may be in the table a moment later
        keys = await transact(self._engine, lambda on: predictions.photo_keys(on, ids), patience_seconds=0)
        for path in paths:
            if path.stem not in keys:
                self._give_up_when_old(path, rows_wait=rows_wait)
        if not keys:
            return 0
        if not self._prepared:
            for feature, why in (await asyncio.to_thread(self._store.prepare)).items():
                log.warning("object_store_lacks", feature=feature, reason=why)
            self._prepared = True
        erased = [path for path in paths if keys.get(path.stem) == predictions.ERASED]
        ready = [path for path in paths if path.stem in keys and path not in erased]
        put = await self._put_all({path: photo_key(path.stem, path.suffix) for path in ready})
        placed = {path.stem: key for path, key in put.items()}
        known: set[str] = set()
        if placed:
            known = await transact(self._engine, lambda on: predictions.place_photos(on, placed), patience_seconds=0)
        instruments.PHOTOS_SHIPPED.inc(len(known))
        for path in put:
            if path.stem in known:
                self._spool.remove(path)
        # Erased or pruned on their way; or put by an earlier turn that could not write the keys, and erased since.
        for path in (path for path in (*put, *erased) if path.stem not in known):
            await asyncio.to_thread(self._store.delete, DATA_LAKE, photo_key(path.stem, path.suffix))
            self._spool.remove(path)
        return len(known)

    async def _put_all(self, keys: Mapping[Path, str]) -> dict[Path, str]:
        """Upload each file under its key; return those that could be read."""
        run = asyncio.get_running_loop().run_in_executor
        waiting, put = list(keys), {}
        while waiting:
            now, waiting = waiting[: self._side_by_side], waiting[self._side_by_side :]
            seconds = await asyncio.gather(*(run(self._shippers, self._put, path, keys[path]) for path in now))
            took = {path: each for path, each in zip(now, seconds, strict=True) if each is not None}
            put.update({path: keys[path] for path in took})
            if took:
                # The quickest upload waited for no other, so contention is not mistaken for a distant store.
                wanted = round(min(took.values()) * SHIPPED_PER_SECOND)
                self._side_by_side = min(max(wanted, MIN_SHIPPERS), MAX_SHIPPERS)
        return put

    def _put(self, path: Path, key: str) -> float | None:
        """Upload one photo and return the seconds it took; None for a photo that is gone or cannot be read."""
        begin = time.perf_counter()
        try:
            self._store.put_file(DATA_LAKE, key, path, content_type=PHOTO_TYPES[path.suffix])
        except FileNotFoundError:
            return None
        except OSError as error:  # from this disk: errors of the store are DandelionErrors
            self._spool.leave(path, error)
            return None
        return time.perf_counter() - begin

    def _old_rows_wait(self) -> bool:
        """Whether rows wait that may belong to photos without a row."""
        ages = (age_seconds(path) for path in self._rows.glob("*.jsonl"))
        # A row is written soon after its photo, into a segment at least as old: a young segment has no old row.
        return any(age is None or age > ORPHAN_SECONDS / 2 for age in ages)

    def _give_up_when_old(self, path: Path, *, rows_wait: bool) -> None:
        age = age_seconds(path) or 0.0
        if age > timedelta(hours=self._settings.max_age_hours).total_seconds():
            self._let_go("old", path.stem, f"it waited {age / 3600:.0f} hours")
        elif age > ORPHAN_SECONDS and not rows_wait:
            self._let_go("no_row", path.stem, "its prediction is not stored")
        else:
            return
        self._spool.remove(path)

    def _let_go(self, reason: str, prediction_id: str, why: str) -> None:
        instruments.PHOTOS_LOST.labels(reason).inc()
        if reason != "full" or not self._full:  # a full disk is logged once, not for every photo
            log.warning("photo_not_kept", prediction_id=prediction_id, reason=reason, why=why)
        self._full = self._full or reason == "full"
