"""What is kept of the people who send photos, and how it is forgotten."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dandelion.db import audit, predictions, transact
from dandelion.errors import ObjectStoreError, PredictionNotFoundError, SettingsError
from dandelion.journal.photo_spool import remove_erased
from dandelion.objects import PHOTO_TYPES, ObjectStore
from dandelion.objects.erasures import (
    carry_erasures,
    erase_page,
    erased_ids,
    find_photos,
    note_erasure,
    photo_places,
    purge,
)
from dandelion.settings import Settings

KEY_FILE = "client.key"
HASH_CHARACTERS = 32
PATIENCE_SECONDS = 30.0
AT_ONCE = 200


class ClientHasher:
    """Turns a client's name or address into a keyed hash: equal clients stay equal, and nobody can try addresses.

    Args:
        settings: The key, or the folder where one is made and kept.
        create: Make a key where there is none; without it, a missing key is an error.

    Raises:
        SettingsError: There is no key, and none is to be made.
    """

    def __init__(self, settings: Settings, *, create: bool = True) -> None:
        given = settings.privacy.client_key
        file = settings.home / KEY_FILE
        if given is None and not create and not file.exists():
            raise SettingsError(
                f"There is no {file}, so this machine cannot tell which client is meant.",
                "Run it where the API runs, or set DANDELION_PRIVACY__CLIENT_KEY to the API's.",
            )
        self._key = given.get_secret_value().encode() if given else _key_in(file)

    def hash(self, client: str) -> str:
        """Hex digits, HMAC-SHA-256 cut to 128 bits."""
        return hmac.new(self._key, client.encode(), hashlib.sha256).hexdigest()[:HASH_CHARACTERS]


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure touched.

    Attributes:
        predictions: Rows that no longer lead to a client or a photo.
        photos: Photos that were stored here and are gone.
    """

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
    """Forget the photo and the client of one prediction, also of one whose row was pruned; may be run again.

    Args:
        engine: The database.
        store: The object store.
        spool: Folder of photos that wait on this machine.
        second: Where backups copy objects to, if this machine knows.
        id: The prediction.
        actor: Who asked, for the audit log.

    Raises:
        PredictionNotFoundError: There is neither a row nor a photo.
        DatabaseError: The database did not answer; run it again.
        ObjectStoreError: The object store did not; run it again. Or all is done but for copies at the second place,
            which did not answer; run it again, or wait for the next backup.
    """
    rows = await transact(engine, lambda on: predictions.photo_keys(on, [id]), patience_seconds=PATIENCE_SECONDS)
    if not rows and not await asyncio.to_thread(_is_kept, store, spool, second, id):
        raise PredictionNotFoundError(
            f"Nothing is known of a prediction {id}: there is neither a row nor a photo.",
            "Check the id. A second server is looked at only where DANDELION_MIRROR__URL names it.",
        )
    ids = list(rows)
    # A row without a key may be of a dump that is older than its photo, so every key is tried.
    photos = await _erase_photos(engine, store, spool, {id: predictions.ERASED})
    await transact(engine, lambda on: _forget(on, ids, id, photos, actor), patience_seconds=PATIENCE_SECONDS)
    await asyncio.to_thread(_erase_copies, store, second)
    return Erased(len(ids), photos)


async def erase_client(
    engine: AsyncEngine, store: ObjectStore, spool: Path, second: ObjectStore | None, *, client: str, actor: str
) -> Erased:
    """The same for all predictions of a client, named by its hash, some hundred at a time."""
    total, photos = 0, 0
    subject = f"client {client}"
    while True:
        rows = await transact(
            engine,
            lambda on: predictions.photo_keys_of(on, client, limit=AT_ONCE),
            patience_seconds=PATIENCE_SECONDS,
        )
        gone = await _erase_photos(engine, store, spool, rows)
        ids = list(rows)
        await transact(engine, lambda on: _forget(on, ids, subject, gone, actor), patience_seconds=PATIENCE_SECONDS)  # noqa: B023 -- runs here
        total, photos = total + len(ids), photos + gone
        if len(ids) < AT_ONCE:
            break
    # Photos that came between the look at a row and its mark, or of whose keys an older database knows nothing.
    photos += await asyncio.to_thread(lambda: purge(store, erased_ids(store)))
    await asyncio.to_thread(_erase_copies, store, second)
    return Erased(total, photos)


async def _erase_photos(engine: AsyncEngine, store: ObjectStore, spool: Path, rows: dict[str, str | None]) -> int:
    """Mark first, so that no photo on its way arrives afterwards; the client stays until all is gone, to find it by."""
    ids = list(rows)
    await transact(engine, lambda on: predictions.mark_erased(on, ids), patience_seconds=PATIENCE_SECONDS)
    return await asyncio.to_thread(_delete, store, spool, rows)


def _delete(store: ObjectStore, spool: Path, rows: dict[str, str | None]) -> int:
    """Write down first, so that a backup or a retraining that has read a photo already sees what became of it."""
    store.prepare()
    if rows:
        note_erasure(store, list(rows))
    gone = 0
    for prediction_id, key in rows.items():
        remove_erased(spool, prediction_id)
        places = [
            place
            for place in photo_places(prediction_id)
            if key == predictions.ERASED or (key is not None and Path(place[1]).suffix == Path(key).suffix)
        ]
        gone += any([store.delete(*place) for place in places])  # noqa: C419 -- every place, not up to the first
    return gone


def _erase_copies(store: ObjectStore, second: ObjectStore | None) -> None:
    erase_page(store)
    if second is None:
        return
    try:
        carry_erasures(store, second)
    except ObjectStoreError as error:
        raise ObjectStoreError(
            f"The photos are erased here, but copies remain at the second place. {error.message}",
            "Mend it (DANDELION_MIRROR__URL or DANDELION_BACKUP__FOLDER) and run this again, or wait: the next backup "
            "that reaches it erases them.",
        ) from error


def _is_kept(store: ObjectStore, spool: Path, second: ObjectStore | None, prediction_id: str) -> bool:
    """Whether there is a photo somewhere; a second place that does not answer may hold one."""
    store.prepare()
    try:
        here = find_photos(store, {prediction_id})
    except ValueError:  # an id that never was a prediction's
        return False
    if here or any((spool / f"{prediction_id}{suffix}").exists() for suffix in PHOTO_TYPES):
        return True
    if second is None:
        return False
    try:
        second.prepare()
        return bool(find_photos(second, {prediction_id}))
    except ObjectStoreError:
        return True


async def _forget(connection: AsyncConnection, ids: Sequence[str], subject: str, photos: int, actor: str) -> None:
    await predictions.forget_clients(connection, ids)
    detail = {"predictions": len(ids), "photos": photos}
    await audit.record(connection, actor=actor, action="erase", subject=subject, detail=detail)


def _key_in(file: Path) -> bytes:
    """The key that the file holds, made when it is not there; of two processes, both take the first one's."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}-{secrets.token_hex(4)}")
    if not file.exists():
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_hex(32))
        try:
            file.hardlink_to(fresh)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return file.read_bytes()
