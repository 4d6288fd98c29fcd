"""The folder of what visitors upload: what lies in it, the room that is left, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

# Gradio deletes the files that it knows of when they are older than this, and forgets only what it deletes itself: the
# sweep here comes one turn after it.
KEPT_SECONDS = 2 * 3600
SWEEP_SECONDS = 600
# What the smallest file takes, and each folder. Gradio gives every file a folder of its own.
BLOCK_BYTES = 4096
FILE_BYTES = 2 * BLOCK_BYTES


class Uploads:
    """Files in one folder, which Gradio writes and this counts and sweeps.

    Args:
        folder: Where they lie, and nothing else does.
        most_bytes: What they may take in all.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._held_bytes = 0
        self._counting = asyncio.Lock()
        self._earlier: list[set[str]] = []

    def has(self, path: str) -> bool:
        """Whether `path` is in the folder, also for Gradio, which fetches `http://a/../..` and so on."""
        named = Path(path)
        if not named.is_absolute() or ".." in named.parts:
            return False
        try:
            return named.resolve().is_relative_to(self._folder.resolve())
        except (ValueError, OSError):  # a null byte, a name too long
            return False

    async def hold(self, size_bytes: int) -> bool:
        """Keep room for what is to come, if there is so much: many at a time find no more than there is."""
        async with self._counting:
            held = self._held_bytes  # before the count: what is written meanwhile is better counted twice than never
            taken = await asyncio.to_thread(self._count_taken)
            if taken + held + size_bytes > self._most_bytes:
                return False
            self._held_bytes += size_bytes
            return True

    def release(self, size_bytes: int) -> None:
        """Give back room that was held: what it was for is written, or will not come."""
        self._held_bytes -= size_bytes

    @contextlib.asynccontextmanager
    async def tidied(self) -> AsyncIterator[None]:
        """Around one upload. Gradio leaves the files of one that broke off, or whose form names them otherwise."""
        earlier = await asyncio.to_thread(self._list_unfinished)
        self._earlier.append(earlier)
        try:
            yield
        finally:
            self._earlier.remove(earlier)
            for path in await asyncio.to_thread(self._list_unfinished):
                # One that came while another upload ran may be that one's, at whose end it is looked at again.
                if all(path in each for each in self._earlier):
                    await asyncio.to_thread(Path(path).unlink, missing_ok=True)

    async def tidy(self) -> None:
        """Sweep now."""
        await asyncio.to_thread(self.sweep, time.time())

    def sweep(self, now: float) -> None:
        """Remove files that are too old, whoever left them, and folders that are empty for a while."""
        for folder, _, names in os.walk(self._folder, topdown=False):
            for name in names:
                path = Path(folder, name)
                with contextlib.suppress(FileNotFoundError):  # just deleted
                    if now - path.stat().st_ctime > KEPT_SECONDS + SWEEP_SECONDS:
                        path.unlink()
            inside = Path(folder)
            with contextlib.suppress(OSError):  # something is in it
                if inside != self._folder and now - inside.stat().st_ctime > SWEEP_SECONDS:
                    inside.rmdir()

    def _list_unfinished(self) -> set[str]:
        """Gradio writes beside the folders, and moves a file into one of its own when all of the form is there."""
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
