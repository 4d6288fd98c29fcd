"""Every prediction on disk before its answer leaves; in the database soon after, exactly once.

Ids make a replay harmless: a segment is removed only after its transaction, and one that is sent twice changes nothing.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion.db import predictions, transact
from dandelion.domain import JournalEntry, Prediction
from dandelion.errors import DatabaseError, JournalFullError, RowRefusedError
from dandelion.journal.shipping import ship_for_ever
from dandelion.journal.spool import Spool
from dandelion.settings import Settings
from dandelion.telemetry import instruments

LAST_CHANCE_SECONDS = 5.0

log = structlog.get_logger(__name__)


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
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(JournalEntry)

    def append(self, given: Sequence[Prediction], *, client: str | None = None) -> None:
        """Keep predictions of one client; they may be answered once this returns.

        Raises:
            JournalFullError: The disk or the bound is full, and the settings refuse to lose any.
        """
        if not given or not self._settings.enabled:
            return
        lines = self._encoder.encode_lines(
            [JournalEntry(prediction=each, track=self._track, client=client) for each in given]
        )
        if why := self._keep(lines):
            if self._settings.when_full == "drop":
                instruments.JOURNAL_LOST.labels("full").inc(len(given))
                return
            raise JournalFullError(
                f"Predictions cannot be kept: {why}.",
                "Bring the database back or make room; DANDELION_JOURNAL__MAX_BYTES bounds the spool.",
                retry_after_seconds=10,
            )
        self._waiting += len(lines)
        instruments.JOURNAL_BYTES.set(self._waiting)

    def _keep(self, lines: bytes) -> str:
        """Why the lines could not be kept, or nothing."""
        if self._overdue:
            return f"the oldest of {self._waiting} bytes has waited over {self._settings.max_age_hours:g} hours"
        if self._waiting + len(lines) > self._settings.max_bytes:
            return f"{self._waiting} bytes wait for the database, of {self._settings.max_bytes}"
        try:
            self._spool.append(lines)
        except OSError as error:
            return str(error)
        return ""

    async def prepare(self) -> None:
        """Bring the tables up to date, once.

        Raises:
            DatabaseError: The database does not answer.
        """
        if self._prepared:
            return
        if self._auto_upgrade:
            from dandelion.db.migrate import upgrade

            await upgrade(self._engine)
        self._prepared = True

    async def ship_for_ever(self) -> None:
        """Ship what waits, every `ship_seconds`; while the database is down, less and less often."""
        if self._settings.enabled:
            await ship_for_ever(
                "predictions", self.ship, pause_seconds=self._settings.ship_seconds, report=self._report
            )

    async def ship(self) -> int:
        """Ship all that waits now; return how many predictions that were.

        Raises:
            DatabaseError: The database does not answer; everything is kept.
        """
        async with self._one_at_a_time:
            self._spool.rotate()
            segments = self._spool.segments()
            if not segments:
                return 0
            await self.prepare()
            return sum([await self._ship_segment(path) for path in segments])

    async def close(self) -> None:
        """Ship what waits if the database answers soon; else it stays for the next start."""
        with suppress(DatabaseError, TimeoutError):
            await asyncio.wait_for(self.ship(), LAST_CHANCE_SECONDS)

    async def _ship_segment(self, path: Path) -> int:
        with self._spool.take(path) as data:
            if data is None:
                return 0
            entries = await asyncio.to_thread(self._decode, data)  # a long backlog would hold up answers
            for start in range(0, len(entries), self._settings.batch_rows):
                await self._store(entries[start : start + self._settings.batch_rows])
            self._spool.remove(path)
        self._waiting = max(0, self._waiting - len(data))
        instruments.JOURNAL_BYTES.set(self._waiting)
        instruments.JOURNAL_SHIPPED.inc(len(entries))
        return len(entries)

    async def _store(self, entries: Sequence[JournalEntry]) -> None:
        """A batch in one transaction; where the database refuses a value, row by row, so that one spoils no other."""
        try:
            await transact(self._engine, lambda on: predictions.add(on, entries), patience_seconds=0)
        except RowRefusedError as error:
            if len(entries) > 1:
                for entry in entries:
                    await self._store([entry])
                return
            self._spool.keep_refused(self._encoder.encode_lines(entries))
            instruments.JOURNAL_LOST.labels("refused").inc()
            log.warning("prediction_refused", prediction_id=entries[0].prediction.prediction_id, reason=str(error))

    def _decode(self, data: bytes) -> list[JournalEntry]:
        entries: list[JournalEntry] = []
        for line in data.splitlines():
            try:
                entries.append(self._decoder.decode(line))
            except msgspec.MsgspecError as error:
                # Cut off by a crash before its answer left, or spoilt on disk.
                self._spool.keep_refused(line + b"\n")
                instruments.JOURNAL_LOST.labels("torn").inc()
                log.warning("journal_line_unreadable", reason=str(error), bytes=len(line))
        return entries

    def _report(self, shipping: bool) -> None:
        segments = self._spool.segments()
        oldest = uuid.UUID(segments[0].stem).int >> 80 if segments else 0
        age = max(0.0, time.time() - oldest / 1000) if oldest else 0.0
        instruments.JOURNAL_AGE.set(age)
        # While shipping works, what is old is on its way, as after a long night of a laptop.
        self._overdue = not shipping and age > self._settings.max_age_hours * 3600
