"""Backups: a dump of the database, a copy of the objects, the settings without secrets. A restore proves each dump.

    backups/dandelion/<time>/database.jsonl.gz    every table, restored once into a scratch database and compared
    backups/dandelion/<time>/settings.json        the settings, with secrets as stars
    backups/dandelion/<time>/mlflow.db.gz         the embedded registry, if there is one
    backups/dandelion/<time>/manifest.json        the list of files; written last, so it proves that they are complete

Photos, dataset versions, model packages and the backups themselves are copied to a second place: another S3 server
(DANDELION_MIRROR__URL), or a folder (DANDELION_BACKUP__FOLDER) for an embedded store. Photos that
`dandelion privacy erase` erased are erased there, too, and no restore brings them back (`dandelion.privacy.erasures`).
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from dandelion.backup.copies import Say, copy_objects
from dandelion.backup.dump import dump, restore
from dandelion.backup.registry import dump_registry
from dandelion.concurrency.patience import JOB_PATIENCE_SECONDS
from dandelion.db import audit, transact
from dandelion.db.session import open_database
from dandelion.errors import BackupError, DatabaseError
from dandelion.objects import BACKUPS, ObjectStore, create_store
from dandelion.objects.store import Stored
from dandelion.settings import DatabaseSettings, Settings, as_text

PREFIX, DUMPS = "dandelion", "mysql"
DATABASE, SETTINGS, REGISTRY, MANIFEST = "database.jsonl.gz", "settings.json", "mlflow.db.gz", "manifest.json"


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup.

    Attributes:
        name: Its time, UTC; names sort by age.
        rows: Rows of all tables.
        size_bytes: Size of its files.
        copied: Objects that this backup copied to the second place.
        objects: Objects at the second place; None without one.
        seconds: Duration.
    """

    name: str
    rows: int
    size_bytes: int
    copied: int
    objects: int | None
    seconds: float

    @property
    def message(self) -> str:
        """A sentence for people."""
        if self.objects is None:
            where = "objects are not copied, since the settings name no second place"
        else:
            where = f"{self.objects} objects at the second place, {self.copied} of them copied now"
        return (
            f"{self.name}: {self.rows} rows restored and compared, {self.size_bytes:,} bytes; {where}; "
            f"{self.seconds:.0f} s."
        )


def create_backup(settings: Settings, say: Say = lambda _: None) -> Backup:
    """Dump, restore for proof, compare, copy, and record the backup.

    Raises:
        BackupError: The restored rows differ from the dumped ones, or a copy is missing or failed.
        DandelionError: The database or a store did not respond.
    """
    started, store = time.monotonic(), create_store(settings)
    store.prepare()
    # To the microsecond, so that two backups that start together get different names.
    name = f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S.%fZ}"
    try:
        with tempfile.TemporaryDirectory(prefix="backup-") as folder:
            rows = asyncio.run(_dump_and_prove(settings, Path(folder) / DATABASE, say))
            (Path(folder) / SETTINGS).write_text(json.dumps(as_text(settings), indent=2), encoding="utf-8")
            dump_registry(settings, Path(folder) / REGISTRY)
            size = _put(store, name, Path(folder), rows)
        copied, objects = copy_objects(settings, store, say)
    except BaseException as error:
        with contextlib.suppress(DatabaseError):  # the database may be what failed
            _record(settings, name, {"outcome": "failed", "reason": str(error)})
        raise
    done = Backup(name, sum(rows.values()), size, copied, objects, time.monotonic() - started)
    _record(settings, name, {"outcome": "succeeded", **asdict(done)})
    return done


def list_backups(store: ObjectStore) -> list[dict[str, Any]]:
    """The manifests of all complete backups, newest first."""
    keys = [found.key for found in store.list_objects(BACKUPS, f"{PREFIX}/") if found.key.endswith(f"/{MANIFEST}")]
    return [json.loads(store.get(BACKUPS, key)) for key in sorted(keys, reverse=True)]


def list_dumps(store: ObjectStore) -> list[Stored]:
    """MySQL's own dumps, which the CronJob of the chart makes, newest first."""
    found = (each for each in store.list_objects(BACKUPS, f"{DUMPS}/") if each.key.endswith(".sql.gz"))
    return sorted(found, key=lambda each: each.key, reverse=True)


def with_database(settings: Settings, database: str) -> Settings:
    """The same settings with another database."""
    plain = DatabaseSettings.model_validate({**settings.database.model_dump(), "url": database, "password": None})
    return settings.model_copy(update={"database": plain})


async def _dump_and_prove(settings: Settings, file: Path, say: Say) -> dict[str, int]:
    async with open_database(settings, tables=False) as engine:
        with gzip.open(file, "wb") as stream:
            written = await dump(engine, cast("Any", stream))
    say(f"dumped {sum(each.rows for each in written.values())} rows")
    with tempfile.TemporaryDirectory(prefix="scratch-") as folder:
        scratch = with_database(settings, f"sqlite:///{folder}/scratch.db")
        async with open_database(scratch, tables=False) as engine:
            with gzip.open(file, "rb") as lines:
                await restore(engine, lines)
            with tempfile.TemporaryFile() as again:
                restored = await dump(engine, again)
    for table, expected in written.items():
        if restored[table] != expected:
            raise BackupError(
                f"The table {table} was dumped with {expected.rows} rows ({expected.sha256[:12]}) and restored with "
                f"{restored[table].rows} ({restored[table].sha256[:12]}).",
                "Do not rely on this backup. Check the database's log.",
            )
    say("restored it into a scratch database: all tables are the same")
    return {table: each.rows for table, each in written.items()}


def _put(store: ObjectStore, name: str, folder: Path, rows: dict[str, int]) -> int:
    files: dict[str, dict[str, Any]] = {}
    for file in sorted(folder.iterdir()):
        stored = store.put_file(BACKUPS, f"{PREFIX}/{name}/{file.name}", file)
        files[file.name] = {"size_bytes": stored.size_bytes, "sha256": stored.sha256}
    manifest = {"name": name, "rows": rows, "files": files}
    store.put(BACKUPS, f"{PREFIX}/{name}/{MANIFEST}", json.dumps(manifest).encode(), content_type="application/json")
    return sum(each["size_bytes"] for each in files.values())


def _record(settings: Settings, name: str, detail: dict[str, Any]) -> None:
    async def write() -> None:
        async with open_database(settings, tables=False) as engine:
            await transact(
                engine,
                lambda on: audit.record(on, actor="flow:backup", action="backup", subject=name, detail=detail),
                patience_seconds=JOB_PATIENCE_SECONDS,
            )

    asyncio.run(write())
