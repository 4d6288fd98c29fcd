"""The folder of visitors' uploads: its contents, its free space, and its cleanup."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

# Gradio deletes the files that it knows of when they are older than this, and forgets only files that it deletes
# itself. So the sweep here runs one interval later.
MAX_AGE_SECONDS = 2 * 3600
SWEEP_SECONDS = 600
# Disk space of the smallest file and of each folder. Gradio creates one folder per file.
BLOCK_BYTES = 4096
FILE_BYTES = 2 * BLOCK_BYTES


class Uploads:
    """Files in one folder, which Gradio writes and this class counts and deletes.

    Args:
        folder: A folder for uploads only.
        max_bytes: Maximum size of all uploads.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._counting = asyncio.Lock()
        self._earlier: list[set[str]] = []

    def has(self, path: str) -> bool:
        """Return whether `path` is in the folder; safe against `http://a/../..`, which Gradio would fetch."""
        named = Path(path)
        if not named.is_absolute() or ".." in named.parts:
            return False
        try:
            return named.resolve().is_relative_to(self._folder.resolve())
        except (ValueError, OSError):  # a null byte, a name too long
            return False

    async def hold(self, size_bytes: int) -> bool:
        """Reserve space for an upload; return False if there is too little. Safe for concurrent uploads."""
        async with self._counting:
            held = self._held_bytes  # read before the count, so that bytes written meanwhile count twice, not never
            taken = await asyncio.to_thread(self._count_taken)
            if taken + held + size_bytes > self._max_bytes:
                return False
            self._held_bytes += size_bytes
            return True

    def release(self, size_bytes: int) -> None:
        """Release reserved space once the bytes are written or the upload has failed."""
        self._held_bytes -= size_bytes

    @contextlib.asynccontextmanager
    async def tidied(self) -> AsyncIterator[None]:
        """Delete what one upload leaves behind: Gradio leaves files of aborted uploads and of other form fields."""
        earlier = await asyncio.to_thread(self._list_unfinished)
        self._earlier.append(earlier)
        try:
            yield
        finally:
            self._earlier.remove(earlier)
            for path in await asyncio.to_thread(self._list_unfinished):
                # A file that appeared during another upload may belong to it, and is checked again at its end.
                if all(path in each for each in self._earlier):
                    await asyncio.to_thread(Path(path).unlink, missing_ok=True)

    async def tidy(self) -> None:
        """Delete old files and empty folders now."""
        await asyncio.to_thread(self.sweep, time.time())

    def sweep(self, now: float) -> None:
        """Delete files that are too old and folders that have been empty for a while."""
        for folder, _, names in os.walk(self._folder, topdown=False):
            for name in names:
                path = Path(folder, name)
                with contextlib.suppress(FileNotFoundError):  # just deleted
                    if now - path.stat().st_ctime > MAX_AGE_SECONDS + SWEEP_SECONDS:
                        path.unlink()
            inside = Path(folder)
            with contextlib.suppress(OSError):  # the folder is not empty
                if inside != self._folder and now - inside.stat().st_ctime > SWEEP_SECONDS:
                    inside.rmdir()

    def _list_unfinished(self) -> set[str]:
        """List the files of unfinished uploads: Gradio moves a file into a folder once its form is complete."""
        with os.scandir(self._folder) as entries:
            return {entry.path for entry in entries if entry.is_file()}

    def _count_taken(self) -> int:
        total = 0
        for folder, folders, names in os.walk(self._folder):
            total += BLOCK_BYTES * len(folders)
            for name in names:
                with contextlib.suppress(FileNotFoundError):  # just deleted
                    found = Path(folder, name).stat()
                    total += max(found.st_size, 512 * found.st_blocks, BLOCK_BYTES)
        return total
