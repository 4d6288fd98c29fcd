"""Backups: the database as a dump, objects as a copy, settings without secrets; each proven by a restore.

    backups/dandelion/<time>/database.jsonl.gz    every table, restored once into a scratch database and compared
    backups/dandelion/<time>/settings.json        what was set, secrets as stars
    backups/dandelion/<time>/mlflow.db.gz         the embedded registry, where there is one
    backups/dandelion/<time>/manifest.json        what there is; written last, so that it vouches for the rest

Photos, dataset versions, model packages and the backups themselves are copied to a second place: another S3 server
(DANDELION_MIRROR__URL), or a folder (DANDELION_BACKUP__FOLDER) for an embedded store. What was erased by
`dandelion privacy erase` is erased there as well, and no restore brings it back (`dandelion.objects.erasures`).
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dandelion.db import audit, create_engine, predictions, transact
from dandelion.db.dump import dump, restore
from dandelion.errors import BackupError, DatabaseError, ObjectKeyError, ObjectNotFoundError
from dandelion.objects import BACKUPS, BUCKETS, DATA_LAKE, MLFLOW, PROCESSED, ObjectStore, create_mirror, create_store
from dandelion.objects.erasures import erased_ids, is_photo_of, purge
from dandelion.objects.folder import FolderStore
from dandelion.objects.mirror import Mirrored, mirror
from dandelion.registry import FILE
from dandelion.registry.embedded import copy_artifacts, dump_registry, restore_artifacts, restore_registry
from dandelion.settings import DatabaseSettings, Settings, as_text

PREFIX = "dandelion"
DATABASE, SETTINGS, REGISTRY, MANIFEST = "database.jsonl.gz", "settings.json", "mlflow.db.gz", "manifest.json"
OURS = (DATA_LAKE, PROCESSED, BACKUPS)
SAMPLED = 50
ROWS_AT_ONCE = 500
PATIENCE_SECONDS = 30.0

Say = Callable[[str], None]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup.

    Attributes:
        name: Its time, UTC; sorts by age.
        rows: Rows of all tables.
        size_bytes: Of its files.
        copied: Objects that were copied to the second place now.
        objects: Objects that lie there now; None without a second place.
        seconds: How long it took.
    """

    name: str
    rows: int
    size_bytes: int
    copied: int
    objects: int | None
    seconds: float

    @property
    def message(self) -> str:
        """In a sentence."""
        where = "no second place is set for objects" if self.objects is None else f"{self.objects} objects lie twice"
        return (
            f"{self.name}: {self.rows} rows restored and compared, {self.size_bytes:,} bytes; {where}, "
            f"{self.copied} of them copied now; {self.seconds:.0f} s."
        )


def create_backup(settings: Settings, say: Say = lambda _: None) -> Backup:
    """Dump, copy, restore for proof, compare, and write down that it was done.

    Raises:
        BackupError: What was restored differs from what was dumped, or a copy is missing or could not be made.
        DandelionError: The database or a store did not answer.
    """
    started, store = time.monotonic(), create_store(settings)
    store.prepare()
    # To the microsecond, so that of two that start together neither takes the other's place.
    name = f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S.%fZ}"
    try:
        with tempfile.TemporaryDirectory(prefix="backup-") as folder:
            rows = asyncio.run(_dump_and_prove(settings, Path(folder) / DATABASE, say))
            (Path(folder) / SETTINGS).write_text(json.dumps(as_text(settings), indent=2), encoding="utf-8")
            dump_registry(settings, Path(folder) / REGISTRY)
            size = _put(store, name, Path(folder), rows)
        copied, objects = _copy_objects(settings, store, say)
    except BaseException as error:
        with contextlib.suppress(DatabaseError):  # which may be what failed
            _write_down(settings, name, {"outcome": "failed", "reason": str(error)})
        raise
    done = Backup(name, sum(rows.values()), size, copied, objects, time.monotonic() - started)
    _write_down(settings, name, {"outcome": "succeeded", **asdict(done)})
    return done


def list_backups(store: ObjectStore) -> list[dict[str, Any]]:
    """Every whole backup, newest first: `name` with what its manifest says."""
    keys = [found.key for found in store.list_objects(BACKUPS, f"{PREFIX}/") if found.key.endswith(f"/{MANIFEST}")]
    return [json.loads(store.get(BACKUPS, key)) for key in sorted(keys, reverse=True)]


