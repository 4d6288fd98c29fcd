"""Whose photos were erased: a list beside the photos, which every copy of the store takes along.

    data-lake/erased/<time-ordered id>.json    ids of predictions, written before their photos go; it never expires

The database cannot be that list, since one that is restored from an older dump knows nothing of later erasures. Ids are
kept rather than keys: a photo's keys follow from its prediction's id, and an id leads to nobody.

The monitoring report is all that may keep pictures of such photos elsewhere; an erasure deletes it, too.
"""

from __future__ import annotations

import json
import os.path
from collections.abc import Collection
from pathlib import PurePosixPath
from uuid import UUID

import msgspec
from uuid_utils import uuid7

from dandelion.errors import ObjectCorruptError, ObjectNotFoundError
from dandelion.objects.photo import TYPES, frozen_key, photo_key
from dandelion.objects.store import DATA_LAKE, PROCESSED, ObjectStore

LIST = "erased/"
# It pictures photos, each beside the id of its prediction.
MONITORING_REPORT = "monitoring/report.html"
# Where photos of predictions lie, by bucket: their keys end with the id and a suffix.
_KEYS = {DATA_LAKE: photo_key, PROCESSED: frozen_key}
_FOLDERS = {DATA_LAKE: "predicted/", PROCESSED: "photos/feedback/"}


def note_erasure(store: ObjectStore, ids: Collection[str]) -> None:
    """Write down that the photos of these predictions are to be nowhere from now on.

    Raises:
        ObjectStoreError: The store does not answer.
    """
    store.put(DATA_LAKE, f"{LIST}{uuid7()}.json", json.dumps(sorted(ids)).encode(), content_type="application/json")


def erased_ids(store: ObjectStore) -> set[str]:
    """Predictions whose photos were erased, ever.

    Raises:
        ObjectStoreError: The store does not answer.
        ObjectCorruptError: An entry of the list is none.
    """
    return {one for key in _entries(store) for one in _ids(store, key)}


def photo_places(prediction_id: str) -> list[tuple[str, str]]:
    """Bucket and key of everything that may lie in a store of the photo of a prediction.

    Raises:
        ValueError: It is no prediction's id.
    """
    return [(bucket, key_of(prediction_id, suffix)) for suffix in TYPES for bucket, key_of in _KEYS.items()]


def is_entry(bucket: str, key: str) -> bool:
    """Whether a key is of the list, rather than of what somebody else put beside it."""
    return bucket == DATA_LAKE and key.startswith(LIST) and key.endswith(".json")


def is_photo_of(ids: Collection[str], bucket: str, key: str) -> bool:
    """Whether a key is of a photo of one of these predictions, in the data lake or frozen for training."""
    return bucket in _FOLDERS and key.startswith(_FOLDERS[bucket]) and PurePosixPath(key).stem in ids


def find_photos(store: ObjectStore, ids: Collection[str]) -> set[tuple[str, str]]:
    """Bucket and key of every photo of these predictions of which a store has any version, also one that has expired.

    Raises:
        ObjectStoreError: The store does not answer.
        ValueError: One of them is no prediction's id.
    """
    if not ids:
        return set()
    found = set()
    for bucket, key_of in _KEYS.items():
        # One listing, as narrow as the ids allow: asking for each key would take hours for somebody with many photos.
        prefix = os.path.commonprefix([key_of(each, "") for each in ids])  # noqa: RUF071 -- S3's prefixes are of letters
        found |= {(bucket, key) for key in store.list_keys(bucket, prefix) if is_photo_of(ids, bucket, key)}
    return found


def purge(store: ObjectStore, ids: Collection[str]) -> int:
    """Delete what a store has of the photos of these predictions; return of how many there was something.

    The monitoring report goes as well where it shows one.

    Raises:
        ObjectStoreError: The store does not answer; run it again.
    """
    places = find_photos(store, ids)
    for place in places:
        store.delete(*place)
    erase_page_of(store, ids)
    return len({PurePosixPath(key).stem for _, key in places})


def erase_page(store: ObjectStore) -> None:
    """Delete the monitoring report with its versions, which may show erased photos; the next hour writes another.

    Raises:
        ObjectStoreError: The store does not answer; run it again.
    """
    store.delete(PROCESSED, MONITORING_REPORT)


def erase_page_of(store: ObjectStore, ids: Collection[str]) -> bool:
    """The same if it shows a photo of one of these predictions, or is damaged; return whether it did.

    Raises:
        ObjectStoreError: The store does not answer; run it again.
    """
    try:
        page = store.get(PROCESSED, MONITORING_REPORT)
        shown = any(each.encode() in page for each in ids)
    except ObjectNotFoundError:
        return False
    except ObjectCorruptError:  # nobody knows what it shows, and it must hold up no erasure and no backup
        shown = True
    if shown:
        erase_page(store)
    return shown


def carry_erasures(source: ObjectStore, target: ObjectStore) -> None:
    """Erase at `target`, whose buckets are made, what was erased at `source`, and write it down there.

    Raises:
        ObjectStoreError: One of the stores does not answer; run it again, and it goes on.
    """
    target.prepare()
    missing = {key: _ids(source, key) for key in sorted(_entries(source) - _entries(target))}
    purge(target, {one for ids in missing.values() for one in ids})
    if missing:
        erase_page(target)
    for key, ids in missing.items():  # last: they vouch for the rest
        target.put(DATA_LAKE, key, json.dumps(ids).encode(), content_type="application/json")


def _entries(store: ObjectStore) -> set[str]:
    return {found.key for found in store.list_objects(DATA_LAKE, LIST) if is_entry(DATA_LAKE, found.key)}


def _ids(store: ObjectStore, key: str) -> list[str]:
    try:
        return [str(one) for one in msgspec.json.decode(store.get(DATA_LAKE, key), type=list[UUID])]
    except msgspec.MsgspecError as error:
        raise ObjectCorruptError(
            f"{DATA_LAKE}/{key} is no list of erased predictions ({error}).", "Remove it, and erase them again."
        ) from error
