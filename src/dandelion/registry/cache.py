"""Packages kept on this machine: shared by its processes, found by digest, and usable while MLflow is down."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import msgspec

from dandelion.domain import ModelVersion
from dandelion.errors import PackageError
from dandelion.package import ModelPackage, open_package


def fetch_into(cache: Path, digest: str, fetch: Callable[[Path], Path]) -> ModelPackage:
    """The package of that digest from the folder `cache`; when it is not there, `fetch` brings it.

    Of several processes that want it at once one fetches, beside the cache, and renames what it verified.

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
    """Note that `alias` points at `version`, whose package is in the folder `cache`."""
    cache.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=cache, prefix=f".{alias}-")
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(msgspec.json.encode(asdict(version)))
    Path(name).replace(_note(cache, alias))


def recall_alias(cache: Path, alias: str) -> tuple[ModelVersion, ModelPackage] | None:
    """What `alias` pointed at when it was last seen, with its package; none when it never was.

    Raises:
        PackageError: The note or the package was damaged on disk.
    """
    note = _note(cache, alias)
    try:
        version = msgspec.json.decode(note.read_bytes(), type=ModelVersion)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # bytes that are no text raise no MsgspecError, but both are ValueErrors
        raise PackageError(f"{note} is damaged ({error}).", "Delete it.") from error
    return version, open_package(cache / version.digest)


def _sound(kept: Path) -> ModelPackage | None:
    try:
        return open_package(kept) if kept.is_dir() else None
    except PackageError:
        return None


def _bring(kept: Path, fetch: Callable[[Path], Path]) -> ModelPackage:
    shutil.rmtree(kept, ignore_errors=True)  # damaged on disk
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".fetching-") as folder:
        package = open_package(fetch(Path(folder)))
        if package.digest != kept.name:
            raise PackageError(
                f"The registry promises the package {kept.name[:12]} and delivers {package.digest[:12]}.",
                "Somebody changed its artifacts: register the model again.",
            )
        package.path.rename(kept)
    return open_package(kept)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else on this machine fetches into the folder meanwhile; a process that dies lets go."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _note(cache: Path, alias: str) -> Path:
    return cache / f"{alias}.json"
