"""Backup and restore of the embedded registry: its file as of one moment, its artifacts one by one.

MLflow writes absolute addresses of artifacts into its file, so a restore under another home folder rewrites them.
"""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, cast

import structlog

from dandelion.backup.mirror import collecting_failures
from dandelion.errors import BackupError, ObjectKeyError
from dandelion.objects import MLFLOW, ObjectStore
from dandelion.objects.store import check_key
from dandelion.registry.registry import ARTIFACTS, FILE, artifacts_uri
from dandelion.settings import Settings

log = structlog.get_logger(__name__)


def dump_registry(settings: Settings, file: Path) -> None:
    """Compress the registry's file, if there is one; the registry of a server needs its own backup."""
    source = settings.home / FILE
    if settings.registry.uri is not None or not source.exists():
        return
    with tempfile.NamedTemporaryFile(suffix=".db") as held:
        with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(held.name)) as writing:
            reading.backup(writing)
        with Path(held.name).open("rb") as plain, gzip.open(file, "wb") as packed:
            shutil.copyfileobj(plain, cast("IO[bytes]", packed))


def restore_registry(settings: Settings, file: Path, home: Path) -> None:
    """Restore a registry to a home folder that has none.

    Args:
        settings: The settings of the home folder.
        file: The file that `dump_registry` wrote.
        home: The home folder of the original.

    Raises:
        BackupError: The file is not a compressed registry.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".registry-", dir=settings.home) as folder:
        fresh = Path(folder) / FILE
        try:
            with gzip.open(file, "rb") as packed, fresh.open("wb") as plain:
                shutil.copyfileobj(packed, plain)
            if artifacts_uri(home) != artifacts_uri(settings.home):
                _rewrite(fresh, artifacts_uri(home), artifacts_uri(settings.home))
        except (EOFError, gzip.BadGzipFile, zlib.error, sqlite3.DatabaseError) as error:
            raise BackupError(
                f"The registry in this backup cannot be read ({error}).", "Restore another backup."
            ) from error
        for left in settings.home.glob(f"{FILE}-*"):
            left.unlink()  # journals of the lost file, which SQLite would apply to this one
        fresh.replace(settings.home / FILE)


def copy_artifacts(settings: Settings, second: ObjectStore) -> int:
    """Copy artifacts, which never change once written, to the second place; return how many."""
    root = settings.home / ARTIFACTS
    if settings.registry.uri is not None or not root.is_dir():
        return 0
    there = {found.key: found.size_bytes for found in second.list_objects(MLFLOW, f"{ARTIFACTS}/")}
    copied = 0
    for file in root.rglob("*"):
        key = f"{ARTIFACTS}/{file.relative_to(root).as_posix()}"
        try:
            if file.is_file() and there.get(key) != file.stat().st_size:
                second.put_file(MLFLOW, key, file)
                copied += 1
        except (ObjectKeyError, FileNotFoundError) as error:  # a key that not every store accepts, or deleted meanwhile
            log.warning("artifact_not_copied", key=key, reason=str(error))
    return copied


def restore_artifacts(settings: Settings, second: ObjectStore) -> tuple[int, Mapping[tuple[str, str], str]]:
    """Copy back missing artifacts; return how many, and those that failed with the reason.

    Raises:
        ObjectStoreError: The second place does not respond; rerun to resume.
    """
    copied = 0
    failed: dict[tuple[str, str], str] = {}
    if settings.registry.uri is None:
        for found in second.list_objects(MLFLOW, f"{ARTIFACTS}/"):
            with collecting_failures(MLFLOW, found.key, [], failed, second):
                check_key(found.key)
                file = settings.home / found.key
                if not file.exists():
                    file.parent.mkdir(parents=True, exist_ok=True)
                    second.get_file(MLFLOW, found.key, file)
                    copied += 1
    return copied, failed


def _rewrite(file: Path, old: str, new: str) -> None:
    """Move every address from `old` to `new`, in every column of every table."""
    with closing(sqlite3.connect(file)) as connection, connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        columns = [
            (table, row[1]) for (table,) in tables for row in connection.execute(f'PRAGMA table_info("{table}")')
        ]
        for table, column in columns:
            connection.execute(
                f'UPDATE "{table}" SET "{column}" = :new || substr("{column}", length(:old) + 1) '  # noqa: S608 -- names of its own schema
                f"WHERE substr(\"{column}\" || '/', 1, length(:old) + 1) = :old || '/'",
                {"old": old, "new": new},
            )
