"""Packages kept on this machine: shared by its processes, found by digest, and usable while MLflow is down."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import msgspec

from dandelion.domain import ModelVersion
from dandelion.errors import PackageError
from dandelion.package import ModelPackage, open_package

UNUSED_DAYS = 7
_FETCHING = ".fetching-"


def fetch_into(cache: Path, digest: str, fetch: Callable[[Path], Path]) -> ModelPackage:
    """The package of that digest from the folder `cache`; when it is not there, `fetch` brings it.

    Of several processes that want it at once one fetches, beside the cache, and renames what it verified. Before, it
    removes what fetches that broke off have left, and packages that no alias pointed at when it was last seen and that
    nobody used for `UNUSED_DAYS`: a rollback finds its package, and the disk does not fill with all there ever were.

    Args:
        cache: Folder of packages, one a digest.
        digest: What to look for.
        fetch: Downloads into the folder it is given and returns the package's folder.

    Raises:
        PackageError: What arrived is not sound, or is another package, or cannot be kept.
    """
    kept = cache / digest
    try:
        if (found := _sound(kept)) is not None:
            return found
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(cache):
            return _sound(kept) or _bring(kept, fetch)  # another may have brought it while we waited
    except OSError as error:
        raise PackageError(
            f"The package {digest[:12]} cannot be kept in {cache} ({error.strerror}).",
            "Make room there, and let this user write.",
        ) from error


def remember_alias(cache: Path, version: ModelVersion, alias: str) -> None:
    """Note that `alias` points at `version`, whose package is in the folder `cache`.

    Raises:
        OSError: The disk is full, say; what was noted before stays.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with suppress(OSError, ValueError):  # in use until now
        os.utime(cache / _read(_note(cache, alias)).digest)
    descriptor, name = tempfile.mkstemp(dir=cache, prefix=f".{alias}-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(msgspec.json.encode(asdict(version)))
        Path(name).replace(_note(cache, alias))
    finally:
        Path(name).unlink(missing_ok=True)


def recall_alias(cache: Path, alias: str) -> tuple[ModelVersion, ModelPackage] | None:
    """What `alias` pointed at when it was last seen, with its package; none when it never was.

    Raises:
        PackageError: The note or the package was damaged on disk.
    """
    note = _note(cache, alias)
    try:
        version = _read(note)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PackageError(f"{note} is damaged ({error}).", "Delete it.") from error
    return version, open_package(cache / version.digest)


def _sound(kept: Path) -> ModelPackage | None:
    if not kept.is_dir():
        return None
    with suppress(OSError):  # a cache that may only be read is one, too
        os.utime(kept)
    try:
        return open_package(kept)
    except PackageError:
        return None


def _bring(kept: Path, fetch: Callable[[Path], Path]) -> ModelPackage:
    _sweep(kept.parent)
    shutil.rmtree(kept, ignore_errors=True)  # damaged on disk
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=_FETCHING) as folder:
        package = open_package(fetch(Path(folder)))
        if package.digest != kept.name:
            raise PackageError(
                f"The registry promises the package {kept.name[:12]} and delivers {package.digest[:12]}.",
                "Somebody changed its artifacts: register the model again.",
            )
        os.utime(package.path)  # a copy may be as old as what it is of
        package.path.rename(kept)
    return open_package(kept)


def _sweep(cache: Path) -> None:
    """Remove what nobody needs; to be called alone, since it takes every fetch for one that broke off."""
    named = set()
    for note in cache.glob("*.json"):
        with suppress(OSError, ValueError):
            named.add(_read(note).digest)
    oldest = time.time() - UNUSED_DAYS * 24 * 3600
    for entry in cache.iterdir():
        is_package = re.fullmatch("[0-9a-f]{64}", entry.name)
        is_unused = is_package and entry.name not in named and entry.stat().st_mtime < oldest
        if is_unused or entry.name.startswith(_FETCHING):
            shutil.rmtree(entry, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else on this machine fetches into the folder meanwhile; a process that dies lets go."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(note: Path) -> ModelVersion:
    """What a note says; a ValueError where it says nothing that is one, be it JSON or no text at all."""
    return msgspec.json.decode(note.read_bytes(), type=ModelVersion)


def _note(cache: Path, alias: str) -> Path:
    return cache / f"{alias}.json"
