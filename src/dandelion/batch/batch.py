"""Run a whole batch: list the photos, cut them into shards, predict, and merge the results."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.parquet as pq

from dandelion.batch.predict import SCHEMA, Shard, ShardDone, open_model
from dandelion.batch.source import S3, batch_id, list_photos
from dandelion.errors import BatchError, ObjectStoreError
from dandelion.files.replacing import replacing
from dandelion.inference.cores import usable_cores
from dandelion.objects import PROCESSED, ObjectStore
from dandelion.package.starter import starter_path
from dandelion.registry import create_registry
from dandelion.settings import Settings

# Minimum number of photos that are worth a task of their own.
FEWEST = 64

Mapper = Callable[[Sequence[Sequence[Shard]], Callable[[ShardDone], None]], Sequence[ShardDone]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class BatchDone:
    """How many photos a batch had, could not classify, and took from an earlier run; `out` holds a row for each."""

    photos: int
    errors: int
    resumed: int
    out: str


def predict_batch(
    settings: Settings, store: ObjectStore, source: str, out: str, model: str, run: Mapper, progress: Progress
) -> BatchDone:
    """Classify every photo of `source`, and write one row for each to `out`. Call it again after a failure to resume.

    Args:
        settings: The model, and the size of shards.
        store: Stores the results of shards until all are done.
        source: A folder, or `s3://bucket/prefix`.
        out: A Parquet file, or `s3://bucket/key`.
        model: A version, the path of a package, or empty for the champion.
        run: Runs shards in parallel, and calls its second argument for each shard that is done.
        progress: Called with the number of photos done and the number of all photos.

    Raises:
        BatchError: There is no photo, or `out` cannot be written.
        DandelionError: The store or the registry does not respond.
    """
    if urlsplit(out).scheme != S3 and not (folder := Path(out).absolute().parent).is_dir():
        raise BatchError(f"There is no folder {folder}.", "Create it, or choose another path.")
    store.prepare()
    photos = list_photos(source, store)
    chosen = model or _champion(settings)
    identity = batch_id(photos, open_model(settings, chosen)[1].digest)
    size = min(settings.prefect.shard_photos, max(FEWEST, math.ceil(len(photos) / (usable_cores() + 1))))
    shards = [
        Shard(identity, number, tuple(photos[start : start + size]), chosen)
        for number, start in enumerate(range(0, len(photos), size))
    ]
    done = 0

    def count(part: ShardDone) -> None:
        nonlocal done
        done += part.photos
        progress(done, len(photos))

    parts = run([[shard] for shard in shards], count)
    _merge(store, shards, out)
    for shard in shards:
        store.delete(PROCESSED, shard.key)
    return BatchDone(
        photos=sum(part.photos for part in parts),
        errors=sum(part.errors for part in parts),
        resumed=sum(part.photos for part in parts if part.resumed),
        out=out,
    )


def _champion(settings: Settings) -> str:
    if settings.model.path is not None:
        return str(settings.model.path.absolute())
    found = create_registry(settings).find_alias(settings.model.alias)
    return found.version if found is not None else str(starter_path())


def _merge(store: ObjectStore, shards: Sequence[Shard], out: str) -> None:
    """Merge all parts into one file, which appears as a whole or not at all."""
    with tempfile.TemporaryDirectory(prefix="batch-") as name:
        part, whole = Path(name) / "part.parquet", Path(name) / "whole.parquet"
        with pq.ParquetWriter(whole, SCHEMA, compression="zstd") as writer:
            for shard in shards:
                store.get_file(PROCESSED, shard.key, part)
                writer.write_table(pq.read_table(part, schema=SCHEMA))
        where = urlsplit(out)
        try:
            if where.scheme == S3:
                store.put_file(where.netloc, where.path.lstrip("/"), whole)
            else:
                with replacing(Path(out).absolute()) as fresh:
                    shutil.move(whole, fresh)
        except (OSError, ObjectStoreError) as error:
            raise BatchError(
                f"{out} cannot be written ({error}).", "Choose another path and rerun: finished shards are reused."
            ) from error
