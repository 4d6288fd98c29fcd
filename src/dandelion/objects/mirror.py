"""A copy of every bucket on a second store: what is missing there or differs is copied, nothing is removed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dandelion.errors import ObjectNotFoundError
from dandelion.objects.store import ObjectStore, Stored


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What a turn did.

    Attributes:
        copied: Objects that were copied.
        same: Objects that were there already.
        bytes_copied: Bytes that were copied.
    """

    copied: int
    same: int
    bytes_copied: int


def mirror(
    source: ObjectStore, target: ObjectStore, buckets: Sequence[str], *, progress: Callable[[int], None] | None = None
) -> Mirrored:
    """Copy what `target` lacks. Objects that were deleted at the source stay: a copy must outlive a mistake.

    Each object is read whole and verified before it is written, so a damaged one replaces no good one.

    Args:
        source: Where objects are.
        target: Where copies go; its buckets are made.
        buckets: Which of them.
        progress: Called with the number of objects that were looked at.

    Raises:
        ObjectStoreError: One of the stores does not answer; run it again, and it goes on.
        ObjectCorruptError: An object at the source is damaged.
    """
    target.prepare()
    copied = same = size = 0
    with tempfile.TemporaryDirectory(prefix="mirror-") as folder:
        held = Path(folder) / "object"
        for bucket in buckets:
            there = {found.key: found for found in target.list_objects(bucket)}
            for found in source.list_objects(bucket):
                if _is_copied(source, target, bucket, found, there.get(found.key)):
                    same += 1
                else:
                    try:
                        facts = source.stat(bucket, found.key)
                        source.get_file(bucket, found.key, held)
                    except ObjectNotFoundError:
                        continue  # deleted since it was listed
                    target.put_file(bucket, found.key, held, content_type=facts.content_type)
                    copied, size = copied + 1, size + facts.size_bytes
                if progress is not None:
                    progress(copied + same)
    return Mirrored(copied, same, size)


def _is_copied(source: ObjectStore, target: ObjectStore, bucket: str, found: Stored, copy: Stored | None) -> bool:
    """Size and age tell of most; only an object that changed after its copy is worth asking for digests."""
    if copy is None or copy.size_bytes != found.size_bytes:
        return False
    if found.modified_at <= copy.modified_at:
        return True
    return target.stat(bucket, found.key).sha256 == source.stat(bucket, found.key).sha256 is not None
