"""`dandelion predict-batch`: classify a whole folder or bucket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.progress import MofNCompleteColumn

from dandelion.cli.options import Json
from dandelion.cli.output import console, print_json, progress_bar
from dandelion.settings import Settings, load_settings

if TYPE_CHECKING:
    from dandelion.batch.batch import BatchDone
    from dandelion.batch.predict import Shard, ShardDone

FLOW = "predict-batch"


def predict_batch(
    source: Annotated[
        str, typer.Argument(help="Folder of photos, or s3://bucket/prefix on the S3 server of the settings.")
    ],
    out: Annotated[str, typer.Option(help="Parquet file, or s3://bucket/key.")],
    model: Annotated[str, typer.Option(help="Version or package folder; by default the champion.")] = "",
    flow: Annotated[
        bool, typer.Option("--flow", help="Run it as a flow, by a Prefect worker or `dandelion up`.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Classify every photo: one row each, with the error for a bad photo. Rerun the command to resume."""
    settings = load_settings()
    source, out = _absolute(source), _absolute(out)
    if flow:
        raise typer.Exit(_trigger(settings, {"source": source, "out": out, "model": model}, as_json))
    done = _run(settings, source, out, model)
    if as_json:
        print_json(done)
    else:
        resumed = f", {done.resumed} of them by an earlier run" if done.resumed else ""
        console().print(f"{done.photos} rows{resumed}; {done.errors} photos could not be classified. {done.out}")


def _run(settings: Settings, source: str, out: str, model: str) -> BatchDone:
    from dandelion.batch.batch import predict_batch as run_batch
    from dandelion.batch.predict import predict_shard
    from dandelion.inference.cores import usable_cores
    from dandelion.objects import create_store

    def run(shards: Sequence[Sequence[Shard]], on_done: Callable[[ShardDone], None]) -> Sequence[ShardDone]:
        parts = []
        with ThreadPoolExecutor(usable_cores() + 1) as pool:
            for part in pool.map(predict_shard, shards):
                parts.append(part)
                on_done(part)
        return parts

    with progress_bar("Predicting", MofNCompleteColumn()) as show:
        return run_batch(settings, create_store(settings), source, out, model, run, show)


def _trigger(settings: Settings, parameters: dict[str, str], as_json: bool) -> int:
    from dandelion.cli.follow import follow
    from dandelion.domain import FlowRun
    from dandelion.orchestration.prefect_api import PrefectApi

    async def start() -> FlowRun:
        async with PrefectApi(settings) as api:
            return await api.start(FLOW, parameters)

    out = console(error=as_json)
    run = asyncio.run(start())
    out.print(f"{run.name}: {run.url}", markup=False)
    ended = follow(settings, run.run_id, out)
    if as_json:
        print_json(ended)
    return 0 if ended.state == "completed" else 1


def _absolute(place: str) -> str:
    return place if urlsplit(place).scheme == "s3" else str(Path(place).absolute())
