"""The photos of a batch: in a folder, or in a bucket of the S3 server that the settings name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dandelion.errors import BatchError
from dandelion.objects import ObjectStore
from dandelion.training.photos import PHOTO_SUFFIXES

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
    """List every photo in a folder or under `s3://bucket/prefix`, sorted by name.

    Raises:
        BatchError: There is no photo.
        ObjectStoreError: The store does not respond.
    """
    parts = urlsplit(source)
    if parts.scheme == S3:
        found = [
            BatchPhoto(each.key, parts.netloc, each.size_bytes, each.modified_at.isoformat())
            for each in store.list_objects(parts.netloc, parts.path.lstrip("/"))
        ]
    else:
        folder = Path(source)
        if not folder.is_dir():
            raise BatchError(f"There is no folder {folder}.", "Give a folder, or s3://bucket/prefix.")
        found = [
            BatchPhoto(str(path), "", path.stat().st_size, str(path.stat().st_mtime_ns))
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]
    photos = [photo for photo in found if Path(photo.place).suffix.lower() in PHOTO_SUFFIXES]
    if not photos:
        raise BatchError(
            f"{source} holds no photo.", f"Add photos; their names end in {', '.join(sorted(PHOTO_SUFFIXES))}."
        )
    return photos


def batch_id(photos: Sequence[BatchPhoto], model_digest: str) -> str:
    """The id of a batch, equal for equal photos and model, so that a second run finds the results of the first."""
    lines = [f"{photo.name}\t{photo.size_bytes}\t{photo.changed}\n" for photo in photos]
    return hashlib.sha256("".join([model_digest, *lines]).encode()).hexdigest()[:32]
