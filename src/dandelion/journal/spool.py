"""Lines on disk that wait to be shipped: appended before an answer leaves, in segments that are removed as a whole.

A line is in the kernel's hands once `append` returns, so it outlives a kill of the process. A segment belongs to the
process that holds its lock; one whose owner is gone is taken over by whoever looks first.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from uuid_utils import uuid7

SUFFIX = ".jsonl"
REFUSED = "refused.jsonl.kept"


@dataclass(slots=True)
class _Segment:
    path: Path
    descriptor: int
    size: int


class Spool:
    """One process's segments in a folder that others may share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._active: _Segment | None = None

    def append(self, lines: bytes) -> None:
        """Keep whole lines.

        Raises:
            OSError: The disk is full or gone; nothing of `lines` is kept.
        """
        segment = self._active or self._open()
        written = 0
        try:
            while written < len(lines):
                written += os.write(segment.descriptor, lines[written:])
        except OSError:
            os.ftruncate(segment.descriptor, segment.size)
            raise
        segment.size += len(lines)

    def rotate(self) -> None:
        """Close the segment that is written to, so that it can be shipped."""
        if self._active is not None:
            os.close(self._active.descriptor)  # which lets go of its lock
            self._active = None

    def segments(self) -> list[Path]:
        """Every segment, whoever writes to it, oldest first."""
        return sorted(self._folder.glob(f"*{SUFFIX}"))

    def size(self) -> int:
        """Bytes that wait."""
        return sum(_size(path) for path in self.segments())

    @contextmanager
    def take(self, path: Path) -> Iterator[bytes | None]:
        """The segment's bytes, while no other process has it; None when another has it or it is gone."""
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            yield None
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            yield None
            return
        try:
            with os.fdopen(os.dup(descriptor), "rb") as file:
                yield file.read()
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        """Forget a segment that was shipped."""
        path.unlink(missing_ok=True)

    def keep_refused(self, lines: bytes) -> None:
        """Set lines aside that can never be shipped, for a person to look at."""
        with (self._folder / REFUSED).open("ab") as file:
            file.write(lines)

    def _open(self) -> _Segment:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{uuid7()}{SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self._active = _Segment(path, descriptor, 0)
        return self._active


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
