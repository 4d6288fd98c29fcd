"""`dandelion feedback`: send a label file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dandelion.cli.audit import actor
from dandelion.cli.database import with_engine
from dandelion.cli.options import Json, ServerKey
from dandelion.cli.output import console, print_json
from dandelion.settings import load_settings

if TYPE_CHECKING:
    from dandelion.domain import BulkVerdict
    from dandelion.feedback.labels import Kind

_KINDS: dict[str, Kind] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def feedback(
    file: Annotated[Path, typer.Argument(help="CSV or JSONL with prediction_id, label and, optionally, at.")],
    url: Annotated[str | None, typer.Option(help="Send the labels to this server instead of the database.")] = None,
    key: ServerKey = None,
    as_json: Json = False,
) -> None:
    """Send the true labels of many photos; exit status 1 if lines were refused. Refused lines are listed."""
    kind = _KINDS.get(file.suffix.lower())
    if kind is None:
        raise typer.BadParameter(f"{file.name!r} is not a .csv or .jsonl file.")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read ({error.strerror}).") from error
    with console(error=True).status(f"Sending {file.name} ..."):
        done = _remote(url, key, data, kind) if url else _local(data, kind)
    if as_json:
        print_json(done)
    else:
        console().print(f"{done.right} predictions were right, {done.wrong} wrong; {done.refused} lines were refused.")
        for refused in done.refused_lines:
            console().print(f"line {refused.line}: {refused.reason}", markup=False)
        if done.refused > len(done.refused_lines):
            console().print(f"... and {done.refused - len(done.refused_lines)} more.")
    raise typer.Exit(1 if done.refused else 0)


def _remote(url: str, key: str | None, data: bytes, kind: Kind) -> BulkVerdict:
    from dandelion.client import Client

    with Client(url, key=key, timeout_seconds=600) as client:
        return client.feedback_file(data, kind)


def _local(data: bytes, kind: Kind) -> BulkVerdict:
    from dandelion.feedback.labels import read_labels, store_labels

    true_labels = read_labels(data, kind)
    pause = load_settings().journal.ship_seconds
    return with_engine(lambda engine: store_labels(engine, true_labels, actor=actor(), ship_seconds=pause))
