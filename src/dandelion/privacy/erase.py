"""Erasing the photo and the client of one prediction, or of all predictions of a client."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dandelion.concurrency.patience import JOB_PATIENCE_SECONDS
from dandelion.db import audit, predictions, transact
from dandelion.errors import ObjectStoreError, PredictionNotFoundError
from dandelion.journal.photo_spool import remove_erased
from dandelion.objects import PHOTO_TYPES, ObjectStore
from dandelion.privacy import erasures

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows no longer lead to a client or a photo, and how many photos that were stored here are erased."""

    predictions: int
    photos: int


async def erase_prediction(
    engine: AsyncEngine,
    store: ObjectStore,
    spool: Path,
    second: ObjectStore | None,
    *,
    id: str,  # noqa: A002
    actor: str,
) -> Erased:
    """Erase the photo and the client of one prediction, even if its row was pruned. May be repeated.

    Args:
        engine: The database.
        store: The object store.
        spool: Folder of photos that wait on this machine.
        second: The store to which backups copy objects, if this machine knows it.
        id: The prediction.
        actor: Who requested it, for the audit log.

    Raises:
        PredictionNotFoundError: There is neither a row nor a photo.
        DatabaseError: The database did not respond; rerun it.
        ObjectStoreError: The object store did not respond; rerun it. Or only the copies at the second place remain,
            because it did not respond; rerun it, or wait for the next backup.
    """
    rows = await transact(engine, lambda on: predictions.photo_keys(on, [id]), patience_seconds=JOB_PATIENCE_SECONDS)
    if not rows and not await asyncio.to_thread(_has_photo, store, spool, second, id):
        raise PredictionNotFoundError(
            f"There is no prediction {id}: neither a row nor a photo.",
            "Check the id. Copies on a second server are found only if DANDELION_MIRROR__URL names it.",
        )
    ids = list(rows)
    # A row without a key may come from a dump that is older than its photo, so every possible key is deleted.
    photos = await _erase_photos(engine, store, spool, {id: predictions.ERASED})
    await transact(engine, lambda on: _forget(on, ids, id, photos, actor), patience_seconds=JOB_PATIENCE_SECONDS)
    await asyncio.to_thread(_erase_copies, store, second)
    return Erased(len(ids), photos)


async def erase_client(
    engine: AsyncEngine, store: ObjectStore, spool: Path, second: ObjectStore | None, *, client: str, actor: str
) -> Erased:
    """Erase the photos and the client of all predictions of a client, given by its hash, in batches."""
    total, photos = 0, 0
    subject = f"client {client}"
    while True:
        rows = await transact(
            engine,
            lambda on: predictions.photo_keys_of(on, client, limit=AT_ONCE),
            patience_seconds=JOB_PATIENCE_SECONDS,
        )
        gone = await _erase_photos(engine, store, spool, rows)
        ids = list(rows)
        await transact(engine, lambda on: _forget(on, ids, subject, gone, actor), patience_seconds=JOB_PATIENCE_SECONDS)  # noqa: B023 -- runs here
        total, photos = total + len(ids), photos + gone
        if len(ids) < AT_ONCE:
            break
    # Photos that arrived before their row was marked, or whose keys are missing in an older database.
    photos += await asyncio.to_thread(lambda: erasures.purge(store, erasures.erased_ids(store)))
    await asyncio.to_thread(_erase_copies, store, second)
    return Erased(total, photos)


async def _erase_photos(engine: AsyncEngine, store: ObjectStore, spool: Path, rows: dict[str, str | None]) -> int:
    """Mark the rows first, so that no photo arrives later. The client is removed last, since it finds the rows."""
    ids = list(rows)
    await transact(engine, lambda on: predictions.mark_erased(on, ids), patience_seconds=JOB_PATIENCE_SECONDS)
    return await asyncio.to_thread(_delete, store, spool, rows)


def _delete(store: ObjectStore, spool: Path, rows: dict[str, str | None]) -> int:
    """Record the erasure first, so that a backup or a retraining that has already read a photo sees it."""
    store.prepare()
    if rows:
        erasures.note_erasure(store, list(rows))
    gone = 0
    for prediction_id, key in rows.items():
        remove_erased(spool, prediction_id)
        places = [
            place
            for place in erasures.photo_places(prediction_id)
            if key == predictions.ERASED or (key is not None and Path(place[1]).suffix == Path(key).suffix)
        ]
        gone += any([store.delete(*place) for place in places])  # noqa: C419 -- every place, not up to the first
    return gone


def _erase_copies(store: ObjectStore, second: ObjectStore | None) -> None:
    erasures.delete_report(store)
    if second is None:
        return
    try:
        erasures.carry_erasures(store, second)
    except ObjectStoreError as error:
        raise ObjectStoreError(
            f"The photos are erased here, but copies remain at the second place. {error.message}",
            "Repair the second place (DANDELION_MIRROR__URL or DANDELION_BACKUP__FOLDER) and rerun this, or wait: the "
            "next backup that reaches it erases them.",
        ) from error


def _has_photo(store: ObjectStore, spool: Path, second: ObjectStore | None, prediction_id: str) -> bool:
    """Whether a photo is stored anywhere; True if the second place does not respond, since it may hold one."""
    store.prepare()
    try:
        here = erasures.find_photos(store, {prediction_id})
    except ValueError:  # not the id of a prediction
        return False
    if here or any((spool / f"{prediction_id}{suffix}").exists() for suffix in PHOTO_TYPES):
        return True
    if second is None:
        return False
    try:
        second.prepare()
        return bool(erasures.find_photos(second, {prediction_id}))
    except ObjectStoreError:
        return True


async def _forget(connection: AsyncConnection, ids: Sequence[str], subject: str, photos: int, actor: str) -> None:
    await predictions.forget_clients(connection, ids)
    detail = {"predictions": len(ids), "photos": photos}
    await audit.record(connection, actor=actor, action="erase", subject=subject, detail=detail)
