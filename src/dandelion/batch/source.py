"""The photos of a batch: in a folder, or in a bucket of the S3 server that the settings name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from dandelion.errors import BatchError
from dandelion.objects import ObjectStore
from dandelion.training.photos import PHOTO_SUFFIXES, is_photo_path, is_readable

S3 = "s3"


@dataclass(frozen=True, slots=True)
class BatchPhoto:
    """One photo of a batch: the path of a file, which has no bucket, or the key of an object.

    The size and the time of the last change, as text, reveal a photo that changed since an earlier run.
    """

    place: str
    bucket: str
    size_bytes: int
    changed: str

    @property
    def name(self) -> str:
        """Its name in the results."""
        return f"s3://{self.bucket}/{self.place}" if self.bucket else self.place

    def read(self, store: ObjectStore) -> bytes:
        """Read its bytes.

        Raises:
            OSError: The file is gone.
            ObjectStoreError: The object is gone, or the store does not respond.
        """
        return store.get(self.bucket, self.place) if self.bucket else Path(self.place).read_bytes()


def list_photos(source: str, store: ObjectStore) -> list[BatchPhoto]:
    """List every photo in a folder and its sub-folders, or under `s3://bucket/prefix`, sorted by name.

    Links to files are followed, links to folders are not. A broken link is listed; reading it fails.

    Raises:
        BatchError: There is no photo.
        ObjectStoreError: The store does not respond.
    """
    parts = urlsplit(source)
    if parts.scheme == S3:
        prefix = parts.path.lstrip("/")
        photos = [
            BatchPhoto(each.key, parts.netloc, each.size_bytes, each.modified_at.isoformat())
            for each in store.list_objects(parts.netloc, prefix)
            if is_photo_path(PurePosixPath(each.key[prefix.rfind("/") + 1 :]))
        ]
    else:
        folder = Path(source)
        if not folder.is_dir():
            raise BatchError(f"There is no folder {folder}.", "Give a folder, or s3://bucket/prefix.")
        photos = [
            _in_folder(path)
            for path in sorted(folder.rglob("*"))
            if is_photo_path(path.relative_to(folder)) and is_readable(path)
        ]
    if not photos:
        raise BatchError(
            f"{source} holds no photo.", f"Add photos; their names end in {', '.join(sorted(PHOTO_SUFFIXES))}."
        )
    return photos


def _in_folder(path: Path) -> BatchPhoto:
    try:
        found = path.stat()
    except OSError:
        return BatchPhoto(str(path), "", 0, "")
    return BatchPhoto(str(path), "", found.st_size, str(found.st_mtime_ns))


def batch_id(photos: Sequence[BatchPhoto], model_digest: str) -> str:
    """The id of a batch, equal for equal photos and model, so that a second run finds the results of the first."""
    lines = [f"{photo.name}\t{photo.size_bytes}\t{photo.changed}\n" for photo in photos]
    return hashlib.sha256("".join([model_digest, *lines]).encode()).hexdigest()[:32]
