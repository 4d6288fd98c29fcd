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
from dandelion.errors import PredictionNotFoundError, SettingsError
from dandelion.objects import DATA_LAKE, PHOTO_TYPES, PROCESSED, ObjectStore, frozen_key, photo_key
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
        photos: Photos that were stored and are gone.
    """

    predictions: int
    photos: int


async def erase_prediction(engine: AsyncEngine, store: ObjectStore, spool: Path, *, id: str, actor: str) -> Erased:  # noqa: A002
    """Forget the photo and the client of one prediction; may be run again after a failure.

    Args:
        engine: The database.
        store: The object store.
        spool: Folder of photos that wait on this machine.
        id: The prediction.
        actor: Who asked, for the audit log.

    Raises:
        PredictionNotFoundError: No such prediction is stored.
        DatabaseError: The database did not answer; run it again.
        ObjectStoreError: The object store did not; run it again.
    """
    rows = await transact(engine, lambda on: predictions.photo_keys(on, [id]), patience_seconds=PATIENCE_SECONDS)
    if not rows:
        raise PredictionNotFoundError(f"No prediction {id} is stored.", "Check the id.")
    photos = await _erase_photos(engine, store, spool, rows)
    await transact(engine, lambda on: _forget(on, [id], id, photos, actor), patience_seconds=PATIENCE_SECONDS)
    return Erased(1, photos)


async def erase_client(engine: AsyncEngine, store: ObjectStore, spool: Path, *, client: str, actor: str) -> Erased:
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
            return Erased(total, photos)


async def _erase_photos(engine: AsyncEngine, store: ObjectStore, spool: Path, rows: dict[str, str | None]) -> int:
    """Mark first, so that no photo on its way arrives afterwards; the client stays until all is gone, to find it by."""
    ids = list(rows)
    await transact(engine, lambda on: predictions.mark_erased(on, ids), patience_seconds=PATIENCE_SECONDS)
    return await asyncio.to_thread(_delete, store, spool, rows)


def _delete(store: ObjectStore, spool: Path, rows: dict[str, str | None]) -> int:
    gone = 0
    for prediction_id, key in rows.items():
        candidates = [photo_key(prediction_id, suffix) for suffix in PHOTO_TYPES]
        for name in [key] if key in candidates else candidates if key == predictions.ERASED else []:
            store.delete(DATA_LAKE, name)
            store.delete(PROCESSED, frozen_key(prediction_id, Path(name).suffix))
            gone += name == key
        for suffix in PHOTO_TYPES:
            (spool / f"{prediction_id}{suffix}").unlink(missing_ok=True)
    return gone


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
