"""The spool of photos: a local queue on disk, one file a photo, which appears when it is complete.

If several processes share the folder, the one that holds a photo's lock ships it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from dandelion.journal.files import UNFINISHED, age_seconds, claim, size_bytes
from dandelion.objects import PHOTO_TYPES
from dandelion.settings import Settings
from dandelion.telemetry import instruments

RESERVE_BYTES = 128 * 1024 * 1024

log = structlog.get_logger(__name__)


def remove_erased(folder: Path, prediction_id: str) -> None:
    """Remove a waiting photo, unless a process is shipping it: that process removes it after it has read the row.

    If it were removed here, nobody would delete the object that an interrupted shipment has already put.
    """
    for suffix in PHOTO_TYPES:
        path = folder / f"{prediction_id}{suffix}"
        if (held := claim(path)) is not None:
            path.unlink(missing_ok=True)
            os.close(held)


class PhotoSpool:
    """The photos that wait in a folder, as one process sees them.

    Attributes:
        size_bytes: Size of the waiting photos, when this process last measured it.
    """

    def __init__(self, settings: Settings) -> None:
        self._max_bytes = settings.journal.max_photo_bytes
        self._folder = settings.photo_spool
        self._rows = settings.spool
        self._claims: dict[Path, int] = {}
        self._stuck: set[Path] = set()
        self.size_bytes = 0
        self.list_waiting()

    def add(self, prediction_id: str, suffix: str, data: bytes) -> str:
        """Store a photo; return why that failed, or an empty string."""
        path = self._folder / f"{prediction_id}{suffix}"
        fresh = path.with_suffix(UNFINISHED)
        try:
            if why := self._no_room(len(data)):
                return why
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                fresh.write_bytes(data)
                fresh.rename(path)
            except BaseException:
                fresh.unlink(missing_ok=True)
                raise
        except OSError as error:
            return str(error)
        self._count(len(data))
        return ""

    def list_waiting(self) -> list[Path]:
        """Photos that wait, oldest first. Their size is measured again, since other processes ship and erase some."""
        before = self.size_bytes
        try:
            with os.scandir(self._folder) as found:
                paths = sorted(Path(entry.path) for entry in found)
        except FileNotFoundError:
            paths = []
        photos = [path for path in paths if path.suffix in PHOTO_TYPES and age_seconds(path) is not None]
        # A photo added meanwhile may count twice until the next call.
        self._count(sum(size_bytes(path) for path in photos) - before)
        return photos

    def claim(self, paths: Sequence[Path]) -> list[Path]:
        """Lock photos for this process until `release`; return those it got. Other processes have or shipped the rest.

        A photo that cannot be opened or locked stays where it is and does not block the others.
        """
        for path in paths:
            if path in self._claims:
                continue  # a task that was cancelled does not stop the thread that claims for it
            try:
                descriptor = claim(path)
            except OSError as error:
                self.leave(path, error)
                continue
            if descriptor is not None:
                self._claims[path] = descriptor
        return [path for path in paths if path in self._claims]

    def leave(self, path: Path, error: OSError) -> None:
        """Log once that a photo cannot be read from disk; the next turn tries it again."""
        if path not in self._stuck:
            log.warning("photo_stuck", photo=path.name, reason=str(error))
            self._stuck.add(path)

    def release(self) -> None:
        """Unlock the claimed photos."""
        while self._claims:
            _, descriptor = self._claims.popitem()
            with suppress(OSError):  # nothing was written, so nothing can be lost
                os.close(descriptor)

    def remove(self, path: Path) -> None:
        """Remove a photo that was shipped or dropped."""
        size = size_bytes(path)
        path.unlink(missing_ok=True)
        self._count(-size)

    def _no_room(self, size: int) -> str:
        """Why a photo must not be spooled, or an empty string. Rows have priority over photos."""
        if self.size_bytes + size > self._max_bytes:
            return f"{self.size_bytes} bytes of photos wait, and the limit is {self._max_bytes}"
        disk = shutil.disk_usage(self._folder if self._folder.exists() else self._rows.parent)
        if disk.free - size < min(RESERVE_BYTES, disk.total // 4):
            return f"only {disk.free} bytes of disk are free, which are reserved for predictions"
        return ""

    def _count(self, size: int) -> None:
        self.size_bytes = max(0, self.size_bytes + size)
        instruments.PHOTOS_BYTES.set(self.size_bytes)
