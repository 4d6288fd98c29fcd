"""Records of restores that run once, whatever starts them again: a Job of Kubernetes may be made anew at any time.

    data-lake/restores/<id>.json    written before the databases are replaced, and once more when they are

No restore replaces that object, no rule of retention removes it, and every copy of the store includes it.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dandelion.errors import BackupError, ObjectNotFoundError
from dandelion.objects import BACKUPS, DATA_LAKE, ObjectStore

PREFIX = "restores/"
_ID = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_LAST_LINE = b"-- Dump completed"


@dataclass(frozen=True, slots=True)
class RestoreRecord:
    """A restore that has begun.

    Attributes:
        id: Its name, given by people.
        dump: Key of the dump in the bucket `backups`.
        target: The databases that it replaces, in words.
        began_at: When it began to replace them, UTC.
        ended_at: When it ended; None while it runs, and until somebody says that it broke off.
        broke_off: Whether it ended before the databases were complete.
    """

    id: str
    dump: str
    target: str
    began_at: str
    ended_at: str | None = None
    broke_off: bool = False

    @property
    def message(self) -> str:
        """A sentence for people about a restore that has ended."""
        if self.broke_off:
            return f"The restore {self.id} broke off, and {self.target} may be incomplete."
        return f"The restore {self.id} replaced {self.target} by {self.dump} at {self.ended_at}."


def find_restore(store: ObjectStore, name: str) -> RestoreRecord | None:
    """The record of a restore; None if it has not begun.

    Raises:
        BackupError: The name is not one.
    """
    if _ID.fullmatch(name) is None:
        raise BackupError(
            f"{name!r} is not the id of a restore.", "Use up to 63 lower-case letters, digits, dots and hyphens."
        )
    try:
        return RestoreRecord(**json.loads(store.get(DATA_LAKE, _key(name))))
    except ObjectNotFoundError:
        return None


def _at_once(call: Callable[..., Any], *arguments: object) -> Any:
    return call(*arguments)


def begin_restore(
    store: ObjectStore, name: str, dump: str, target: str, file: Path, *, wait: Callable[..., Any] = _at_once
) -> RestoreRecord | None:
    """Fetch a dump for a restore, and write down that it begins; return its record instead if it has ended.

    Until that is written, nothing has begun, and the restore can be started again.

    Args:
        store: Where dumps and records are.
        name: The restore's id.
        dump: Key of the dump in the bucket `backups`.
        target: The databases that it replaces, in words.
        file: Where to write the dump.
        wait: Calls a function with its arguments, and again while the store does not respond.

    Raises:
        BackupError: It has run with another dump or target, it broke off, a restore of the same target has not ended,
            there is no such dump, or the dump is damaged.
        ObjectStoreError: The store did not respond; nothing has begun.
    """
    wanted = RestoreRecord(name, dump, target, _now())
    done: RestoreRecord | None = wait(_find_ended, store, wanted)
    if done:
        return done
    try:
        wait(store.get_file, BACKUPS, dump, file)
    except ObjectNotFoundError as error:
        raise BackupError(
            f"There is no dump {dump!r} in the bucket {BACKUPS}.", "List the dumps with `dandelion backup list`."
        ) from error
    try:
        _check(file, dump)
        done = wait(_begin, store, replace(wanted, began_at=_now()))
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    if done:
        file.unlink()
    return done


def end_restore(store: ObjectStore, name: str, *, broke_off: bool = False) -> RestoreRecord:
    """Write down that a restore has ended, unless that stands there; return its record.

    Raises:
        BackupError: It has not begun.
    """
    found = find_restore(store, name)
    if found is None:
        raise BackupError(f"The restore {name} has not begun.", "Begin it with `dandelion backup begin-restore`.")
    if found.ended_at is None or (found.broke_off and not broke_off):  # what was given up may end after all
        found = replace(found, ended_at=_now(), broke_off=broke_off)
        store.put(DATA_LAKE, _key(name), _encode(found), content_type="application/json")
    return found


def _find_ended(store: ObjectStore, wanted: RestoreRecord) -> RestoreRecord | None:
    """The record of this restore if it has ended, None if it may begin."""
    found = find_restore(store, wanted.id)
    if found is None:
        for each in store.list_objects(DATA_LAKE, PREFIX):
            other = RestoreRecord(**json.loads(store.get(DATA_LAKE, each.key)))
            if other.target == wanted.target and other.ended_at is None:
                raise _unfinished(other)
        return None
    if (found.dump, found.target) != (wanted.dump, wanted.target):
        raise BackupError(
            f"The restore {found.id} was of {found.dump} to {found.target}, not of {wanted.dump} to {wanted.target}.",
            "Choose another id for another restore (in a cluster: backups.restore.id).",
        )
    if found.ended_at is None:
        raise _unfinished(found)
    if found.broke_off:
        raise BackupError(found.message, "Restore with another id (in a cluster: backups.restore.id).")
    return found


def _begin(store: ObjectStore, wanted: RestoreRecord) -> RestoreRecord | None:
    if done := _find_ended(store, wanted):  # meanwhile
        return done
    if store.put_new(DATA_LAKE, _key(wanted.id), _encode(wanted), content_type="application/json"):
        return None
    return _find_ended(store, wanted)


def _unfinished(found: RestoreRecord) -> BackupError:
    return BackupError(
        f"The restore {found.id} began at {found.began_at} and did not end: it still runs, or it broke off and "
        f"{found.target} may be incomplete.",
        f"Wait until it ends. If its Job has failed or is gone, run `dandelion backup end-restore {found.id} "
        "--broke-off`, and restore with another id (in a cluster: backups.restore.id).",
    )


def _check(file: Path, dump: str) -> None:
    """Read a dump to its end before anything is replaced by it."""
    last = b""
    try:
        with gzip.open(file, "rb") as lines:
            for line in lines:
                last = line.strip() or last
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BackupError(f"The dump {dump} is damaged ({error}).", "Restore another dump.") from error
    if not last.startswith(_LAST_LINE):
        raise BackupError(f"The dump {dump} is incomplete.", "Restore another dump.")


def _key(name: str) -> str:
    return f"{PREFIX}{name}.json"


def _encode(record: RestoreRecord) -> bytes:
    return json.dumps(asdict(record)).encode()


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
