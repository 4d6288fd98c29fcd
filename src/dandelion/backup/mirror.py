"""A copy of every bucket on a second store: what is missing there or differs is copied, what was erased is erased."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from dandelion.errors import BackupError, ObjectKeyError, ObjectNotFoundError, ObjectStoreError
from dandelion.objects.store import DATA_LAKE, PROCESSED, ObjectStore, Stored
from dandelion.privacy.erasures import carry_erasures, erased_ids, is_entry, is_photo_of, purge

NAMED = 20

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What a turn did.

    Attributes:
        copied: Objects that were copied.
        same: Objects that were there already.
        bytes_copied: Bytes that were copied.
        refused: Bucket and key of what somebody put there under a name that not every store takes; it is not copied.
        failed: Bucket and key of what could not be copied, damaged objects above all, with the reason.
    """

    copied: int
    same: int
    bytes_copied: int
    refused: tuple[tuple[str, str], ...] = ()
    failed: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def check(self) -> None:
        """Tell of what could not be copied.

        Raises:
            BackupError: There is something.
        """
        names = [f"{bucket}/{key}" for bucket, key in self.failed]
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            raise BackupError(
                f"This could not be copied, everything else was: {', '.join(names[:NAMED])}{more}. "
                f"{next(iter(self.failed.values()))}",
                "Bring each back from its copy or an earlier version, or remove it; until then this fails again.",
            )


def mirror(
    source: ObjectStore,
    target: ObjectStore,
    buckets: Sequence[str],
    *,
    replacing: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Mirrored:
    """Copy what `target` lacks. Objects that were deleted at the source stay: a copy must outlive a mistake.

    Photos that were erased, by the list of either store, are not copied and go at the target. Each object is read whole
    and verified before it is written, so a damaged one replaces no good one. It is told of in `failed`; others and the
    erasures go on.

    Args:
        source: Where objects are.
        target: Where copies go; its buckets are made.
        buckets: Which of them.
        replacing: Also copy what `target` has otherwise. A restore must not: what is there may be newer than its copy.
        progress: Called with the number of objects that were looked at.

    Raises:
        ObjectStoreError: One of the stores does not answer; run it again, and it goes on.
        ObjectCorruptError: An entry of the list of erasures is damaged, so that nobody knows what not to copy.
    """
    target.prepare()
    copied = same = size = 0
    refused: list[tuple[str, str]] = []
    failed: dict[tuple[str, str], str] = {}
    has_photos = not {DATA_LAKE, PROCESSED}.isdisjoint(buckets)
    erased = erased_ids(source) | erased_ids(target) if has_photos else set()
    with tempfile.TemporaryDirectory(prefix="mirror-") as folder:
        held = Path(folder) / "object"
        for bucket in buckets:
            there = {found.key: found for found in target.list_objects(bucket)}
            for found in source.list_objects(bucket):
                if is_photo_of(erased, bucket, found.key) or is_entry(bucket, found.key):
                    continue
                copy = there.get(found.key)
                with going_on(bucket, found.key, refused, failed, source, target):
                    if copy is not None and (not replacing or _is_copied(source, target, bucket, found, copy)):
                        same += 1
                    else:
                        facts = source.stat(bucket, found.key)
                        source.get_file(bucket, found.key, held)
                        target.put_file(bucket, found.key, held, content_type=facts.content_type)
                        copied, size = copied + 1, size + facts.size_bytes
                if progress is not None:
                    progress(copied + same)
    if has_photos:
        carry_erasures(source, target)
        # After the last copy, and read anew: a photo may have been erased while it was on its way.
        purge(target, erased_ids(target))
    return Mirrored(copied, same, size, tuple(refused), failed)


@contextmanager
def going_on(
    bucket: str, key: str, refused: list[tuple[str, str]], failed: dict[tuple[str, str], str], *stores: ObjectStore
) -> Iterator[None]:
    """Write down an error about one object, and let the others have their turn.

    Raises:
        ObjectStoreError: One of the stores no longer answers, so that it was not about one object alone.
    """
    try:
        yield
    except ObjectNotFoundError:
        pass  # deleted since it was listed
    except ObjectKeyError as error:
        log.warning("object_not_copied", bucket=bucket, reason=str(error))
        refused.append((bucket, key))
    except ObjectStoreError as error:
        for store in stores:
            next(iter(store.list_objects(bucket, key)), None)
        log.warning("object_not_copied", bucket=bucket, reason=str(error))
        failed[bucket, key] = error.message


def _is_copied(source: ObjectStore, target: ObjectStore, bucket: str, found: Stored, copy: Stored) -> bool:
    """Size and age tell of most; only an object that changed after its copy is worth asking for digests."""
    if copy.size_bytes != found.size_bytes:
        return False
    if found.modified_at <= copy.modified_at:
        return True
    return target.stat(bucket, found.key).sha256 == source.stat(bucket, found.key).sha256 is not None