def restore_backup(settings: Settings, name: str, database: str, *, actor: str) -> dict[str, int]:
    """Fill the empty database at `database` with a backup's rows; return table to number of rows.

    Rows whose photos were erased since lead to no client and no photo, as the store's list of erasures has it.

    Raises:
        BackupError: There is no such backup.
        DatabaseError: The database is not empty or does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="restore-") as folder:
        file, store = Path(folder) / DATABASE, create_store(settings)
        try:
            store.get_file(BACKUPS, f"{PREFIX}/{name}/{DATABASE}", file)
        except ObjectNotFoundError as error:
            raise BackupError(f"There is no backup {name!r}.", "`dandelion backup list` shows them.") from error
        there, erased = _at(settings, database), sorted(erased_ids(store))
        return asyncio.run(_restore(there, file, erased, subject=name, actor=actor))


def restore_objects(settings: Settings, say: Say) -> Mirrored:
    """Copy back what this store lacks from the second place, without erased photos; what is here stays as it is.

    The artifacts of an embedded registry go where it looks for them. What is damaged there is told of in `failed`
    rather than raised: the dump may be sound all the same.

    Raises:
        BackupError: There is no second place.
    """
    second = second_place(settings)
    if second is None:
        raise BackupError("There is no second place.", "Set DANDELION_MIRROR__URL or DANDELION_BACKUP__FOLDER.")
    store = create_store(settings)
    # In a folder, no MLflow looks into the bucket that is its own.
    buckets = BUCKETS if settings.objects.url else OURS
    done = mirror(second, store, buckets, replacing=False, progress=lambda n: say(f"{n} objects looked at"))
    copied, failed = restore_artifacts(settings, second)
    return replace(done, copied=done.copied + copied, failed={**done.failed, **failed})


def restore_versions(settings: Settings, name: str) -> str:
    """Bring the embedded registry of a backup back where it is gone; return what was done, in a sentence if anything.

    Raises:
        BackupError: What the backup has is no registry.
    """
    if settings.registry.uri is not None:
        return ""
    file, store = settings.home / FILE, create_store(settings)
    if file.exists():
        return (
            f"The registry {file} is there and stays as it is. For that of the backup, stop Dandelion, "
            "move the file away, and restore again."
        )
    with tempfile.TemporaryDirectory(prefix="restore-") as folder:
        packed = Path(folder) / REGISTRY
        try:
            store.get_file(BACKUPS, f"{PREFIX}/{name}/{REGISTRY}", packed)
        except ObjectNotFoundError:
            return ""
        told = json.loads(store.get(BACKUPS, f"{PREFIX}/{name}/{SETTINGS}"))
        restore_registry(settings, packed, Path(told["DANDELION_HOME"]))
    return f"The registry is back: {file}."


def second_place(settings: Settings) -> ObjectStore | None:
    """Where copies of objects go, if the settings name a place."""
    if settings.mirror.url is not None:
        return create_mirror(settings)
    if settings.objects.url is None or settings.backup.folder is not None:
        return FolderStore(settings.backup.folder or settings.home / "backups")
    return None


async def _dump_and_prove(settings: Settings, file: Path, say: Say) -> dict[str, int]:
    engine = create_engine(settings)
    try:
        with gzip.open(file, "wb") as stream:
            written = await dump(engine, cast("Any", stream))
    finally:
        await engine.dispose()
    say(f"dumped {sum(each.rows for each in written.values())} rows")
    with tempfile.TemporaryDirectory(prefix="scratch-") as folder:
        scratch = create_engine(_at(settings, f"sqlite:///{folder}/scratch.db"))
        try:
            with gzip.open(file, "rb") as lines:
                await restore(scratch, lines)
            with tempfile.TemporaryFile() as again:
                restored = await dump(scratch, again)
        finally:
            await scratch.dispose()
    for table, expected in written.items():
        if restored[table] != expected:
            raise BackupError(
                f"The table {table} was dumped with {expected.rows} rows ({expected.sha256[:12]}) and restored with "
                f"{restored[table].rows} ({restored[table].sha256[:12]}).",
                "Do not rely on this backup; look at the database's log.",
            )
    say("restored it into a scratch database: all tables are the same")
    return {table: each.rows for table, each in written.items()}


async def _restore(
    settings: Settings, file: Path, erased: Sequence[str], *, subject: str, actor: str
) -> dict[str, int]:
    engine = create_engine(settings)

    async def forget(connection: AsyncConnection, ids: Sequence[str]) -> None:
        await predictions.mark_erased(connection, ids)
        await predictions.forget_clients(connection, ids)

    try:
        with gzip.open(file, "rb") as lines:
            rows = await restore(engine, lines)
        for start in range(0, len(erased), ROWS_AT_ONCE):
            ids = erased[start : start + ROWS_AT_ONCE]
            await transact(engine, lambda on: forget(on, ids), patience_seconds=PATIENCE_SECONDS)  # noqa: B023 -- runs here
        told = {"rows": sum(rows.values()), "erased": len(erased)}
        await transact(
            engine,
            lambda on: audit.record(on, actor=actor, action="restore", subject=subject, detail=told),
            patience_seconds=PATIENCE_SECONDS,
        )
        return rows
    finally:
        await engine.dispose()


def _at(settings: Settings, database: str) -> Settings:
    """The same settings with another database."""
    plain = DatabaseSettings.model_validate({**settings.database.model_dump(), "url": database, "password": None})
    return settings.model_copy(update={"database": plain})


def _put(store: ObjectStore, name: str, folder: Path, rows: dict[str, int]) -> int:
    files: dict[str, dict[str, Any]] = {}
    for file in sorted(folder.iterdir()):
        stored = store.put_file(BACKUPS, f"{PREFIX}/{name}/{file.name}", file)
        files[file.name] = {"size_bytes": stored.size_bytes, "sha256": stored.sha256}
    manifest = {"name": name, "rows": rows, "files": files}
    store.put(BACKUPS, f"{PREFIX}/{name}/{MANIFEST}", json.dumps(manifest).encode(), content_type="application/json")
    return sum(each["size_bytes"] for each in files.values())


def _copy_objects(settings: Settings, store: ObjectStore, say: Say) -> tuple[int, int | None]:
    """Objects copied now, and objects that lie in the second place; a sample of them is read back."""
    purge(store, erased_ids(store))  # an erasure that broke off is finished rather than copied
    second = second_place(settings)
    if second is None:
        return 0, None
    # What comes while copies are made is for the next backup.
    before = {bucket: {found.key: found.size_bytes for found in store.list_objects(bucket)} for bucket in OURS}
    done = mirror(store, second, OURS, progress=lambda n: say(f"{n} objects copied"))
    copied = done.copied + copy_artifacts(settings, second)
    total, left = sum(1 for _ in second.list_objects(MLFLOW)), {*done.refused, *done.failed}
    for bucket, here in before.items():
        there = {found.key: found.size_bytes for found in second.list_objects(bucket)}
        lacking = [(key, size) for key, size in here.items() if there.get(key) != size and (bucket, key) not in left]
        erased = erased_ids(store)  # of a moment ago, too, and perhaps still on their way out
        wrong = sorted(
            key for key, size in lacking if not is_photo_of(erased, bucket, key) and _is_still(store, bucket, key, size)
        )
        if wrong:
            raise BackupError(f"{bucket}/{wrong[0]} and {len(wrong) - 1} others were not copied.", "Run it again.")
        for key in random.sample(sorted(here), min(SAMPLED, len(here))):
            if key in there:
                _read_back(second, bucket, key)
        total += len(there)
    if isinstance(second, FolderStore) and settings.objects.backups_days:  # a server has rules of its own for that
        second.expire(BACKUPS, datetime.now(UTC) - timedelta(days=settings.objects.backups_days))
    done.check()  # last, so that one damaged object holds up nothing else
    return copied, total


def _read_back(second: ObjectStore, bucket: str, key: str) -> None:
    """Check a copy's digest, a piece at a time; an erasure may have been quicker, and no store takes every name."""
    try:
        for _ in second.read(bucket, key):
            pass
    except ObjectKeyError as error:
        log.warning("copy_not_checked", bucket=bucket, reason=str(error))
    except ObjectNotFoundError:
        if not is_photo_of(erased_ids(second), bucket, key):
            raise


def _is_still(store: ObjectStore, bucket: str, key: str, size: int) -> bool:
    """Whether it was neither deleted nor replaced meanwhile."""
    try:
        return store.stat(bucket, key).size_bytes == size
    except ObjectNotFoundError:
        return False


def _write_down(settings: Settings, name: str, detail: dict[str, Any]) -> None:
    async def write() -> None:
        engine: AsyncEngine = create_engine(settings)
        try:
            await transact(
                engine,
                lambda on: audit.record(on, actor="flow:backup", action="backup", subject=name, detail=detail),
                patience_seconds=PATIENCE_SECONDS,
            )
        finally:
            await engine.dispose()

    asyncio.run(write())
