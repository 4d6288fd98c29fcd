"""`dandelion privacy`: erase people's photos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from dandelion.cli.audit import actor
from dandelion.cli.database import with_engine
from dandelion.cli.options import Json
from dandelion.cli.output import console, print_json
from dandelion.settings import load_settings

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
        raise typer.BadParameter(f"{text!r} is not a prediction id; it looks like {EXAMPLE}.") from error


@app.callback()
def _root() -> None:
    """Makes `erase` a subcommand although it is the only one."""


@app.command(epilog=f"Example: dandelion privacy erase --prediction {EXAMPLE}")
def erase(
    prediction: Annotated[
        UUID | None, typer.Option(parser=_id, metavar="ID", help="Erase the photo of this prediction.")
    ] = None,
    client: Annotated[
        str | None, typer.Option(help="Erase all photos of this client: its address, or key:NAME of its API key.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Delete photos, with all versions and copies, and unlink predictions from a client; the audit log records it.

    Label and confidence of a prediction stay, without a link to a person. Safe to rerun after a failure.
    """
    if (prediction is None) == (client is None):
        raise typer.BadParameter("name either --prediction or --client.")
    from dandelion.backup.copies import second_place
    from dandelion.errors import DatabaseError
    from dandelion.journal import ship_left
    from dandelion.objects import create_store
    from dandelion.privacy import ClientHasher, erase_client, erase_prediction

    settings = load_settings()
    store, second, spool = create_store(settings), second_place(settings), settings.photo_spool
    hashed = ClientHasher(settings, create=False).hash(client) if client is not None else ""

    async def work(engine: AsyncEngine) -> tuple[int, Erased]:
        # New predictions are not in the table yet, and would arrive after the erasure.
        left = await ship_left(settings, engine, patience_seconds=PATIENCE_SECONDS)
        if prediction is not None:
            return left, await erase_prediction(engine, store, spool, second, id=str(prediction), actor=actor())
        return left, await erase_client(engine, store, spool, second, client=hashed, actor=actor())

    left, done = with_engine(work)
    if as_json:
        print_json(done)
    else:
        console().print(f"Erased {done.photos} photos; {done.predictions} predictions no longer lead to a person.")
    if left:
        raise DatabaseError(
            f"Earlier predictions still wait in {settings.spool} ({left} files), and may belong to this client.",
            "Rerun this command when they are stored.",
        )
