"""`dandelion predict-batch`: classify a whole folder or bucket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dandelion.cli.output import console

if TYPE_CHECKING:
    from dandelion.batch.batch import BatchDone
    from dandelion.batch.predict import Shard, ShardDone
    from dandelion.settings import Settings

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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Classify every photo: one row each, with the error for a bad photo. Rerun the command to resume."""
    from dandelion.settings import load_settings

    settings = load_settings()
    source, out = _absolute(source), _absolute(out)
    if flow:
        raise typer.Exit(_trigger(settings, {"source": source, "out": out, "model": model}, as_json))
    done = _run(settings, source, out, model)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
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

    screen = console(error=True)
    bar = Progress(
        TextColumn("Predicting"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
    )
    bar.disable = not screen.is_terminal
    with bar:
        task = bar.add_task("", total=None)
        return run_batch(
            settings,
            create_store(settings),
            source,
            out,
            model,
            run,
            lambda done, total: bar.update(task, completed=done, total=total),
        )


def _trigger(settings: Settings, parameters: dict[str, str], as_json: bool) -> int:
    import msgspec

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
        typer.echo(msgspec.json.encode(ended).decode())
    return 0 if ended.state == "completed" else 1


def _absolute(place: str) -> str:
    return place if urlsplit(place).scheme == "s3" else str(Path(place).absolute())
