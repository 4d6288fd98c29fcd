"""Labelled photos in the bucket `data-lake`: those with a label, and those that somebody put there.

    data-lake/predicted/YEAR/MONTH/DAY/ID.jpg    kept by the API; its class is the feedback's
    data-lake/uploads/CLASS/NAME.jpg             put there by `dandelion data upload` or any S3 tool

An upload is learnt from as long as it lies there; a predicted photo that expires stays in the dataset versions that
have it, and one that is erased leaves them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion.db import feedback, predictions, transact
from dandelion.domain import LABEL_LENGTH
from dandelion.errors import DataError, NotAnImageError, ObjectKeyError, ObjectNotFoundError, PhotoError
from dandelion.objects import DATA_LAKE, PROCESSED, ObjectStore, create_store, frozen_key
from dandelion.objects.store import check_key
from dandelion.privacy.erasures import erased_ids, is_photo_of
from dandelion.settings import load_settings
from dandelion.training.photos import PHOTO_SUFFIXES, Photo, describe_photo, list_class_folders, list_files
from dandelion.training.versions import DatasetVersion, Labelled

UPLOADS = "uploads"
FEEDBACK = "feedback"
PHOTOS = "photos"
ROWS_AT_ONCE = 5000
PATIENCE_SECONDS = 30.0

_PLAIN = re.compile(r"[A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class Source:
    """A labelled photo as it lies in the data lake.

    Attributes:
        key: Its key there.
        label: Its class.
        origin: `feedback/<prediction id>` or `uploads/<class>/<name>`: one photo, whatever its label becomes.
    """

    key: str
    label: str
    origin: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """A photo that was looked at.

    Attributes:
        source: Where it lies.
        photo: What it is; None when it cannot be read.
        error: Why not.
    """

    source: Source
    photo: Photo | None
    error: str = ""


async def list_told(engine: AsyncEngine, *, since: datetime | None = None) -> list[Source]:
    """Every kept photo with a label, or with one given since then, oldest first.

    Raises:
        DatabaseError: The database does not answer.
    """
    found: list[Source] = []
    after: str | None = None
    while True:
        some = await transact(
            engine,
            lambda on: feedback.labelled_photos(on, after=after, limit=ROWS_AT_ONCE, since=since),  # noqa: B023 -- runs here
            patience_seconds=PATIENCE_SECONDS,
        )
        found += [Source(each.photo_key, each.label, f"{FEEDBACK}/{each.prediction_id}") for each in some]
        if len(some) < ROWS_AT_ONCE:
            return found
        after = some[-1].prediction_id


def list_uploads(store: ObjectStore) -> list[Source]:
    """Every photo that was put under `uploads/`, one folder a class; other files are passed over.

    Raises:
        ObjectStoreError: The store does not answer.
        DataError: A folder's name is no class.
    """
    found = []
    for each in store.list_objects(DATA_LAKE, f"{UPLOADS}/"):
        path = PurePosixPath(each.key)
        if len(path.parts) == 3 and path.suffix.lower() in PHOTO_SUFFIXES:
            found.append(Source(each.key, label_of(path.parts[1]), each.key))
    return found


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What an upload did.

    Attributes:
        sent: Photos that were sent.
        there: Photos that lay there already.
    """

    sent: int
    there: int


