"""The spool: a local queue on disk. Lines are appended before a response leaves, and segments are removed whole.

Once `append` returns, the kernel has the line, so it survives a kill of the process. A segment belongs to the process
that holds its lock, and gets its name only once it is locked. If its owner is gone, the first process that finds the
segment takes it over.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from uuid_utils import uuid7

from dandelion.journal.files import UNFINISHED, claim, remove_unfinished, size_bytes

SUFFIX = ".jsonl"
REFUSED = "refused.jsonl.kept"


class Spool:
    """One process's segments in a folder that others may share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._active: int | None = None  # descriptor of the segment
        remove_unfinished(folder)  # they hold no line: a segment is renamed before its first one

    def append(self, lines: bytes) -> None:
        """Append complete lines.

        Raises:
            OSError: The disk is full or gone; nothing of `lines` is stored.
        """
        descriptor = self._open() if self._active is None else self._active
        size = os.fstat(descriptor).st_size
        try:
            _write_all(descriptor, lines)
        except OSError:
            try:
                os.ftruncate(descriptor, size)
            except OSError:
                # Half a line stays; the next one must not be appended to it.
                with suppress(OSError):
                    self.rotate()
            raise

    def rotate(self) -> None:
        """Close the active segment, so that it can be shipped.

        Raises:
            OSError: A network disk reports only now that it did not store the data; the segment is closed anyway.
        """
        if self._active is not None:
            # Cleared first: the descriptor is free even if closing fails, and may soon belong to another file.
            descriptor, self._active = self._active, None
            os.close(descriptor)  # which releases its lock

    def segments(self) -> list[Path]:
        """The segments of all processes, oldest first."""
        return sorted(self._folder.glob(f"*{SUFFIX}"))

    def size(self) -> int:
        """Size of all segments, bytes."""
        return sum(size_bytes(path) for path in self.segments())

    @contextmanager
    def take(self, path: Path) -> Iterator[bytes | None]:
        """Lock the segment and yield its bytes; None if another process has it or it is gone.

        Raises:
            OSError: It cannot be locked or read.
        """
        descriptor = claim(path)
        if descriptor is None:
            yield None
            return
        with os.fdopen(descriptor, "rb") as file:
            yield file.read()

    def remove(self, path: Path) -> None:
        """Remove a segment that was shipped."""
        path.unlink(missing_ok=True)

    def set_aside(self, lines: bytes) -> None:
        """Store lines that can never be shipped in a separate file, for a person to inspect.

        Raises:
            OSError: The disk is full, or another process writes the file; nothing of `lines` is stored.
        """
        with (self._folder / REFUSED).open("ab", buffering=0) as file:
            # Else the lines cut off after an error could be those of another process.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = file.seek(0, os.SEEK_END)
            try:
                _write_all(file.fileno(), lines)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(file.fileno(), size)
                raise

    def _open(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{uuid7()}{SUFFIX}"
        fresh = path.with_suffix(UNFINISHED)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fresh.rename(path)  # only now: another process would take over, and remove, an unlocked segment
        except OSError:
            os.close(descriptor)
            fresh.unlink(missing_ok=True)
            raise
        self._active = descriptor
        return descriptor


def _write_all(descriptor: int, lines: bytes) -> None:
    written = 0
    while written < len(lines):
        written += os.write(descriptor, lines[written:])
