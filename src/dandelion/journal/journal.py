"""Every prediction on disk before its answer leaves; in the database soon after, exactly once.

Ids make a replay harmless: a segment is removed only after its transaction, and one that is sent twice changes nothing.
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

LOOK_SECONDS = 0.1

log = structlog.get_logger(__name__)


class _Unfit(NamedTuple):
    """A line that can never be shipped, and why; `torn` by a crash or a spoilt disk, or `refused` by the database."""

    line: bytes
    reason: Literal["torn", "refused"]
    why: str
    prediction_id: str | None = None


async def ship_left(settings: Settings, engine: AsyncEngine, *, patience_seconds: float) -> int:
    """Ship what processes that are gone left here, and wait for those that run to ship what they hold now.

    Returns:
        How many files of it still wait after that.

    Raises:
        DatabaseError: The database does not answer.
    """
    spool = Spool(settings.spool)
    left = set(spool.segments())
    await Journal(settings, engine).ship()
    for _ in range(round(patience_seconds / LOOK_SECONDS)):
        left.intersection_update(spool.segments())
        if not left:
            break
        await asyncio.sleep(LOOK_SECONDS)
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
        """Keep predictions of one client, and return whether they are kept; they may be answered once this returns.

        Raises:
            JournalFullError: The disk or the bound is full, and the settings refuse to lose any.
        """
        if not given or not self._settings.enabled:
            return False
        lines = self._encoder.encode_lines(
            [JournalEntry(prediction=each, track=self._track, client=client) for each in given]
        )
        if why := self._keep(lines):
            if self._settings.when_full == "drop":
                instruments.JOURNAL_LOST.labels("full").inc(len(given))
                return False
            raise JournalFullError(
                f"Predictions cannot be kept: {why}.",
                "Bring the database back or make room; DANDELION_JOURNAL__MAX_BYTES bounds the spool.",
                retry_after_seconds=10,
            )
        self._waiting += len(lines)
        instruments.JOURNAL_BYTES.set(self._waiting)
        return True

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

    async def run(self) -> None:
        """Ship what waits, every `ship_seconds`, until cancelled; while the database is down, less and less often."""
        if self._settings.enabled:
            await ship_periodically("predictions", self._ship_and_tell, pause_seconds=self._settings.ship_seconds)

    async def ship(self) -> int:
        """Ship all that waits now; return how many predictions that were.

        Raises:
            DatabaseError: The database does not answer; everything is kept.
        """
        async with self._one_at_a_time:
            self._rotate()
            await self._recount()
            segments = self._spool.segments()
            if not segments:
                return 0
            await self.prepare()
            return await self._ship_segments(segments)

    async def close(self) -> None:
        """Ship what waits if the database answers soon; else it stays for the next start."""
        await ship_at_last("predictions", self.ship)

    async def _ship_and_tell(self) -> None:
        shipping = False
        try:
            await self.ship()
            shipping = True
        finally:
            self._tell_age(shipping=shipping)

    def _rotate(self) -> None:
        try:
            self._spool.rotate()
        except OSError as error:  # what it could keep is shipped all the same
            log.warning("journal_segment_not_kept", reason=str(error))

    async def _recount(self) -> None:
        """Look up on disk how much waits: others write to the same folder, and ship from it."""
        before = self._waiting
        waiting = await asyncio.to_thread(self._spool.size)
        self._waiting += waiting - before  # what was appended meanwhile may count twice, until the next time
        instruments.JOURNAL_BYTES.set(self._waiting)

    async def _ship_segments(self, segments: Sequence[Path]) -> int:
        """Ship each; one that the disk does not let us read or finish stays, and holds up no other."""
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
            entries, torn = await asyncio.to_thread(self._decode, data)  # a long backlog would hold up answers
            refused: list[_Unfit] = []
            for start in range(0, len(entries), self._settings.batch_rows):
                refused += await self._store(entries[start : start + self._settings.batch_rows])
            # Last of all and without a pause: whatever breaks off before lets the whole segment be shipped once more.
            if unfit := torn + refused:
                self._spool.keep_refused(b"".join(each.line for each in unfit))
            self._spool.remove(path)
        for each in unfit:
            instruments.JOURNAL_LOST.labels(each.reason).inc()
            log.warning("prediction_set_aside", prediction_id=each.prediction_id, reason=each.reason, why=each.why)
        self._waiting = max(0, self._waiting - len(data))
        instruments.JOURNAL_BYTES.set(self._waiting)
        instruments.JOURNAL_SHIPPED.inc(len(entries) - len(refused))
        return len(entries) - len(refused)

    async def _store(self, entries: Sequence[JournalEntry]) -> list[_Unfit]:
        """A batch in one transaction; where the database refuses a value, row by row, so that one spoils no other."""
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
                # Cut off by a crash before its answer left, or spoilt on disk.
                torn.append(_Unfit(line + b"\n", "torn", str(error)))
        return entries, torn

    def _tell_age(self, *, shipping: bool) -> None:
        ages = (age_seconds(path) for path in self._spool.segments())
        age = next((age for age in ages if age is not None), 0.0)
        instruments.JOURNAL_AGE.set(age)
        # While shipping works, what is old is on its way, as after a long night of a laptop.
        self._overdue = not shipping and age > self._settings.max_age_hours * 3600
