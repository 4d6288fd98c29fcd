"""Every prediction is on disk before its response leaves, and in the database soon after, exactly once.

Ids make a replay harmless: a segment is removed only after its transaction, and sending it twice changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion.db import predictions, transact
from dandelion.domain import JournalEntry, Prediction
from dandelion.errors import JournalFullError, RowRefusedError
from dandelion.journal.files import age_seconds
from dandelion.journal.shipping import ship_at_last, ship_periodically
from dandelion.journal.spool import Spool
from dandelion.settings import Settings
from dandelion.telemetry import instruments

POLL_SECONDS = 0.1

log = structlog.get_logger(__name__)


class _Unfit(NamedTuple):
    """A line that can never be shipped: `torn` by a crash or a damaged disk, or `refused` by the database."""

    line: bytes
    reason: Literal["torn", "refused"]
    why: str
    prediction_id: str | None = None


async def ship_left(settings: Settings, engine: AsyncEngine, *, patience_seconds: float) -> int:
    """Ship the segments of dead processes, and wait until running processes have shipped theirs.

    Returns:
        How many of those segments still wait afterwards.

    Raises:
        DatabaseError: The database does not respond.
    """
    spool = Spool(settings.spool)
    left = set(spool.segments())
    await Journal(settings, engine).ship()
    for _ in range(round(patience_seconds / POLL_SECONDS)):
        left.intersection_update(spool.segments())
        if not left:
            break
        await asyncio.sleep(POLL_SECONDS)
    return len(left)


class Journal:
    """One server process's predictions on their way to the database."""

    def __init__(self, settings: Settings, engine: AsyncEngine) -> None:
        self._settings = settings.journal
        self._track = settings.api.track
        self._auto_upgrade = settings.database.auto_upgrade
        self._engine = engine
        self._spool = Spool(settings.spool)
        self._waiting = self._spool.size()
        self._one_at_a_time = asyncio.Lock()
        self._prepared = False
        self._overdue = False
        self._stuck: set[Path] = set()
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(JournalEntry)

    def append(self, given: Sequence[Prediction], *, client: str | None = None) -> bool:
        """Store predictions of one client on disk and return whether they are stored. Respond only after this returns.

        Raises:
            JournalFullError: The disk or the spool is full, and the settings forbid dropping predictions.
        """
        if not given or not self._settings.enabled:
            return False
        lines = self._encoder.encode_lines(
            [JournalEntry(prediction=each, track=self._track, client=client) for each in given]
        )
        if why := self._persist(lines):
            if self._settings.when_full == "drop":
                instruments.JOURNAL_LOST.labels("full").inc(len(given))
                return False
            raise JournalFullError(
                f"Predictions cannot be stored: {why}.",
                "Restore the database or free disk space. DANDELION_JOURNAL__MAX_BYTES limits the spool.",
                retry_after_seconds=10,
            )
        self._waiting += len(lines)
        instruments.JOURNAL_BYTES.set(self._waiting)
        return True

    def _persist(self, lines: bytes) -> str:
        """Append the lines to the spool; return why that failed, or an empty string."""
        if self._overdue:
            return f"the oldest of {self._waiting} waiting bytes is over {self._settings.max_age_hours:g} hours old"
        if self._waiting + len(lines) > self._settings.max_bytes:
            return f"{self._waiting} bytes wait for the database, and the limit is {self._settings.max_bytes}"
        try:
            self._spool.append(lines)
        except OSError as error:
            return str(error)
        return ""

    async def prepare(self) -> None:
        """Bring the tables up to date, once.

        Raises:
            DatabaseError: The database does not respond.
        """
        if self._prepared:
            return
        if self._auto_upgrade:
            from dandelion.db.migrate import upgrade

            await upgrade(self._engine)
        self._prepared = True

    async def run(self) -> None:
        """Ship what waits every `ship_seconds` until cancelled; while the database is down, less and less often."""
        if self._settings.enabled:
            await ship_periodically("predictions", self._ship_and_measure, pause_seconds=self._settings.ship_seconds)

    async def ship(self) -> int:
        """Ship everything that waits now; return the number of predictions.

        Raises:
            DatabaseError: The database does not respond; everything stays on disk.
        """
        async with self._one_at_a_time:
            try:
                self._spool.rotate()
            except OSError as error:  # what reached the disk is shipped all the same
                log.warning("journal_segment_not_kept", reason=str(error))
            await self._recount()
            segments = self._spool.segments()
            if not segments:
                return 0
            await self.prepare()
            return await self._ship_segments(segments)

    async def close(self) -> None:
        """Ship what waits if the database responds soon; otherwise it stays for the next start."""
        await ship_at_last("predictions", self.ship)

    async def _ship_and_measure(self) -> None:
        shipping = False
        try:
            await self.ship()
            shipping = True
        finally:
            self._measure_age(shipping=shipping)

    async def _recount(self) -> None:
        """Measure on disk how much waits: other processes write to the same folder, and ship from it."""
        before = self._waiting
        waiting = await asyncio.to_thread(self._spool.size)
        self._waiting += waiting - before  # what was appended meanwhile may count twice, until the next time
        instruments.JOURNAL_BYTES.set(self._waiting)

    async def _ship_segments(self, segments: Sequence[Path]) -> int:
        """Ship each segment; one with a disk error stays and does not block the others."""
        shipped, stuck = 0, set()
        for path in segments:
            try:
                shipped += await self._ship_segment(path)
            except OSError as error:
                stuck.add(path)
                if path not in self._stuck:
                    log.warning("journal_segment_stuck", segment=path.name, reason=str(error))
        self._stuck = stuck
        return shipped

    async def _ship_segment(self, path: Path) -> int:
        with self._spool.take(path) as data:
            if data is None:
                return 0
            entries, torn = await asyncio.to_thread(self._decode, data)  # a long backlog would delay responses
            refused: list[_Unfit] = []
            for start in range(0, len(entries), self._settings.batch_rows):
                refused += await self._store(entries[start : start + self._settings.batch_rows])
            # Last, and without an await: after any earlier failure the whole segment is shipped again.
            if unfit := torn + refused:
                self._spool.set_aside(b"".join(each.line for each in unfit))
            self._spool.remove(path)
        for each in unfit:
            instruments.JOURNAL_LOST.labels(each.reason).inc()
            log.warning("prediction_set_aside", prediction_id=each.prediction_id, reason=each.reason, why=each.why)
        self._waiting = max(0, self._waiting - len(data))
        instruments.JOURNAL_BYTES.set(self._waiting)
        instruments.JOURNAL_SHIPPED.inc(len(entries) - len(refused))
        return len(entries) - len(refused)

    async def _store(self, entries: Sequence[JournalEntry]) -> list[_Unfit]:
        """Store a batch in one transaction; if the database refuses a value, row by row to isolate the bad one."""
        try:
            await transact(self._engine, lambda on: predictions.add(on, entries), patience_seconds=0)
        except RowRefusedError as error:
            if len(entries) == 1:
                line, found = self._encoder.encode_lines(entries), entries[0].prediction.prediction_id
                return [_Unfit(line, "refused", str(error), found)]
            return [unfit for entry in entries for unfit in await self._store([entry])]
        return []

    def _decode(self, data: bytes) -> tuple[list[JournalEntry], list[_Unfit]]:
        entries: list[JournalEntry] = []
        torn: list[_Unfit] = []
        for line in data.splitlines():
            try:
                entries.append(self._decoder.decode(line))
            except (msgspec.MsgspecError, RecursionError) as error:
                # Cut off by a crash before its response left, or damaged on disk.
                torn.append(_Unfit(line + b"\n", "torn", str(error)))
        return entries, torn

    def _measure_age(self, *, shipping: bool) -> None:
        ages = (age_seconds(path) for path in self._spool.segments())
        age = next((age for age in ages if age is not None), 0.0)
        instruments.JOURNAL_AGE.set(age)
        # While shipping works, old rows are on their way, for example after a laptop was asleep.
        self._overdue = not shipping and age > self._settings.max_age_hours * 3600
