"""Where a batch's photos are: a folder, or a bucket of the S3 server that the settings name."""

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
    """One photo of a batch.

    Attributes:
        place: The file's path, or the object's key.
        bucket: The object's bucket; empty for a file.
        size_bytes: Length, which tells a changed photo from the one of an earlier run.
        changed: When it was written, as text, for the same.
    """

    place: str
    bucket: str
    size_bytes: int
    changed: str

    @property
    def name(self) -> str:
        """What it is called in the answers."""
        return f"s3://{self.bucket}/{self.place}" if self.bucket else self.place

    def read(self, store: ObjectStore) -> bytes:
        """Its bytes.

        Raises:
            OSError: The file is gone.
            ObjectStoreError: The object is, or the store does not answer.
        """
        return store.get(self.bucket, self.place) if self.bucket else Path(self.place).read_bytes()


def list_photos(source: str, store: ObjectStore) -> list[BatchPhoto]:
    """Every photo under a folder, or under `s3://bucket/prefix`, by name; each once.

    Raises:
        BatchError: There is none.
        ObjectStoreError: The store does not answer.
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
        raise BatchError(f"{source} holds no photo.", f"Their names end in {', '.join(sorted(PHOTO_SUFFIXES))}.")
    return photos


def batch_id(photos: Sequence[BatchPhoto], model_digest: str) -> str:
    """The same for the same photos and model, so that a second run finds what the first has done."""
    lines = [f"{photo.name}\t{photo.size_bytes}\t{photo.changed}\n" for photo in photos]
    return hashlib.sha256("".join([model_digest, *lines]).encode()).hexdigest()[:32]
