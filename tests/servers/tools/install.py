"""What every way to install a program shares: where to look first, where to put it, and one at a time."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dandelion" / "tools"
DEBIAN_PATHS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
VERSION = re.compile(r"\bv?(\d+)\.(\d+)\.(\d+)")


class ToolMissingError(Exception):
    """A program that is neither there nor could be installed."""


def on_path(program: str) -> Path | None:
    """The program on PATH, or where Debian keeps the system's."""
    found = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *DEBIAN_PATHS]))
    return Path(found) if found else None


def new_enough(program: Path, ask: Sequence[str], version: str) -> bool:
    """Whether the program says that it is this version or a later one of the same major."""
    said = subprocess.run([str(program), *ask], capture_output=True, text=True, check=False)
    match, wanted = VERSION.search(said.stdout + said.stderr), VERSION.search(version)
    if match is None or wanted is None:
        return False
    have, need = ([int(part) for part in each.groups()] for each in (match, wanted))
    return have[0] == need[0] and have >= need


def run(argv: Sequence[str | Path], env: Mapping[str, str] | None = None, folder: Path | None = None) -> str:
    """What the command printed.

    Raises:
        ToolMissingError: It failed; with the end of what it said.
    """
    words = [str(part) for part in argv]
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=folder, check=False)
    if done.returncode:
        raise ToolMissingError(f"{' '.join(words)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


@contextmanager
def unfinished(folder: Path) -> Iterator[Path]:
    """An empty folder beside one that `alone` protects, to rename to it or a part of it once that is complete."""
    fresh = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def alone(name: str) -> Iterator[None]:
    """One process at a time installs what has this name; other things may be installed meanwhile."""
    locks = CACHE / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
