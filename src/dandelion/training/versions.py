"""Dataset versions: the photos with their labels, splits and origins, frozen in the bucket `processed-data`.

    processed-data/datasets/<time>-<digest>/manifest.json    one for each version; the newest is the current one
    processed-data/photos/feedback/<prediction id>.jpg       photos, copied so that a version outlives the data lake
    processed-data/photos/uploads/<sha256>.jpg

The manifest is written last and names its photos by SHA-256, so a version exists as a whole or not at all. A photo
keeps its split for ever, and near duplicates never cross splits (see `dandelion.training.splits`). So the test split
only grows, and no training run ever saw one of its photos. Fetching a version leaves out photos that were erased.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import msgspec

from dandelion.domain import Split, class_name
from dandelion.errors import DataError, ObjectNotFoundError
from dandelion.objects import PROCESSED, ObjectStore
from dandelion.training.photos import Photo
from dandelion.training.splits import assign_splits, dataset_digest

DATASETS = "datasets"
_MANIFEST = "manifest.json"
_DIGEST_DIGITS = 16


class PhotoRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One photo of a version, described as in `Photo`.

    Attributes:
        origin: Where it came from: `feedback/<prediction id>` or `uploads/<key>`.
        key: Its key in `processed-data`.
        perceptual_hash: Hash that identifies near duplicates, 16 hexadecimal digits.
    """

    sha256: str
    label: str
    split: Split
    origin: str
    key: str
    perceptual_hash: str
    width: int
    height: int
    format: str
    contrast: float

    def as_photo(self) -> Photo:
        """The photo in the form that checks and splits use."""
        return Photo(
            path=Path(self.key),
            label=class_name(self.label),
            sha256=self.sha256,
            perceptual_hash=int(self.perceptual_hash, 16),
            width=self.width,
            height=self.height,
            format=self.format,
            contrast=self.contrast,
            split=self.split,
        )


class DatasetVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen set of photos.

    Attributes:
        digest: SHA-256 of content, class and split of every photo.
        created_at: When it was frozen, UTC.
        parent: Digest of the version before, if any.
        classes: All classes, sorted.
        photos: All photos, sorted by SHA-256, each once.
    """

    digest: str
    created_at: datetime
    parent: str | None
    classes: tuple[str, ...]
    photos: tuple[PhotoRecord, ...]

    @property
    def name(self) -> str:
        """Name of its folder; names sort by time."""
        return f"{self.created_at:%Y-%m-%dT%H-%M-%SZ}-{self.digest[:_DIGEST_DIGITS]}"

    def counts(self) -> dict[str, dict[str, int]]:
        """Class to split to number of photos."""
        found = Counter((photo.label, photo.split) for photo in self.photos)
        return {label: {split.value: found[label, split] for split in Split} for label in self.classes}

    def splits(self) -> dict[str, Split]:
        """SHA-256 to split: the record for the next version."""
        return {photo.sha256: photo.split for photo in self.photos}


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """A labelled photo that may become part of a version, with its future `origin` and `key` there."""

    photo: Photo
    origin: str
    key: str


def draft_version(
    photos: Iterable[Labelled], parent: DatasetVersion | None, *, classes: Sequence[str] = ()
) -> DatasetVersion:
    """Draft the next version: the parent's photos and the new ones, each once, with the latest label of each origin.

    The parent's splits stay. A new photo replaces one of the same origin. Without `classes`, all classes stay.
    """
    old = parent.photos if parent else ()
    by_origin = {each.origin: Labelled(photo=each.as_photo(), origin=each.origin, key=each.key) for each in old}
    by_origin |= {each.origin: each for each in photos}
    wanted = {
        each.photo.sha256: each
        for _, each in sorted(by_origin.items(), reverse=True)  # among copies, the first origin by name wins
        if not classes or each.photo.label in classes
    }
    chosen = [wanted[sha256] for sha256 in sorted(wanted)]
    assigned = assign_splits([each.photo for each in chosen], parent.splits() if parent else None)
    return DatasetVersion(
        digest=dataset_digest(assigned),
        created_at=datetime.now(UTC).replace(microsecond=0),
        parent=parent.digest if parent else None,
        classes=tuple(sorted({photo.label for photo in assigned})),
        photos=tuple(_record(photo, each) for photo, each in zip(assigned, chosen, strict=True)),
    )


def freeze_version(store: ObjectStore, version: DatasetVersion) -> None:
    """Write the manifest; the photos must be stored before."""
    store.put(
        PROCESSED,
        f"{DATASETS}/{version.name}/{_MANIFEST}",
        msgspec.json.encode(version),
        content_type="application/json",
    )


def last_version(store: ObjectStore) -> DatasetVersion | None:
    """The newest version; None if there is none.

    Raises:
        DataError: Its manifest cannot be read.
    """
    names = _names(store)
    return _read(store, names[-1]) if names else None


def find_version(store: ObjectStore, digest: str) -> DatasetVersion:
    """The version with this digest.

    Raises:
        DataError: There is no such version, or its manifest cannot be read.
    """
    for name in reversed(_names(store)):
        if name.endswith(f"-{digest[:_DIGEST_DIGITS]}"):
            return _read(store, name)
    raise DataError(f"There is no dataset version {digest[:_DIGEST_DIGITS]}.", "Start a new retraining.")


def fetch_version(store: ObjectStore, version: DatasetVersion, folder: Path) -> dict[str, PhotoRecord]:
    """Download a version's photos to `folder/<class>/<sha256>.<ext>`, except those that are there already.

    Returns:
        The photos by SHA-256, without those that were erased meanwhile.

    Raises:
        ObjectStoreError: The store does not respond.
    """
    expected = {path_in(folder, photo) for photo in version.photos}
    for stray in {path for path in folder.glob("*/*") if path.is_file()} - expected:
        stray.unlink()  # erased since the last download, or from another version
    found = {}
    for photo in version.photos:
        path = path_in(folder, photo)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                store.get_file(PROCESSED, photo.key, path)
            except ObjectNotFoundError:
                continue
        found[photo.sha256] = photo
    return found


def path_in(folder: Path, photo: PhotoRecord) -> Path:
    """Where `fetch_version` puts a photo."""
    return folder / photo.label / f"{photo.sha256}{PurePosixPath(photo.key).suffix}"


def _record(photo: Photo, origin: Labelled) -> PhotoRecord:
    return PhotoRecord(
        sha256=photo.sha256,
        label=photo.label,
        split=Split(str(photo.split)),
        origin=origin.origin,
        key=origin.key,
        perceptual_hash=f"{photo.perceptual_hash:016x}",
        width=photo.width,
        height=photo.height,
        format=photo.format,
        contrast=photo.contrast,
    )


def _names(store: ObjectStore) -> list[str]:
    """Folders of versions, oldest first."""
    keys = (found.key for found in store.list_objects(PROCESSED, f"{DATASETS}/"))
    return sorted(key.split("/")[1] for key in keys if key.endswith(f"/{_MANIFEST}"))


def _read(store: ObjectStore, name: str) -> DatasetVersion:
    key = f"{DATASETS}/{name}/{_MANIFEST}"
    try:
        return msgspec.json.decode(store.get(PROCESSED, key), type=DatasetVersion)
    except msgspec.MsgspecError as error:
        raise DataError(
            f"The dataset version {name} cannot be read ({error}).", f"Restore {PROCESSED}/{key} from a backup."
        ) from error
