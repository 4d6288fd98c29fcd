"""Labelled photos in the bucket `data-lake`: predicted photos with feedback, and uploads.

    data-lake/predicted/YEAR/MONTH/DAY/ID.jpg    stored by the API; feedback gives its label
    data-lake/uploads/CLASS/NAME.jpg             uploaded by `dandelion data upload` or any S3 tool

An upload takes part in training until it is removed from the bucket. A predicted photo that expires stays in the
dataset versions that contain it; one that is erased is removed from them.

Every function raises `ObjectStoreError` or `DatabaseError` if the store or the database does not respond.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion.concurrency.patience import JOB_PATIENCE_SECONDS
from dandelion.db import feedback, predictions, transact
from dandelion.domain import LABEL_LENGTH, class_name
from dandelion.errors import DataError, ObjectKeyError, ObjectNotFoundError, PhotoError
from dandelion.objects import DATA_LAKE, PROCESSED, ObjectStore, create_store, frozen_key
from dandelion.objects.store import check_key
from dandelion.privacy.erasures import erased_ids, is_photo_of
from dandelion.settings import load_settings
from dandelion.training.photos import describe_photo, is_photo_path, list_class_folders, list_files
from dandelion.training.versions import DatasetVersion, Labelled

UPLOADS = "uploads"
FEEDBACK = "feedback"
PHOTOS = "photos"
ROWS_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Source:
    """A labelled photo in the data lake.

    Attributes:
        key: Its key in the bucket.
        label: Its label.
        origin: `feedback/<prediction id>` or `uploads/<class>/<name>`; stays the same when the label changes.
    """

    key: str
    label: str
    origin: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """A photo in the form that a dataset version takes; or None, and the reason why it cannot be read."""

    source: Source
    photo: Labelled | None
    error: str = ""


async def list_labelled(engine: AsyncEngine, *, since: datetime | None = None) -> list[Source]:
    """Every stored photo that has a label, or a label given after `since`, oldest first."""
    found: list[Source] = []
    after: str | None = None
    while True:
        some = await transact(
            engine,
            lambda on: feedback.labelled_photos(on, after=after, limit=ROWS_AT_ONCE, since=since),  # noqa: B023 -- runs here
            patience_seconds=JOB_PATIENCE_SECONDS,
        )
        found += [Source(each.photo_key, class_name(each.label), f"{FEEDBACK}/{each.prediction_id}") for each in some]
        if len(some) < ROWS_AT_ONCE:
            return found
        after = some[-1].prediction_id


def list_uploads(store: ObjectStore) -> list[Source]:
    """Every photo under `uploads/`, one folder for each class; other files are ignored.

    Raises:
        DataError: A folder's name is no class.
    """
    return [Source(key, label, key) for key, label in list_classed(store, UPLOADS)]


def list_classed(store: ObjectStore, folder: str) -> list[tuple[str, str]]:
    """Key and class of every photo `<folder>/<class>/<name>` in the data lake.

    Raises:
        DataError: A folder's name is no class.
    """
    keys = [found.key for found in store.list_objects(DATA_LAKE, f"{folder}/")]
    return [
        (key, label_of(key.split("/")[1])) for key in keys if key.count("/") == 2 and is_photo_path(PurePosixPath(key))
    ]


def upload(store: ObjectStore, folder: Path, *, progress: Callable[[int, int], None]) -> tuple[int, int]:
    """Upload a folder with one sub-folder for each class; `progress` gets the number of photos done and of all photos.

    Keys follow class and content, so repeating an upload changes nothing, and resumes one that failed.

    Returns:
        How many photos were sent, and how many were stored already.

    Raises:
        DataError: There is no such folder, or a folder's name cannot be a class.
    """
    files = [
        (folder_of(classed.name), file)
        for classed in list_class_folders(folder)
        for file in list_files(classed)
        if is_photo_path(PurePosixPath(file.name))
    ]
    store.prepare()
    there = {found.key for found in store.list_objects(DATA_LAKE, f"{UPLOADS}/")}
    sent = 0
    for done, (classed, file) in enumerate(files, start=1):
        try:
            data = file.read_bytes()
        except OSError as error:
            raise DataError(f"{file} cannot be read ({error.strerror}).", "Check its permissions.") from error
        key = f"{UPLOADS}/{classed}/{hashlib.sha256(data).hexdigest()[:32]}{file.suffix.lower()}"
        if key not in there:
            store.put(DATA_LAKE, key, data)
            there.add(key)
            sent += 1
        progress(done, len(files))
    return sent, len(files) - sent


def news(sources: Sequence[Source], parent: DatasetVersion | None) -> list[Source]:
    """The photos that the last dataset version lacks, or has with another label."""
    known = {photo.origin: photo.label for photo in parent.photos} if parent else {}
    return [source for source in sources if known.get(source.origin) != source.label]


async def list_withdrawn(engine: AsyncEngine, parent: DatasetVersion | None, sources: Sequence[Source]) -> set[str]:
    """Origins in the last version whose label was withdrawn: the prediction is still stored, but its label is not.

    A prediction that was pruned does not count: its label was pruned with it, and nobody withdrew it.
    """
    labelled = {source.origin for source in sources}
    unlabelled = [photo.origin for photo in parent.photos if photo.origin not in labelled] if parent else []
    ids = [found for origin in unlabelled if (found := prediction_of(origin)) is not None]
    known: set[str] = set()
    for start in range(0, len(ids), ROWS_AT_ONCE):
        some = ids[start : start + ROWS_AT_ONCE]
        known |= await transact(engine, lambda on: predictions.known(on, some), patience_seconds=JOB_PATIENCE_SECONDS)  # noqa: B023 -- runs here
    return {f"{FEEDBACK}/{each}" for each in known}


def surviving(
    parent: DatasetVersion | None, sources: Sequence[Source], store: ObjectStore, withdrawn: Collection[str] = ()
) -> DatasetVersion | None:
    """The last version without photos that were erased, whose upload was removed, or whose label was withdrawn."""
    if parent is None:
        return None
    present = {source.origin for source in sources}
    stored = {found.key for found in store.list_objects(PROCESSED, f"{PHOTOS}/")}
    photos = tuple(
        photo
        for photo in parent.photos
        if photo.key in stored
        and (photo.origin in present or not photo.origin.startswith(f"{UPLOADS}/"))
        and photo.origin not in withdrawn
    )
    return msgspec.structs.replace(parent, photos=photos)


def inspect(store: ObjectStore, sources: Sequence[Source]) -> list[Inspected]:
    """Read, decode and hash photos; a photo that fails does not affect the others.

    A photo that expired or was erased is left out: otherwise it would count as a bad photo in every later run.
    """
    found = []
    for source in sources:
        try:
            check_key(source.key)
            found.append(Inspected(source, _describe(source, _read(store, source))))
        except ObjectKeyError as error:
            found.append(Inspected(source, None, f"{error.message} Upload it with `dandelion data upload`."))
        except ObjectNotFoundError:
            continue
        except PhotoError as error:
            found.append(Inspected(source, None, error.message))
    return found


def _read(store: ObjectStore, source: Source) -> bytes:
    """Read a photo from the data lake, or its frozen copy if it has expired there, since its label may still change."""
    try:
        return store.get(DATA_LAKE, source.key)
    except ObjectNotFoundError:
        prediction_id = prediction_of(source.origin)
        if prediction_id is None:
            raise
        return store.get(PROCESSED, frozen_key(prediction_id, PurePosixPath(source.key).suffix))


def _describe(source: Source, data: bytes) -> Labelled:
    photo = describe_photo(Path(source.key), source.label, data)
    suffix, prediction_id = PurePosixPath(source.key).suffix.lower(), prediction_of(source.origin)
    key = frozen_key(prediction_id, suffix) if prediction_id else f"{PHOTOS}/{UPLOADS}/{photo.sha256}{suffix}"
    return Labelled(photo=photo, origin=source.origin, key=key)


class OnOwnStore:
    """`inspect` or `copy_photos` with the object store of the environment's settings, on whatever machine it runs."""

    def __init__(self, work: Callable[[ObjectStore, Sequence[Any]], Any]) -> None:
        self._work = work
        self.__name__ = work.__name__

    def __call__(self, shard: Sequence[Any]) -> Any:
        """What `work` returns for a shard."""
        return self._work(create_store(load_settings()), shard)


