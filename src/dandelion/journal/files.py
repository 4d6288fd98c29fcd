"""Files that wait in a folder which several processes may share: whose they are, how old, and what a kill left."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

from dandelion.db.tables import moment_of

# Of a file that is not whole yet, or not locked yet; nobody but its maker looks at it.
UNFINISHED = ".part"
# By then its maker is dead: it takes him milliseconds, and clocks of pods differ by less.
UNFINISHED_SECONDS = 3600


def claim(path: Path) -> int | None:
    """A descriptor that keeps a file for this process until it is closed; None when another has it or it is gone.

    Raises:
        OSError: The disk does not let us open or lock it.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)  # NFS locks only what may be written to
    except FileNotFoundError:
        return None
    ours = False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Without a name it was removed by the one who had it while we opened it.
        ours = os.fstat(descriptor).st_nlink > 0
    except BlockingIOError:
        pass
    except OSError as error:
        if error.errno != errno.ESTALE:  # NFS says so of a file that another machine removed
            raise
    finally:
        if not ours:
            os.close(descriptor)
    return descriptor if ours else None


def age_seconds(path: Path) -> float | None:
    """How long ago a file was made that a UUIDv7 names; None where somebody else named it."""
    try:
        made = moment_of(path.stem)
    except ValueError:
        return None
    return max(0.0, time.time() - made.timestamp())


def size_bytes(path: Path) -> int:
    """How long a file is; 0 when it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def remove_unfinished(folder: Path) -> list[Path]:
    """Remove what was begun by processes that a kill ended; return what that was."""
    oldest = time.time() - UNFINISHED_SECONDS
    removed = []
    for path in folder.glob(f"*{UNFINISHED}"):
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
                removed.append(path)
        except OSError:  # another was quicker, or the disk does not let us; neither is a reason not to start
            continue
    return removed
