"""Predictions for every photo of a folder or a bucket: sharded, resumable, one row for each photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed

if TYPE_CHECKING:
    from dandelion.batch.predict import Shard, ShardDone


@flow(name="predict-batch")
def predict_batch(source: str, out: str, model: str = "") -> State[Any]:
    """Classify every photo and write one Parquet file; a photo that fails gets its error. Rerun the flow to resume.

    Args:
        source: A folder, or `s3://bucket/prefix`.
        out: A Parquet file, or `s3://bucket/key`.
        model: A version, the path of a package, or empty for the champion.
    """
    from dandelion.batch import batch, predict
    from dandelion.objects import create_store
    from dandelion.orchestration.artifacts import ProgressBar
    from dandelion.orchestration.shards import run_shards
    from dandelion.settings import load_settings

    settings, log, bar = load_settings(), get_run_logger(), ProgressBar()
    bar.show(0.0, "Listing photos")

    def run(shards: Sequence[Sequence[Shard]], on_done: Callable[[ShardDone], None]) -> Sequence[ShardDone]:
        return run_shards(predict.predict_shard, shards, settings.prefect, on_done=on_done)

    def progress(done: int, photos: int) -> None:
        words = f"{done} of {photos} photos"
        log.info(words)
        bar.show(100 * done / photos, words)

    found = batch.predict_batch(settings, create_store(settings), source, out, model, run, progress)
    return Completed(message=f"{found.photos} rows in {found.out}; {found.errors} photos could not be classified.")