def copy_photos(store: ObjectStore, copies: Sequence[tuple[str, str, str]]) -> int:
    """Copy photos from the data lake into `processed-data`; return how many were copied by this call.

    A photo that was removed since its inspection is skipped; fetching a dataset version skips it as well.

    Args:
        store: The object store with both buckets.
        copies: For each photo: key in `data-lake`, key in `processed-data`, SHA-256.

    Raises:
        DataError: A photo was replaced after its inspection.
    """
    copied: set[str] = set()
    try:
        for source, target, sha256 in copies:
            if not _is_stored(store, target, sha256) and _copy(store, source, target, sha256):
                copied.add(target)
    finally:
        # An erasure is recorded before it deletes. One that is not on the list by now will still delete these copies.
        erased = erased_ids(store)
        gone = {target for _, target, _ in copies if is_photo_of(erased, PROCESSED, target)}
        for target in gone:
            store.delete(PROCESSED, target)
    return len(copied - gone)


def prediction_of(origin: str) -> str | None:
    """Id of the prediction that a photo came from, by which it can be erased; None for an upload."""
    kind, _, name = origin.partition("/")
    return name if kind == FEEDBACK else None


def folder_of(label: str) -> str:
    """The folder name of a class: letters, digits, _ and - stay, other bytes of its NFC become `=` and two hex digits.

    Raises:
        DataError: The label cannot be a class.
    """
    label = class_name(label)
    check_label(label)
    quoted = re.sub(r"[^A-Za-z0-9_-]", lambda found: "".join(f"={byte:02X}" for byte in found[0].encode()), label)
    return quoted if quoted[0].isalnum() else f"_{quoted}"


