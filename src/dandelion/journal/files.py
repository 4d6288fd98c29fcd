"""Files that wait in a folder that several processes may share: their owners, ages and unfinished remains."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

from dandelion.db.tables import moment_of

# The suffix of a file that is not complete or not locked yet; only its writer touches it.
UNFINISHED = ".part"
# After that time the writer is dead: writing takes milliseconds, and the clocks of pods differ by less.
UNFINISHED_SECONDS = 3600


def claim(path: Path) -> int | None:
    """Lock a file for this process until the returned descriptor is closed; None if another has it or it is gone.

    Raises:
        OSError: The file cannot be opened or locked.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)  # NFS locks only writable files
    except FileNotFoundError:
        return None
    ours = False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A file without a name was removed by its owner while we opened it.
        ours = os.fstat(descriptor).st_nlink > 0
    except BlockingIOError:
        pass
    except OSError as error:
        if error.errno != errno.ESTALE:  # NFS: another machine removed the file
            raise
    finally:
        if not ours:
            os.close(descriptor)
    return descriptor if ours else None


def age_seconds(path: Path) -> float | None:
    """The age of a file, by the UUIDv7 in its name; None for a name without one."""
    try:
        created = moment_of(path.stem)
    except ValueError:
        return None
    return max(0.0, time.time() - created.timestamp())


def size_bytes(path: Path) -> int:
    """The size of a file; 0 if it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def remove_unfinished(folder: Path) -> list[Path]:
    """Remove the unfinished files of killed processes; return their paths."""
    oldest = time.time() - UNFINISHED_SECONDS
    removed = []
    for path in folder.glob(f"*{UNFINISHED}"):
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
                removed.append(path)
        except OSError:  # another process was quicker, or the disk refuses; the server starts all the same
            continue
    return removed
