"""`dandelion privacy`: forget people's photos."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from dandelion.cli.audit import actor
from dandelion.cli.database import with_engine
from dandelion.cli.output import console

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from dandelion.privacy import Erased

PATIENCE_SECONDS = 10.0
EXAMPLE = "01a2b3c4-0000-7000-8000-000000000000"

app = typer.Typer(no_args_is_help=True)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no prediction id, which looks like {EXAMPLE}.") from error


@app.callback()
def _root() -> None:
    """Make `erase` a word of its own while it is the only one."""


@app.command(epilog=f"Example: dandelion privacy erase --prediction {EXAMPLE}")
def erase(
    prediction: Annotated[
        UUID | None, typer.Option(parser=_id, metavar="ID", help="Forget the photo of this prediction.")
    ] = None,
    client: Annotated[
        str | None, typer.Option(help="Forget all photos of this client: its address, or key:NAME of its API key.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Delete photos, every version and copy of them, and what links predictions to a client; the audit log keeps that.

    What stays is a label and a confidence that lead to nobody. Safe to run again after a failure.
    """
    if (prediction is None) == (client is None):
        raise typer.BadParameter("name either --prediction or --client.")
    from dandelion.backup.copies import second_place
    from dandelion.errors import DatabaseError
    from dandelion.journal import ship_left
    from dandelion.objects import create_store
    from dandelion.privacy import ClientHasher, erase_client, erase_prediction
    from dandelion.settings import load_settings

    settings = load_settings()
    store, second, spool = create_store(settings), second_place(settings), settings.photo_spool
    hashed = ClientHasher(settings, create=False).hash(client) if client is not None else ""

    async def work(engine: AsyncEngine) -> tuple[int, Erased]:
        # What was answered a moment ago is not in the table yet, and would come after it was forgotten.
        left = await ship_left(settings, engine, patience_seconds=PATIENCE_SECONDS)
        if prediction is not None:
            return left, await erase_prediction(engine, store, spool, second, id=str(prediction), actor=actor())
        return left, await erase_client(engine, store, spool, second, client=hashed, actor=actor())

    left, done = with_engine(work)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
    else:
        console().print(f"Forgot {done.photos} photos; {done.predictions} predictions lead to nobody any more.")
    if left:
        raise DatabaseError(
            f"Predictions that were answered before still wait in {settings.spool} ({left} files), and may be theirs.",
            "Run this again when they are stored.",
        )
