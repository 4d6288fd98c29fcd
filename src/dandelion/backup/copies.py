"""The second place, to which backups copy objects: another S3 server, or a folder on another disk."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from dandelion.backup.mirror import mirror
from dandelion.backup.registry import copy_artifacts
from dandelion.errors import BackupError, ObjectKeyError, ObjectNotFoundError
from dandelion.objects import BACKUPS, DATA_LAKE, MLFLOW, PROCESSED, ObjectStore, create_mirror
from dandelion.objects.folder import FolderStore
from dandelion.privacy.erasures import erased_ids, is_photo_of, purge
from dandelion.settings import Settings

OURS = (DATA_LAKE, PROCESSED, BACKUPS)
SAMPLED = 50

Say = Callable[[str], None]

log = structlog.get_logger(__name__)


def second_place(settings: Settings) -> ObjectStore | None:
    """The store for copies of objects; None if the settings name none."""
    if settings.mirror.url is not None:
        return create_mirror(settings)
    if settings.objects.url is None or settings.backup.folder is not None:
        return FolderStore(settings.backup.folder or settings.home / "backups")
    return None


def copy_objects(settings: Settings, store: ObjectStore, say: Say) -> tuple[int, int | None]:
    """Copy objects and read back a sample; return the number copied now, and the number at the second place."""
    purge(store, erased_ids(store))  # completes interrupted erasures, so that erased photos are not copied
    second = second_place(settings)
    if second is None:
        return 0, None
    # Objects that arrive meanwhile are for the next backup.
    before = {bucket: {found.key: found.size_bytes for found in store.list_objects(bucket)} for bucket in OURS}
    done = mirror(store, second, OURS, progress=lambda n: say(f"{n} objects copied"))
    copied = done.copied + copy_artifacts(settings, second)
    total, left = sum(1 for _ in second.list_objects(MLFLOW)), {*done.refused, *done.failed}
    for bucket, here in before.items():
        there = {found.key: found.size_bytes for found in second.list_objects(bucket)}
        lacking = [(key, size) for key, size in here.items() if there.get(key) != size and (bucket, key) not in left]
        erased = erased_ids(store)  # includes erasures that began a moment ago and may not be complete
        wrong = sorted(
            key for key, size in lacking if not is_photo_of(erased, bucket, key) and _is_still(store, bucket, key, size)
        )
        if wrong:
            raise BackupError(f"{bucket}/{wrong[0]} and {len(wrong) - 1} others were not copied.", "Rerun the backup.")
        for key in random.sample(sorted(here), min(SAMPLED, len(here))):
            if key in there:
                _read_back(second, bucket, key)
        total += len(there)
    if isinstance(second, FolderStore) and settings.objects.backups_days:  # a server has its own expiry rules
        second.expire(BACKUPS, datetime.now(UTC) - timedelta(days=settings.objects.backups_days))
    done.check()  # last, so that one damaged object does not block the rest
    return copied, total


def _read_back(second: ObjectStore, bucket: str, key: str) -> None:
    """Check a copy's digest in chunks. It may have been erased meanwhile, or have a key that the store refuses."""
    try:
        for _ in second.read(bucket, key):
            pass
    except ObjectKeyError as error:
        log.warning("copy_not_checked", bucket=bucket, reason=str(error))
    except ObjectNotFoundError:
        if not is_photo_of(erased_ids(second), bucket, key):
            raise


def _is_still(store: ObjectStore, bucket: str, key: str, size: int) -> bool:
    """Whether the object was neither deleted nor replaced meanwhile."""
    try:
        return store.stat(bucket, key).size_bytes == size
    except ObjectNotFoundError:
        return False