def label_of(folder: str) -> str:
    """The class of a folder name.

    Raises:
        DataError: The folder name stands for no class.
    """
    quoted = folder.removeprefix("_")
    try:
        text = re.sub(rb"=([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), quoted.encode()).decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"The folder {DATA_LAKE}/{UPLOADS}/{folder} names no class.", "Upload photos with `dandelion data upload`."
        ) from error
    label = class_name(text)
    check_label(label)
    return label


def check_label(label: str) -> None:
    """Check that a label can be a class: it becomes a folder's name, a column's value and a text on a web page.

    Raises:
        DataError: It cannot be a class.
    """
    if (
        not label.strip()
        or len(label) > LABEL_LENGTH
        or "/" in label
        or label.startswith(".")
        or not label.isprintable()
    ):
        raise DataError(
            f"{label[:40]!r} cannot be a class.",
            f"Use up to {LABEL_LENGTH} printable characters, without / and without a dot in front.",
        )


def _is_stored(store: ObjectStore, target: str, sha256: str) -> bool:
    try:
        return store.stat(PROCESSED, target).sha256 == sha256
    except ObjectNotFoundError:
        return False


def _copy(store: ObjectStore, source: str, target: str, sha256: str) -> bool:
    """Copy one photo; return False if it was removed from the data lake."""
    try:
        data = store.get(DATA_LAKE, source)
    except ObjectNotFoundError:
        return False
    if store.put(PROCESSED, target, data).sha256 != sha256:
        store.delete(PROCESSED, target)
        raise DataError(f"{DATA_LAKE}/{source} was replaced during the run.", "Rerun the retraining.")
    return True
