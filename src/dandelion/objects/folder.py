"""Objects as files, for one machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec
from typing_extensions import override

from dandelion.errors import ObjectNotFoundError, ObjectStoreError
from dandelion.objects.store import BUCKETS, CHUNK_BYTES, EXPIRING, ObjectStore, Stored, check_key

# Beside the buckets, so that a bucket's folder holds nothing but what people put there.
_FACTS = ".facts"


class _Facts(msgspec.Struct):
    """What a file does not say of itself.

    Attributes:
        sha256: Digest of its bytes.
        content_type: Media type.
        written_ns: The file's own time of change; a file that has another was replaced since.
    """

    sha256: str
    content_type: str
    written_ns: int


class FolderStore(ObjectStore):
    """One folder a bucket. Without versions or encryption: the disk's own are meant to do that.

    Args:
        root: Folder of the buckets.
        retention: Days that a bucket's objects are kept; the owner of the store calls `expire`.
    """

    def __init__(self, root: Path, retention: Mapping[str, int]) -> None:
        self._root = root
        self.retention = retention

    @override
    def prepare(self) -> Mapping[str, str]:
        with _as_ours("make the buckets"):
            for bucket in BUCKETS:
                (self._root / bucket).mkdir(parents=True, exist_ok=True)
        return {}

    @override
    def stat(self, bucket: str, key: str) -> Stored:
        check_key(key)
        with _as_ours(f"look at {bucket}/{key}"):
            return self._facts(bucket, key)

    @override
    def list_objects(self, bucket: str, prefix: str = "") -> Iterator[Stored]:
        root = self._root / bucket
        paths = (Path(folder) / name for folder, _, names in os.walk(root) for name in names)
        keys = [path.relative_to(root).as_posix() for path in paths]
        for key in sorted(key for key in keys if key.startswith(prefix)):
            try:
                found = (root / key).stat()
            except FileNotFoundError:
                continue  # removed meanwhile
            yield Stored(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    @override
    def delete(self, bucket: str, key: str) -> None:
        check_key(key)
        with _as_ours(f"delete {bucket}/{key}"):
            (self._root / bucket / key).unlink(missing_ok=True)
            (self._root / _FACTS / bucket / key).unlink(missing_ok=True)

    @override
    def expire(self, bucket: str, before: datetime) -> int:
        old = [found.key for found in self.list_objects(bucket, EXPIRING.get(bucket, "")) if found.modified_at < before]
        for key in old:
            self.delete(bucket, key)
        return len(old)

    @override
    def _write(self, bucket: str, key: str, stream: BinaryIO, facts: Stored) -> None:
        with _as_ours(f"write {bucket}/{key}"):
            with _replacing(self._root / bucket / key) as file:
                while chunk := stream.read(CHUNK_BYTES):
                    file.write(chunk)
                file.flush()
                written_ns = os.fstat(file.fileno()).st_mtime_ns
            with _replacing(self._root / _FACTS / bucket / key) as file:
                file.write(msgspec.json.encode(_Facts(facts.sha256 or "", facts.content_type, written_ns)))

    @override
    def _read(self, bucket: str, key: str) -> tuple[Stored, Iterator[bytes]]:
        check_key(key)
        with _as_ours(f"read {bucket}/{key}"):
            facts = self._facts(bucket, key)
            stream = (self._root / bucket / key).open("rb")

        def chunks() -> Iterator[bytes]:
            with stream, _as_ours(f"read {bucket}/{key}"):
                while chunk := stream.read(CHUNK_BYTES):
                    yield chunk

        return facts, chunks()

    def _facts(self, bucket: str, key: str) -> Stored:
        try:
            found = (self._root / bucket / key).stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectNotFoundError(f"There is no object {bucket}/{key}.") from error
        stored = Stored(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))
        try:
            told = msgspec.json.decode((self._root / _FACTS / bucket / key).read_bytes(), type=_Facts)
        except (FileNotFoundError, msgspec.MsgspecError):
            return stored  # put there by hand
        if told.written_ns != found.st_mtime_ns:
            return stored
        return replace(stored, sha256=told.sha256, content_type=told.content_type)


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its place only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _as_ours(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ObjectStoreError(
            f"Could not {what}: {error.strerror or error}.", "Check the disk under DANDELION_HOME."
        ) from error
