"""A copy of every bucket on a second store: missing and changed objects are copied, erased photos are erased."""

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
    """The outcome of a copy.

    Attributes:
        copied: Objects that were copied.
        same: Objects that were already there.
        bytes_copied: Bytes that were copied.
        refused: Bucket and key of objects that are not copied, since not every store accepts their keys.
        failed: Bucket and key of objects that could not be copied, mostly damaged ones, with the reason.
    """

    copied: int
    same: int
    bytes_copied: int
    refused: tuple[tuple[str, str], ...] = ()
    failed: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise an error if an object could not be copied.

        Raises:
            BackupError: An object could not be copied.
        """
        names = [f"{bucket}/{key}" for bucket, key in self.failed]
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            raise BackupError(
                f"All objects were copied except {', '.join(names[:NAMED])}{more}. {next(iter(self.failed.values()))}",
                "Restore each from its copy or an earlier version, or remove it; until then this fails again.",
            )


def mirror(
    source: ObjectStore,
    target: ObjectStore,
    buckets: Sequence[str],
    *,
    replacing: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Mirrored:
    """Copy the objects that `target` lacks. Objects deleted at the source stay: a copy must survive a mistake.

    Photos that were erased, by the list of either store, are not copied, and are erased at the target. Each object is
    read completely and verified before it is written, so a damaged one never replaces an intact one. `failed` lists
    damaged objects; the other copies and the erasures continue.

    Args:
        source: The store to copy from.
        target: The store to copy to; its buckets are created.
        buckets: The buckets to copy.
        replacing: Also replace objects that differ at `target`. A restore must not: they may be newer than the copy.
        progress: Called with the number of objects that were checked.

    Raises:
        ObjectStoreError: One of the stores does not respond; rerun to resume.
        ObjectCorruptError: An entry of the list of erasures is damaged, so the photos to leave out are unknown.
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
                with collecting_failures(bucket, found.key, refused, failed, source, target):
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
        # After the last copy, with a fresh list: a photo may have been erased while it was being copied.
        purge(target, erased_ids(target))
    return Mirrored(copied, same, size, tuple(refused), failed)


@contextmanager
def collecting_failures(
    bucket: str, key: str, refused: list[tuple[str, str]], failed: dict[tuple[str, str], str], *stores: ObjectStore
) -> Iterator[None]:
    """Collect an error of one object, so that the others are still copied.

    Raises:
        ObjectStoreError: One of the stores no longer responds, so the error concerns more than one object.
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
    """Whether the copy is up to date. Size and age decide most cases; digests only if the object changed later."""
    if copy.size_bytes != found.size_bytes:
        return False
    if found.modified_at <= copy.modified_at:
        return True
    return target.stat(bucket, found.key).sha256 == source.stat(bucket, found.key).sha256 is not None
