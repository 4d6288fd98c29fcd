"""The interface of every object store: complete objects, by bucket and key, that read back as they were written."""

from __future__ import annotations

import hashlib
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from dandelion.errors import ObjectCorruptError, ObjectKeyError, ObjectNotFoundError, ObjectStoreError
from dandelion.files.replacing import replacing

MLFLOW = "mlflow-artifacts"
DATA_LAKE = "data-lake"
PROCESSED = "processed-data"
BACKUPS = "backups"
BUCKETS = (MLFLOW, DATA_LAKE, PROCESSED, BACKUPS)
# Buckets of which only a part expires: photos that people put into the data lake stay until they remove them.
EXPIRING = {DATA_LAKE: "predicted/"}

CHUNK_BYTES = 1 << 20
BINARY = "application/octet-stream"
_NAMES = frozenset({"", ".", ".."})  # S3 clients change keys that contain these
# A subset that every S3 server, every file system and every URL accepts unchanged.
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._=@+-]*(/[A-Za-z0-9_-][A-Za-z0-9._=@+-]*)*")
_MAX_KEY_LENGTH = 512


@dataclass(frozen=True, slots=True)
class Stored:
    """One object.

    Attributes:
        key: Its name in the bucket.
        size_bytes: Length.
        modified_at: When it was written, UTC.
        sha256: Digest of its bytes; None in a listing.
        content_type: Media type.
    """

    key: str
    size_bytes: int
    modified_at: datetime
    sha256: str | None = None
    content_type: str = BINARY


class ObjectStore(ABC):
    """A folder or an S3 server. Every method blocks; call it in a thread. Safe to share between threads.

    Every method may raise `ObjectStoreError` if the server does not respond or refuses.
    """

    @abstractmethod
    def prepare(self) -> Mapping[str, str]:
        """Create the missing buckets and switch on the server's features; harmless if done before.

        Returns:
            Features that could not be switched on, with the reason.
        """

    @abstractmethod
    def stat(self, bucket: str, key: str) -> Stored:
        """The facts about an object.

        Raises:
            ObjectNotFoundError: No such object.
        """

    @abstractmethod
    def list_objects(self, bucket: str, prefix: str = "") -> Iterator[Stored]:
        """Objects whose key begins with `prefix`, in the order of their keys."""

    def list_keys(self, bucket: str, prefix: str = "") -> set[str]:
        """Keys that begin with `prefix` and have any version, including deleted and expired objects."""
        return {found.key for found in self.list_objects(bucket, prefix)}

    @abstractmethod
    def delete(self, bucket: str, key: str) -> bool:
        """Remove an object and all its earlier versions; return whether there was one."""

    @abstractmethod
    def expire(self, bucket: str, before: datetime) -> int:
        """Remove objects written before a time, if the store does not do that itself; return how many.

        In the data lake, only photos of predictions expire.
        """

    @abstractmethod
    def _write(self, bucket: str, key: str, stream: BinaryIO, facts: Stored) -> None: ...

    @abstractmethod
    def _read(self, bucket: str, key: str) -> tuple[Stored, Iterator[bytes]]: ...

    def put(self, bucket: str, key: str, data: bytes, *, content_type: str = BINARY) -> Stored:
        """Write an object; it atomically replaces an earlier object of that key."""
        return self._put(bucket, key, io.BytesIO(data), content_type)

    def put_file(self, bucket: str, key: str, path: Path, *, content_type: str = BINARY) -> Stored:
        """Write an object from a file of any size, in parts."""
        with path.open("rb") as stream:
            return self._put(bucket, key, stream, content_type)

    def put_new(self, bucket: str, key: str, data: bytes, *, content_type: str = BINARY) -> bool:
        """Write an object unless there is one of that key; return whether it was written.

        Of two processes that write at once, one does, if the server has conditional writes.
        """
        try:
            self.stat(bucket, key)
        except ObjectNotFoundError:
            self.put(bucket, key, data, content_type=content_type)
            return True
        return False

    def get(self, bucket: str, key: str) -> bytes:
        """An object's bytes.

        Raises:
            ObjectNotFoundError: No such object.
            ObjectCorruptError: The bytes differ from those that were written.
        """
        return b"".join(self.read(bucket, key))

    def get_file(self, bucket: str, key: str, path: Path) -> None:
        """Read an object of any size into a file, which appears only when it is complete."""
        with replacing(path) as fresh, fresh.open("wb") as stream:
            for chunk in self.read(bucket, key):
                stream.write(chunk)

    def read(self, bucket: str, key: str) -> Iterator[bytes]:
        """An object in chunks as they arrive; a damaged one ends with an error instead of its last chunk.

        Raises:
            ObjectNotFoundError: No such object.
            ObjectCorruptError: The bytes differ from those that were written.
        """
        facts, chunks = self._read(bucket, key)
        digest, size, held = hashlib.sha256(), 0, b""
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            if held:
                yield held
            held = chunk
        if size != facts.size_bytes or (facts.sha256 and digest.hexdigest() != facts.sha256):
            raise ObjectCorruptError(
                f"{bucket}/{key} reads as {size} bytes with SHA-256 {digest.hexdigest()[:12]}; "
                f"{facts.size_bytes} with {(facts.sha256 or '?')[:12]} were written.",
                "Restore it from a backup or an earlier version.",
            )
        yield held

    def _put(self, bucket: str, key: str, stream: BinaryIO, content_type: str) -> Stored:
        check_key(key)
        digest, size = hashlib.sha256(), 0
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
        stream.seek(0)
        facts = Stored(key, size, datetime.now(UTC), digest.hexdigest(), content_type)
        self._write(bucket, key, cast("BinaryIO", _Again(stream, facts)), facts)
        return facts


class _Again:
    """A stream that is read a second time. If it changed since, it ends with an error instead of its last bytes.

    Bytes that were appended since are left out.
    """

    def __init__(self, stream: BinaryIO, before: Stored) -> None:
        self._stream = stream
        self._before = before
        self._digest = hashlib.sha256()
        self._left = before.size_bytes

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(min(size, self._left))
        self._digest.update(chunk)
        self._left -= len(chunk)
        if not (chunk and self._left) and self._digest.hexdigest() != self._before.sha256:
            raise ObjectStoreError(
                f"{self._before.key} was not written: its source changed meanwhile.", "Write it again."
            )
        return chunk


def check_foreign_key(key: str) -> None:
    """Refuse keys that S3 clients would change. Objects of other programs may have keys that ours may not have.

    Raises:
        ObjectKeyError: The key cannot be requested.
    """
    if not _NAMES.isdisjoint(key.split("/")) or not key.isprintable():
        raise ObjectKeyError(
            f"{key[:100]!r} is not a valid object key.", "Remove `.`, `..`, empty names and unprintable characters."
        )


def check_key(key: str) -> None:
    """Refuse keys that not every store accepts unchanged.

    Raises:
        ObjectKeyError: The key is not portable.
    """
    if len(key) > _MAX_KEY_LENGTH or _KEY.fullmatch(key) is None:
        raise ObjectKeyError(
            f"{key[:100]!r} is not a valid object key.",
            f"Use up to {_MAX_KEY_LENGTH} letters, digits, ._=@+- and single slashes between names.",
        )
