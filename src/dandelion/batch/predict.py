"""Predict one shard and store its rows in the object store, where every machine finds them."""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dandelion.batch.source import BatchPhoto
from dandelion.domain import ModelRef
from dandelion.errors import BatchError, DandelionError, ObjectCorruptError, ObjectKeyError, ObjectNotFoundError
from dandelion.inference.classifier import Classification, Classifier
from dandelion.inference.cores import usable_cores
from dandelion.objects import PROCESSED, create_store
from dandelion.package import ModelPackage, open_package
from dandelion.registry import create_registry
from dandelion.settings import Settings, load_settings

PARTS = "batches"
AT_ONCE = 8

_WORD = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("photo", pa.string()),
        ("label", _WORD),
        ("confidence", pa.float32()),
        ("probabilities", pa.map_(pa.string(), pa.float32())),
        ("in_distribution", pa.bool_()),
        ("model_name", _WORD),
        ("model_version", _WORD),
        ("error", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of a batch; shards are numbered from 0, and the model is a registered version or the path of a package."""

    batch: str
    number: int
    photos: tuple[BatchPhoto, ...]
    model: str

    @property
    def key(self) -> str:
        """Key of its rows in `processed-data`."""
        return f"{PARTS}/{self.batch}/{self.number:06d}.parquet"


@dataclass(frozen=True, slots=True)
class ShardDone:
    """How many photos a shard had and how many could not be classified, and whether an earlier run had processed it."""

    photos: int
    errors: int
    resumed: bool = False


def predict_shard(shard: Sequence[Shard]) -> ShardDone:
    """Classify the photos of one shard, unless an earlier run did.

    Raises:
        DandelionError: The store or the registry does not respond.
    """
    (one,) = shard
    settings = load_settings()
    store = create_store(settings)
    try:
        table = pq.read_table(io.BytesIO(store.get(PROCESSED, one.key)), columns=["error"])
        return ShardDone(table.num_rows, table.num_rows - table["error"].null_count, resumed=True)
    except ObjectNotFoundError:
        pass
    ref, classifier = _classifier(settings, one.model)
    rows: list[dict[str, Any]] = []
    for start in range(0, len(one.photos), AT_ONCE):
        some = one.photos[start : start + AT_ONCE]
        read = [_read(photo, store) for photo in some]
        predictions = iter(classifier.classify([data for data in read if isinstance(data, bytes)]))
        for photo, data in zip(some, read, strict=True):
            rows.append(_row(photo, ref, next(predictions) if isinstance(data, bytes) else data))
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), buffer, compression="zstd")
    store.put(PROCESSED, one.key, buffer.getvalue())
    return ShardDone(len(rows), sum(row["error"] is not None for row in rows))


def open_model(settings: Settings, model: str) -> tuple[ModelRef, ModelPackage]:
    """Open the package that a shard names.

    Raises:
        DandelionError: There is no such package, or the registry does not respond.
    """
    name = settings.model.name
    if not model.isdecimal():
        return ModelRef(name=name, version="local"), open_package(Path(model))
    registry = create_registry(settings)
    return ModelRef(name=name, version=model), registry.download(registry.get_version(model), settings.cache)


_loading = threading.Lock()


def _classifier(settings: Settings, model: str) -> tuple[ModelRef, Classifier]:
    """One classifier for all threads of a process, so that not every shard loads the model."""
    with _loading:
        return _load(settings.model_dump_json(), model)


@functools.lru_cache(maxsize=1)
def _load(settings_json: str, model: str) -> tuple[ModelRef, Classifier]:
    del settings_json  # only distinguishes configurations in the cache
    settings = load_settings()
    ref, package = open_model(settings, model)
    workers = usable_cores() + 1
    classifier = Classifier.load(package, settings.inference, workers=workers, max_pixels=settings.api.max_photo_pixels)
    return ref, classifier


def _read(photo: BatchPhoto, store: Any) -> bytes | BatchError:
    try:
        return photo.read(store)
    except OSError as error:
        return BatchError(f"The photo cannot be read ({error.strerror}).")
    except (ObjectNotFoundError, ObjectKeyError, ObjectCorruptError) as error:
        return BatchError(error.message)


def _row(photo: BatchPhoto, ref: ModelRef, found: Classification | DandelionError) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(SCHEMA.names)
    row |= {"photo": photo.name, "model_name": ref.name, "model_version": ref.version}
    if isinstance(found, Classification):
        row |= {
            "label": found.label,
            "confidence": found.confidence,
            "probabilities": list(found.probabilities.items()),
            "in_distribution": found.in_distribution,
        }
    else:
        row["error"] = found.message
    return row