def upload(store: ObjectStore, folder: Path, *, progress: Callable[[int, int], None]) -> Uploaded:
    """Put the photos of a folder into the data lake, by class and content, so that a second upload changes nothing.

    Args:
        store: Where to.
        folder: Holds one sub-folder a class.
        progress: Called with photos done and photos in all.

    Raises:
        DataError: There is no such folder, or a class cannot be named so.
        ObjectStoreError: The store does not answer; what was sent stays, and a second upload goes on.
    """
    files = [
        (folder_of(classed.name), file)
        for classed in list_class_folders(folder)
        for file in list_files(classed)
        if file.suffix.lower() in PHOTO_SUFFIXES
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
    return Uploaded(sent, len(files) - sent)


def news(sources: Sequence[Source], parent: DatasetVersion | None) -> list[Source]:
    """Those that the last version lacks, or knows by another class."""
    known = {photo.origin: photo.label for photo in parent.photos} if parent else {}
    return [source for source in sources if known.get(source.origin) != source.label]


async def list_withdrawn(engine: AsyncEngine, parent: DatasetVersion | None, sources: Sequence[Source]) -> set[str]:
    """Origins in the last version whose prediction is still there, and whose label no longer is.

    A prediction that was pruned took its label along, which nobody withdrew.

    Raises:
        DatabaseError: The database does not answer.
    """
    told = {source.origin for source in sources}
    untold = [photo.origin for photo in parent.photos if photo.origin not in told] if parent else []
    ids = [each.removeprefix(f"{FEEDBACK}/") for each in untold if each.startswith(f"{FEEDBACK}/")]
    found: set[str] = set()
    for start in range(0, len(ids), ROWS_AT_ONCE):
        some = ids[start : start + ROWS_AT_ONCE]
        found |= await transact(engine, lambda on: predictions.known(on, some), patience_seconds=PATIENCE_SECONDS)  # noqa: B023 -- runs here
    return {f"{FEEDBACK}/{each}" for each in found}


def surviving(
    parent: DatasetVersion | None, sources: Sequence[Source], store: ObjectStore, withdrawn: Collection[str] = ()
) -> DatasetVersion | None:
    """The last version without photos that were erased, whose upload was removed, or whose label was withdrawn.

    Raises:
        ObjectStoreError: The store does not answer.
    """
    if parent is None:
        return None
    lying = {source.origin for source in sources}
    kept = {found.key for found in store.list_objects(PROCESSED, f"{PHOTOS}/")}
    photos = tuple(
        photo
        for photo in parent.photos
        if photo.key in kept
        and (photo.origin in lying or not photo.origin.startswith(f"{UPLOADS}/"))
        and photo.origin not in withdrawn
    )
    return DatasetVersion(
        digest=parent.digest,
        created_at=parent.created_at,
        parent=parent.parent,
        classes=parent.classes,
        photos=photos,
    )


def inspect(store: ObjectStore, sources: Sequence[Source]) -> list[Inspected]:
    """Read, decode and hash photos; what is wrong with one spoils no other.

    One that expired or was erased is passed over: it says nothing of the photos that came, and for ever so.

    Raises:
        ObjectStoreError: The store does not answer.
    """
    found = []
    for source in sources:
        try:
            check_key(source.key)
            data = _read(store, source)
            found.append(Inspected(source, describe_photo(Path(source.key), source.label, data)))
        except ObjectKeyError as error:
            found.append(Inspected(source, None, f"{error.message} Upload it by `dandelion data upload`."))
        except ObjectNotFoundError:
            continue
        except PhotoError as error:
            found.append(Inspected(source, None, error.message))
    return found


def _read(store: ObjectStore, source: Source) -> bytes:
    """A photo of the data lake, or its frozen copy once it has expired there: its label may be given anew."""
    try:
        return store.get(DATA_LAKE, source.key)
    except ObjectNotFoundError:
        folder, _, prediction_id = source.origin.partition("/")
        if folder != FEEDBACK:
            raise
        return store.get(PROCESSED, frozen_key(prediction_id, PurePosixPath(source.key).suffix))


def inspect_shard(shard: Sequence[Source]) -> list[Inspected]:
    """The same with the store that the environment's settings name, wherever it runs."""
    return inspect(create_store(load_settings()), shard)


def store_shard(shard: Sequence[tuple[str, str, str]]) -> int:
    """`keep` with the store that the environment's settings name, wherever it runs."""
    return keep(create_store(load_settings()), shard)


def as_labelled(inspected: Inspected) -> Labelled:
    """A readable photo as a dataset version takes it.

    Raises:
        NotAnImageError: It is not readable.
    """
    if inspected.photo is None:
        raise NotAnImageError(inspected.error)
    source, photo = inspected.source, inspected.photo
    suffix = PurePosixPath(source.key).suffix.lower()
    kind, _, name = source.origin.partition("/")
    key = frozen_key(name, suffix) if kind == FEEDBACK else f"{PHOTOS}/{UPLOADS}/{photo.sha256}{suffix}"
    return Labelled(photo=photo, origin=source.origin, key=key)


def keep(store: ObjectStore, copies: Sequence[tuple[str, str, str]]) -> int:
    """Copy photos from the data lake into `processed-data`; return how many were copied now.

    One that has gone since it was looked at is left out, as a version leaves it out when it is fetched.

    Args:
        store: Where both lie.
        copies: Key there, key here and SHA-256 of each.

    Raises:
        ObjectStoreError: The store does not answer.
        DataError: A photo was replaced after it was looked at.
    """
    copied: set[str] = set()
    try:
        for source, target, sha256 in copies:
            if not _is_kept(store, target, sha256) and _copy(store, source, target, sha256):
                copied.add(target)
    finally:
        # An erasure is written down before it deletes: what is not on the list by now is deleted after it was put here.
        erased = erased_ids(store)
        gone = {target for _, target, _ in copies if is_photo_of(erased, PROCESSED, target)}
        for target in gone:
            store.delete(PROCESSED, target)
    return len(copied - gone)


def prediction_of(origin: str) -> str | None:
    """The prediction that a photo came by, and by which it may be erased; None of one that somebody put there."""
    kind, _, name = origin.partition("/")
    return name if kind == FEEDBACK else None


def folder_of(label: str) -> str:
    """A class as a folder's name: letters, digits, _ and - as they are, other bytes as `=` and two hex digits.

    Raises:
        DataError: It cannot be a class.
    """
    check_label(label)
    quoted = "".join(
        letter if _PLAIN.match(letter) else "".join(f"={byte:02X}" for byte in letter.encode()) for letter in label
    )
    return quoted if quoted[0].isalnum() else f"_{quoted}"


def label_of(folder: str) -> str:
    """The class that a folder's name stands for.

    Raises:
        DataError: It stands for none.
    """
    quoted = folder.removeprefix("_")
    try:
        label = re.sub(rb"=([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), quoted.encode()).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{DATA_LAKE}/{UPLOADS}/{folder} names no class.", "Use `dandelion data upload`.") from error
    check_label(label)
    return label


def check_label(label: str) -> None:
    """Refuse what cannot be a class: it becomes a folder's name, a column's value and a page's text.

    Raises:
        DataError: It cannot.
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
            f"Name it with at most {LABEL_LENGTH} printable characters, without / and no dot in front.",
        )


def _is_kept(store: ObjectStore, target: str, sha256: str) -> bool:
    try:
        return store.stat(PROCESSED, target).sha256 == sha256
    except ObjectNotFoundError:
        return False


def _copy(store: ObjectStore, source: str, target: str, sha256: str) -> bool:
    """Whether there still was something to copy."""
    try:
        data = store.get(DATA_LAKE, source)
    except ObjectNotFoundError:
        return False
    if store.put(PROCESSED, target, data).sha256 != sha256:
        store.delete(PROCESSED, target)
        raise DataError(f"{DATA_LAKE}/{source} was replaced during the run.", "Run the retraining again.")
    return True
