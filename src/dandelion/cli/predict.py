"""`dandelion predict`: classify photos on disk, here or by a running server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dandelion.cli.options import Json, ServerKey
from dandelion.cli.output import console, print_json
from dandelion.settings import load_settings

if TYPE_CHECKING:
    from dandelion.domain import Prediction
    from dandelion.errors import DandelionError


def predict(
    files: Annotated[list[Path], typer.Argument(help="Photos.", exists=True, dir_okay=False)],
    url: Annotated[
        str | None, typer.Option(help="Send the photos to this server instead of loading the model here.")
    ] = None,
    key: ServerKey = None,
    as_json: Json = False,
) -> None:
    """Classify photos; exit status 1 if one of them fails."""
    results = _remote(url, key, files) if url else _local(files)
    if as_json:
        print_json([_as_dict(file, result) for file, result in zip(files, results, strict=True)])
    else:
        console().print(_table(files, results))
    raise typer.Exit(1 if any(isinstance(result, Exception) for result in results) else 0)


def _remote(url: str, key: str | None, files: list[Path]) -> list[Prediction | DandelionError]:
    from dandelion.client import Client

    with Client(url, key=key) as client:
        return [client.try_predict(file.read_bytes()) for file in files]


def _local(files: list[Path]) -> list[Prediction | DandelionError]:
    import asyncio

    from dandelion.inference.service import PredictionService
    from dandelion.inference.source import ModelSource

    settings = load_settings()
    service = PredictionService(settings)
    service.swap(ModelSource(settings).first())

    async def classify() -> list[Prediction | DandelionError]:
        results: list[Prediction | DandelionError] = []
        for first in range(0, len(files), settings.inference.max_batch):
            some = files[first : first + settings.inference.max_batch]
            results += await service.predict([file.read_bytes() for file in some])
        return results

    try:
        return asyncio.run(classify())
    finally:
        service.close()


def _as_dict(file: Path, result: Prediction | DandelionError) -> dict[str, Any]:
    if isinstance(result, Exception):
        return {"file": str(file), "error": str(result)}
    return {"file": str(file), **msgspec.to_builtins(result)}


def _table(files: list[Path], results: list[Prediction | DandelionError]) -> Table:
    table = Table("Photo", "Label", "Confidence", "In distribution", "Milliseconds")
    for file, result in zip(files, results, strict=True):
        if isinstance(result, Exception):
            table.add_row(escape(str(file)), f"[red]{escape(str(result))}[/]", "", "", "")
        else:
            known = "yes" if result.in_distribution else "[yellow]no[/]"
            columns = f"{result.confidence:.1%}", known, f"{result.duration_ms:.1f}"
            table.add_row(escape(str(file)), escape(result.label), *columns)
    return table
