"""Restoring a backup: rows into an empty database, objects from the second place, the registry."""

from __future__ import annotations

import asyncio
import gzip
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.backup.backup import DATABASE, PREFIX, REGISTRY, SETTINGS, with_database
from dandelion.backup.copies import OURS, Say, second_place
from dandelion.backup.dump import restore
from dandelion.backup.mirror import Mirrored, mirror
from dandelion.backup.registry import restore_artifacts, restore_registry
from dandelion.concurrency.patience import JOB_PATIENCE_SECONDS
from dandelion.db import audit, predictions, transact
from dandelion.db.session import open_database
from dandelion.errors import BackupError, ObjectNotFoundError
from dandelion.objects import BACKUPS, BUCKETS, create_store
from dandelion.privacy.erasures import erased_ids
from dandelion.registry import FILE
from dandelion.settings import Settings

ROWS_AT_ONCE = 500


def restore_backup(settings: Settings, name: str, database: str, *, actor: str) -> dict[str, int]:
    """Fill the empty database at `database` with a backup's rows; return table to number of rows.

    The store's list of erasures is applied: rows whose photos were erased since lead to no client and no photo.

    Raises:
        BackupError: There is no such backup.
        DatabaseError: The database is not empty or does not respond.
    """
    with tempfile.TemporaryDirectory(prefix="restore-") as folder:
        file, store = Path(folder) / DATABASE, create_store(settings)
        try:
            store.get_file(BACKUPS, f"{PREFIX}/{name}/{DATABASE}", file)
        except ObjectNotFoundError as error:
            raise BackupError(
                f"There is no backup {name!r}.", "List the backups with `dandelion backup list`."
            ) from error
        there, erased = with_database(settings, database), sorted(erased_ids(store))
        return asyncio.run(_restore(there, file, erased, subject=name, actor=actor))


def restore_objects(settings: Settings, say: Say) -> Mirrored:
    """Copy back the objects that this store lacks from the second place, without erased photos; others do not change.

    The artifacts of an embedded registry return to its folder. `failed` lists damaged objects, without an error: the
    dump may be intact all the same.

    Raises:
        BackupError: There is no second place.
    """
    second = second_place(settings)
    if second is None:
        raise BackupError(
            "The settings name no second place to restore objects from.",
            "Set DANDELION_MIRROR__URL or DANDELION_BACKUP__FOLDER.",
        )
    store = create_store(settings)
    # With a folder as the store, MLflow does not read its bucket.
    buckets = BUCKETS if settings.objects.url else OURS
    done = mirror(second, store, buckets, replacing=False, progress=lambda n: say(f"{n} objects checked"))
    copied, failed = restore_artifacts(settings, second)
    return replace(done, copied=done.copied + copied, failed={**done.failed, **failed})


def restore_versions(settings: Settings, name: str) -> str:
    """Restore the embedded registry of a backup if there is none; return a sentence about it, or an empty string.

    Raises:
        BackupError: The registry in the backup cannot be read.
    """
    if settings.registry.uri is not None:
        return ""
    file, store = settings.home / FILE, create_store(settings)
    if file.exists():
        return (
            f"The registry {file} exists and was not replaced. To restore the one of the backup, stop Dandelion, "
            "move the file away, and rerun the restore."
        )
    with tempfile.TemporaryDirectory(prefix="restore-") as folder:
        packed = Path(folder) / REGISTRY
        try:
            store.get_file(BACKUPS, f"{PREFIX}/{name}/{REGISTRY}", packed)
        except ObjectNotFoundError:
            return ""
        saved = json.loads(store.get(BACKUPS, f"{PREFIX}/{name}/{SETTINGS}"))
        restore_registry(settings, packed, Path(saved["DANDELION_HOME"]))
    return f"Restored the registry: {file}."


async def _restore(
    settings: Settings, file: Path, erased: Sequence[str], *, subject: str, actor: str
) -> dict[str, int]:
    async def forget(connection: AsyncConnection, ids: Sequence[str]) -> None:
        await predictions.mark_erased(connection, ids)
        await predictions.forget_clients(connection, ids)

    async with open_database(settings, tables=False) as engine:
        with gzip.open(file, "rb") as lines:
            rows = await restore(engine, lines)
        for start in range(0, len(erased), ROWS_AT_ONCE):
            ids = erased[start : start + ROWS_AT_ONCE]
            await transact(engine, lambda on: forget(on, ids), patience_seconds=JOB_PATIENCE_SECONDS)  # noqa: B023 -- runs here
        detail = {"rows": sum(rows.values()), "erased": len(erased)}
        await transact(
            engine,
            lambda on: audit.record(on, actor=actor, action="restore", subject=subject, detail=detail),
            patience_seconds=JOB_PATIENCE_SECONDS,
        )
    return rows
