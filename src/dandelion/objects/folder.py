"""Objects as files, for one machine."""

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

# Beside the buckets, so that a bucket's folder holds nothing but what people put there, whole.
_FACTS = ".facts"
_UNFINISHED = ".unfinished"
# A file that is being written changes with every chunk; one that did not for so long was left by a process that died.
_LEFT_SECONDS = 3600.0


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
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @override
    def prepare(self) -> Mapping[str, str]:
        with _as_ours("make the buckets"):
            for bucket in BUCKETS:
                (self._root / bucket).mkdir(parents=True, exist_ok=True)
            self._remove_unfinished()
        return {}

    @override
    def stat(self, bucket: str, key: str) -> Stored:
        check_key(key)
        with _as_ours(f"look at {bucket}/{key}"), _present(bucket, key):
            return self._facts(bucket, key, (self._root / bucket / key).stat())

    @override
    def list_objects(self, bucket: str, prefix: str = "") -> Iterator[Stored]:
        root = self._root / bucket
        inside = PurePosixPath(prefix.rpartition("/")[0])  # what lies elsewhere need not be looked through
        start = root if inside.is_absolute() or ".." in inside.parts else root / inside
        with _as_ours(f"list {bucket}"):
            keys = [path.relative_to(root).as_posix() for path in _files(start)]
            # Hidden files are those of desktops and editors. Other names that we would not give are told of all the
            # same, for who goes through them says why one is of no use.
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
            self._remove(bucket, key)  # whatever its name: we found it there
        with _as_ours("remove what was left unfinished"):
            self._remove_unfinished()
        return len(old)

    @override
    def _write(self, bucket: str, key: str, stream: BinaryIO, facts: Stored) -> None:
        with _as_ours(f"write {bucket}/{key}"):
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
        with ExitStack() as opened, _as_ours(f"read {bucket}/{key}"):
            with _present(bucket, key):
                stream = opened.enter_context((self._root / bucket / key).open("rb"))
            # Of the file that is open: another may take its place meanwhile.
            facts = self._facts(bucket, key, os.fstat(stream.fileno()))
            opened.pop_all()

        def chunks() -> Iterator[bytes]:
            with stream, _as_ours(f"read {bucket}/{key}"):
                while chunk := stream.read(CHUNK_BYTES):
                    yield chunk

        return facts, chunks()

    def _facts(self, bucket: str, key: str, found: os.stat_result) -> Stored:
        stored = Stored(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))
        try:
            told = msgspec.json.decode((self._root / _FACTS / bucket / key).read_bytes(), type=_Facts)
        except (FileNotFoundError, msgspec.MsgspecError):
            return stored  # put there by hand
        if told.written_ns != found.st_mtime_ns:
            return stored
        return replace(stored, sha256=told.sha256, content_type=told.content_type)

    def _remove(self, bucket: str, key: str) -> bool:
        with _as_ours(f"delete {bucket}/{key}"):
            try:
                (self._root / bucket / key).unlink()
                there = True
            except FileNotFoundError:
                there = False
            (self._root / _FACTS / bucket / key).unlink(missing_ok=True)
        return there

    @contextmanager
    def _replacing(self, path: Path) -> Iterator[BinaryIO]:
        """A file that takes its place only when it is whole."""
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
        """What processes left that were killed: it may hold a photo, and no erasure finds it."""
        for path in (self._root / _UNFINISHED).glob("*"):
            with suppress(FileNotFoundError):  # finished meanwhile, or another process was quicker
                if time.time() - path.stat().st_mtime > _LEFT_SECONDS:
                    path.unlink()


def _files(start: Path) -> Iterator[Path]:
    """Every file below a folder that is there; one that cannot be read is no empty one, and raises."""

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # there is none, or it was removed meanwhile
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
def _as_ours(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ObjectStoreError(f"Could not {what} ({error}).", "Check the disk under DANDELION_HOME.") from error
