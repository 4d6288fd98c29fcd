"""A copy of every bucket on a second store: what is missing there or differs is copied, what was erased is erased."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from dandelion.errors import ObjectKeyError, ObjectNotFoundError
from dandelion.objects.erasures import carry_erasures, erased_ids, is_entry, is_photo_of, purge
from dandelion.objects.store import DATA_LAKE, PROCESSED, ObjectStore, Stored

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What a turn did.

    Attributes:
        copied: Objects that were copied.
        same: Objects that were there already.
        bytes_copied: Bytes that were copied.
        refused: Bucket and key of what somebody put there under a name that not every store takes; it is not copied.
    """

    copied: int
    same: int
    bytes_copied: int
    refused: tuple[tuple[str, str], ...] = ()


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
    and verified before it is written, so a damaged one replaces no good one.

    Args:
        source: Where objects are.
        target: Where copies go; its buckets are made.
        buckets: Which of them.
        replacing: Also copy what `target` has otherwise. A restore must not: what is there may be newer than its copy.
        progress: Called with the number of objects that were looked at.

    Raises:
        ObjectStoreError: One of the stores does not answer; run it again, and it goes on.
        ObjectCorruptError: An object at the source is damaged.
    """
    target.prepare()
    copied = same = size = 0
    refused = []
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
                if copy is not None and (not replacing or _is_copied(source, target, bucket, found, copy)):
                    same += 1
                else:
                    try:
                        facts = source.stat(bucket, found.key)
                        source.get_file(bucket, found.key, held)
                    except ObjectNotFoundError:
                        continue  # deleted since it was listed
                    except ObjectKeyError as error:
                        log.warning("object_not_copied", bucket=bucket, reason=str(error))
                        refused.append((bucket, found.key))
                        continue
                    target.put_file(bucket, found.key, held, content_type=facts.content_type)
                    copied, size = copied + 1, size + facts.size_bytes
                if progress is not None:
                    progress(copied + same)
    if has_photos:
        carry_erasures(source, target)
        # After the last copy, and read anew: a photo may have been erased while it was on its way.
        purge(target, erased_ids(target))
    return Mirrored(copied, same, size, tuple(refused))


def _is_copied(source: ObjectStore, target: ObjectStore, bucket: str, found: Stored, copy: Stored) -> bool:
    """Size and age tell of most; only an object that changed after its copy is worth asking for digests."""
    if copy.size_bytes != found.size_bytes:
        return False
    if found.modified_at <= copy.modified_at:
        return True
    return target.stat(bucket, found.key).sha256 == source.stat(bucket, found.key).sha256 is not None
