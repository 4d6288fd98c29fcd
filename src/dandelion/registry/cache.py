"""The cache of model packages on this machine: shared by its processes, and usable while MLflow is down."""

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
    """The package of that digest from the folder `cache`; if it is missing, `fetch` downloads it into a given folder.

    If several processes need it at once, one of them fetches it into a temporary folder, verifies it and renames it.
    Before that, it removes the remains of interrupted fetches, and packages that were not used for `UNUSED_DAYS` and
    that no alias last pointed at. So a rollback finds its package, and the disk does not fill with all earlier ones.

    Raises:
        PackageError: The download is damaged, is another package, or cannot be stored.
    """
    stored = cache / digest
    try:
        if (found := _intact(stored)) is not None:
            return found
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(cache):
            return _intact(stored) or _fetch(stored, fetch)  # another process may have fetched it meanwhile
    except OSError as error:
        raise PackageError(
            f"The package {digest[:12]} cannot be stored in {cache} ({error.strerror}).",
            "Free disk space there, and let this user write to the folder.",
        ) from error


def remember_alias(cache: Path, version: ModelVersion, alias: str) -> None:
    """Write down that `alias` points at `version`, whose package is in the folder `cache`.

    Raises:
        OSError: The disk is full, for example; an earlier note stays.
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
    """The version that `alias` last pointed at, with its package; None if there is no note.

    Raises:
        PackageError: The note or the package is damaged.
    """
    note = _note(cache, alias)
    try:
        version = _read(note)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PackageError(f"{note} is damaged ({error}).", "Delete this file.") from error
    return version, open_package(cache / version.digest)


def _intact(stored: Path) -> ModelPackage | None:
    if not stored.is_dir():
        return None
    with suppress(OSError):  # a read-only cache works, too
        os.utime(stored)
    try:
        return open_package(stored)
    except PackageError:
        return None


def _fetch(stored: Path, fetch: Callable[[Path], Path]) -> ModelPackage:
    _sweep(stored.parent)
    shutil.rmtree(stored, ignore_errors=True)  # damaged on disk
    with tempfile.TemporaryDirectory(dir=stored.parent, prefix=_FETCHING) as folder:
        package = open_package(fetch(Path(folder)))
        if package.digest != stored.name:
            raise PackageError(
                f"The registry lists the package {stored.name[:12]} but delivers {package.digest[:12]}.",
                "Its artifacts were changed: register the model again.",
            )
        os.utime(package.path)  # a copy may have the age of its original
        package.path.rename(stored)
    return open_package(stored)


def _sweep(cache: Path) -> None:
    """Remove unused packages and remains. The caller must hold the lock: every other fetch counts as interrupted."""
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
    """Lock the folder against other fetches on this machine; a process that dies releases the lock."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(note: Path) -> ModelVersion:
    """Read a note; raises ValueError if it is damaged, whether as JSON or as text."""
    return msgspec.json.decode(note.read_bytes(), type=ModelVersion)


def _note(cache: Path, alias: str) -> Path:
    return cache / f"{alias}.json"
