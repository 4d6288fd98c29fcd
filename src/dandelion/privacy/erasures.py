"""The list of erasures: it is stored beside the photos, so every copy of the store includes it.

    data-lake/erased/<time-ordered id>.json    ids of predictions, written before their photos go; never expires

The database cannot hold that list, since a restore of an older dump would lose later erasures. The list stores ids, not
keys: the keys of a photo follow from its prediction's id, and an id identifies nobody.

Only the monitoring report may hold other pictures of such photos; an erasure deletes it, too.

Every function that takes a store raises `ObjectStoreError` if the store does not respond; call it again to resume.
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
# It shows photos, each beside the id of its prediction.
MONITORING_REPORT = "monitoring/report.html"
# Keys of predictions' photos by bucket; they end with the id and a suffix.
_KEYS = {DATA_LAKE: photo_key, PROCESSED: frozen_key}
_FOLDERS = {DATA_LAKE: "predicted/", PROCESSED: "photos/feedback/"}


def note_erasure(store: ObjectStore, ids: Collection[str]) -> None:
    """Add these predictions to the list of erasures."""
    store.put(DATA_LAKE, f"{LIST}{uuid7()}.json", json.dumps(sorted(ids)).encode(), content_type="application/json")


def erased_ids(store: ObjectStore) -> set[str]:
    """All predictions whose photos were ever erased.

    Raises:
        ObjectCorruptError: An entry of the list is damaged.
    """
    return {one for key in _entries(store) for one in _ids(store, key)}


def photo_places(prediction_id: str) -> list[tuple[str, str]]:
    """All buckets and keys under which a store may hold the photo of a prediction.

    Raises:
        ValueError: It is not the id of a prediction.
    """
    return [(bucket, key_of(prediction_id, suffix)) for suffix in TYPES for bucket, key_of in _KEYS.items()]


def is_entry(bucket: str, key: str) -> bool:
    """Whether a key is an entry of the list, and not an object that somebody else put beside it."""
    return bucket == DATA_LAKE and key.startswith(LIST) and key.endswith(".json")


def is_photo_of(ids: Collection[str], bucket: str, key: str) -> bool:
    """Whether a key is that of a photo of one of these predictions, in the data lake or frozen for training."""
    return bucket in _FOLDERS and key.startswith(_FOLDERS[bucket]) and PurePosixPath(key).stem in ids


def find_photos(store: ObjectStore, ids: Collection[str]) -> set[tuple[str, str]]:
    """Bucket and key of every photo of these predictions that has any version in the store, even an expired one.

    Raises:
        ValueError: One of the ids is not that of a prediction.
    """
    if not ids:
        return set()
    found = set()
    for bucket, key_of in _KEYS.items():
        # One listing, as narrow as the ids allow: a request for each key would take hours for many photos.
        prefix = os.path.commonprefix([key_of(each, "") for each in ids])  # noqa: RUF071 -- S3's prefixes are of letters
        found |= {(bucket, key) for key in store.list_keys(bucket, prefix) if is_photo_of(ids, bucket, key)}
    return found


def purge(store: ObjectStore, ids: Collection[str]) -> int:
    """Delete all photos of these predictions; return for how many of them there was a photo.

    The monitoring report is deleted, too, if it shows one of them.
    """
    places = find_photos(store, ids)
    for place in places:
        store.delete(*place)
    erase_page_of(store, ids)
    return len({PurePosixPath(key).stem for _, key in places})


def delete_report(store: ObjectStore) -> None:
    """Delete the monitoring report with its versions, which may show erased photos; it is written again every hour."""
    store.delete(PROCESSED, MONITORING_REPORT)


def erase_page_of(store: ObjectStore, ids: Collection[str]) -> bool:
    """Delete the report if it shows a photo of one of these predictions or is damaged; return whether it was."""
    try:
        report = store.get(PROCESSED, MONITORING_REPORT)
        shown = any(each.encode() in report for each in ids)
    except ObjectNotFoundError:
        return False
    except ObjectCorruptError:  # its contents are unknown, and it must not block an erasure or a backup
        shown = True
    if shown:
        delete_report(store)
    return shown


def carry_erasures(source: ObjectStore, target: ObjectStore) -> None:
    """Apply the erasures of `source` to `target`, and add them to its list; buckets of `target` are created."""
    target.prepare()
    missing = {key: _ids(source, key) for key in sorted(_entries(source) - _entries(target))}
    purge(target, {one for ids in missing.values() for one in ids})
    if missing:
        delete_report(target)
    for key, ids in missing.items():  # last: an entry means that its photos are gone
        target.put(DATA_LAKE, key, json.dumps(ids).encode(), content_type="application/json")


def _entries(store: ObjectStore) -> set[str]:
    return {found.key for found in store.list_objects(DATA_LAKE, LIST) if is_entry(DATA_LAKE, found.key)}


def _ids(store: ObjectStore, key: str) -> list[str]:
    try:
        return [str(one) for one in msgspec.json.decode(store.get(DATA_LAKE, key), type=list[UUID])]
    except msgspec.MsgspecError as error:
        raise ObjectCorruptError(
            f"{DATA_LAKE}/{key} is not a list of erased predictions ({error}).",
            "Remove it, and repeat the erasures that it held.",
        ) from error
