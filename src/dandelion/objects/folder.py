"""An object store in a folder, for one machine."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import msgspec
from typing_extensions import override

from dandelion.errors import ObjectNotFoundError, ObjectStoreError
from dandelion.objects.store import BUCKETS, CHUNK_BYTES, EXPIRING, ObjectStore, Stored, check_key

# Beside the buckets, so that a bucket's folder holds only complete objects.
_FACTS = ".facts"
_UNFINISHED = ".unfinished"
# A file that is being written changes with every chunk. One that has not changed for so long is of a dead process.
_LEFT_SECONDS = 3600.0


class _Facts(msgspec.Struct):
    """Facts about an object that its file does not hold."""

    sha256: str
    content_type: str
    written_ns: int  # modification time of the file; a file with another time was replaced since


class FolderStore(ObjectStore):
    """One folder a bucket. It has neither versions nor encryption; use those of the disk.

    Args:
        root: Folder of the buckets.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @override
    def prepare(self) -> Mapping[str, str]:
        with _translating("create the buckets"):
            for bucket in BUCKETS:
                (self._root / bucket).mkdir(parents=True, exist_ok=True)
            self._remove_unfinished()
        return {}

    @override
    def stat(self, bucket: str, key: str) -> Stored:
        check_key(key)
        with _translating(f"inspect {bucket}/{key}"), _present(bucket, key):
            return self._facts(bucket, key, (self._root / bucket / key).stat())

    @override
    def list_objects(self, bucket: str, prefix: str = "") -> Iterator[Stored]:
        root = self._root / bucket
        inside = PurePosixPath(prefix.rpartition("/")[0])  # other folders need not be walked
        start = root if inside.is_absolute() or ".." in inside.parts else root / inside
        with _translating(f"list {bucket}"):
            keys = [path.relative_to(root).as_posix() for path in _files(start)]
            # Hidden files belong to desktops and editors. Other names that are no valid keys are listed all the same,
            # so that callers can report why they skip them.
            for key in sorted(key for key in keys if key.startswith(prefix) and "/." not in f"/{key}"):
                try:
                    found = (root / key).stat()
                except FileNotFoundError:
                    continue  # removed meanwhile
                yield Stored(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    @override
    def delete(self, bucket: str, key: str) -> bool:
        check_key(key)
        return self._remove(bucket, key)

    @override
    def expire(self, bucket: str, before: datetime) -> int:
        old = [found.key for found in self.list_objects(bucket, EXPIRING.get(bucket, "")) if found.modified_at < before]
        for key in old:
            self._remove(bucket, key)  # even with an invalid key: it exists
        with _translating("remove unfinished files"):
            self._remove_unfinished()
        return len(old)

    @override
    def _write(self, bucket: str, key: str, stream: BinaryIO, facts: Stored) -> None:
        with _translating(f"write {bucket}/{key}"):
            with self._replacing(self._root / bucket / key) as file:
                while chunk := stream.read(CHUNK_BYTES):
                    file.write(chunk)
                file.flush()
                written_ns = os.fstat(file.fileno()).st_mtime_ns
            with self._replacing(self._root / _FACTS / bucket / key) as file:
                file.write(msgspec.json.encode(_Facts(facts.sha256 or "", facts.content_type, written_ns)))

    @override
    def _read(self, bucket: str, key: str) -> tuple[Stored, Iterator[bytes]]:
        check_key(key)
        with ExitStack() as opened, _translating(f"read {bucket}/{key}"):
            with _present(bucket, key):
                stream = opened.enter_context((self._root / bucket / key).open("rb"))
            # Of the open file: another may replace it meanwhile.
            facts = self._facts(bucket, key, os.fstat(stream.fileno()))
            opened.pop_all()

        def chunks() -> Iterator[bytes]:
            with stream, _translating(f"read {bucket}/{key}"):
                while chunk := stream.read(CHUNK_BYTES):
                    yield chunk

        return facts, chunks()

    def _facts(self, bucket: str, key: str, found: os.stat_result) -> Stored:
        stored = Stored(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))
        try:
            facts = msgspec.json.decode((self._root / _FACTS / bucket / key).read_bytes(), type=_Facts)
        except (FileNotFoundError, msgspec.MsgspecError):
            return stored  # put there by hand
        if facts.written_ns != found.st_mtime_ns:
            return stored
        return replace(stored, sha256=facts.sha256, content_type=facts.content_type)

    def _remove(self, bucket: str, key: str) -> bool:
        with _translating(f"delete {bucket}/{key}"):
            try:
                (self._root / bucket / key).unlink()
                there = True
            except FileNotFoundError:
                there = False
            (self._root / _FACTS / bucket / key).unlink(missing_ok=True)
        return there

    @contextmanager
    def _replacing(self, path: Path) -> Iterator[BinaryIO]:
        """A file that replaces `path` only when it is complete."""
        unfinished = self._root / _UNFINISHED
        for folder in (unfinished, path.parent):
            folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=unfinished)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _remove_unfinished(self) -> None:
        """Remove the unfinished files of killed processes: one may hold a photo that no erasure finds."""
        for path in (self._root / _UNFINISHED).glob("*"):
            with suppress(FileNotFoundError):  # completed meanwhile, or another process was quicker
                if time.time() - path.stat().st_mtime > _LEFT_SECONDS:
                    path.unlink()


def _files(start: Path) -> Iterator[Path]:
    """Every file below a folder. A missing folder is empty; one that cannot be read raises."""

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # missing, or removed meanwhile
            raise error

    for folder, inside, names in os.walk(start, onerror=refuse):
        inside[:] = [name for name in inside if not name.startswith(".")]  # nothing in them is an object
        yield from (Path(folder) / name for name in names)


@contextmanager
def _present(bucket: str, key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ObjectNotFoundError(f"There is no object {bucket}/{key}.") from error


@contextmanager
def _translating(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ObjectStoreError(f"Could not {what} ({error}).", "Check the disk under DANDELION_HOME.") from error
