"""Lines on disk that wait to be shipped: appended before an answer leaves, in segments that are removed as a whole.

A line is in the kernel's hands once `append` returns, so it outlives a kill of the process. A segment belongs to the
process that holds its lock, and has its name only once it is locked; one whose owner is gone is taken over by whoever
looks first.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from uuid_utils import uuid7

from dandelion.journal.files import UNFINISHED, claim, remove_unfinished, size_bytes

SUFFIX = ".jsonl"
REFUSED = "refused.jsonl.kept"


@dataclass(slots=True)
class _Segment:
    descriptor: int
    size: int


class Spool:
    """One process's segments in a folder that others may share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._active: _Segment | None = None
        remove_unfinished(folder)  # without a line: it is renamed before the first

    def append(self, lines: bytes) -> None:
        """Keep whole lines.

        Raises:
            OSError: The disk is full or gone; nothing of `lines` is kept.
        """
        segment = self._active or self._open()
        try:
            _write_all(segment.descriptor, lines)
        except OSError:
            try:
                os.ftruncate(segment.descriptor, segment.size)
            except OSError:
                # Half a line stays, to which the next must not be glued.
                with suppress(OSError):
                    self.rotate()
            raise
        segment.size += len(lines)

    def rotate(self) -> None:
        """Close the segment that is written to, so that it can be shipped.

        Raises:
            OSError: A network disk tells only now that it could not keep it; the segment is closed all the same.
        """
        if self._active is not None:
            # Forgotten first: the number is free even where closing fails, and soon means somebody else's file.
            descriptor, self._active = self._active.descriptor, None
            os.close(descriptor)  # which lets go of its lock

    def segments(self) -> list[Path]:
        """Every segment, whoever writes to it, oldest first."""
        return sorted(self._folder.glob(f"*{SUFFIX}"))

    def size(self) -> int:
        """Bytes that wait, whoever wrote them."""
        return sum(size_bytes(path) for path in self.segments())

    @contextmanager
    def take(self, path: Path) -> Iterator[bytes | None]:
        """The segment's bytes, while no other process has it; None when another has it or it is gone.

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
        """Forget a segment that was shipped."""
        path.unlink(missing_ok=True)

    def keep_refused(self, lines: bytes) -> None:
        """Set lines aside that can never be shipped, for a person to look at.

        Raises:
            OSError: The disk is full, or another process is at it; nothing of `lines` is kept.
        """
        with (self._folder / REFUSED).open("ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # else the end could be another's by the time it is cut
            size = file.seek(0, os.SEEK_END)
            try:
                _write_all(file.fileno(), lines)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(file.fileno(), size)
                raise

    def _open(self) -> _Segment:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{uuid7()}{SUFFIX}"
        fresh = path.with_suffix(UNFINISHED)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fresh.rename(path)  # unlocked under this name, another would take it for an orphan and remove it
        except OSError:
            os.close(descriptor)
            fresh.unlink(missing_ok=True)
            raise
        self._active = _Segment(descriptor, 0)
        return self._active


def _write_all(descriptor: int, lines: bytes) -> None:
    written = 0
    while written < len(lines):
        written += os.write(descriptor, lines[written:])
