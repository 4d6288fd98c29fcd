"""`dandelion db`: the tables of history and feedback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from dandelion.cli.audit import record
from dandelion.cli.database import with_engine
from dandelion.cli.options import Json, age
from dandelion.cli.output import console, print_json

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

app = typer.Typer(no_args_is_help=True)

PRUNED_AT_ONCE = 5000


@app.command(epilog="Example: dandelion db upgrade")
def upgrade(
    revision: Annotated[str, typer.Argument(help="Schema version to upgrade to.")] = "head",
    wait: Annotated[
        timedelta | None, age("How long to wait for the database, then for other migrations or a restore: 5m or 1h.")
    ] = None,
    or_newer: Annotated[
        bool, typer.Option("--or-newer", help="Accept tables of a newer version, as after a rollback.")
    ] = False,
) -> None:
    """Upgrade the tables; safe to repeat, and safe to run several times at once.

    After SIGTERM, a migration that has begun ends first.
    """
    from dandelion.concurrency.termination import exiting_on_sigterm, finishing_on_sigterm
    from dandelion.db import migrate

    patience = wait.total_seconds() if wait else 0.0

    def say() -> None:
        console(error=True).print("SIGTERM: the migration ends first.")

    async def work(engine: AsyncEngine) -> None:
        await migrate.wait_for(engine, seconds=patience)
        if or_newer and await migrate.is_newer(engine):
            console(error=True).print("The tables are of a newer version and stay as they are.")
            return
        with finishing_on_sigterm(say):
            await migrate.upgrade(engine, revision, lock_seconds=max(migrate.LOCK_SECONDS, int(patience)))

    with exiting_on_sigterm():
        with_engine(work, tables=False)
    console().print("The tables are up to date." if revision == "head" else f"The tables are at {revision}.")


@app.command(epilog="Example: dandelion db downgrade -- -1")
def downgrade(
    revision: Annotated[str, typer.Argument(help="Schema version to go back to: -1 for one step, base for no tables.")],
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
) -> None:
    """Downgrade the tables; data that only later versions have is lost."""
    from dandelion.db import migrate

    if not yes:
        typer.confirm(f"Go back to {revision} and lose the data that only later versions have?", abort=True)
    with_engine(lambda engine: migrate.downgrade(engine, revision), tables=False)
    if revision != "base":  # where the log went with the tables
        record("downgrade", revision, {}, tables=False)
    console().print(f"The tables are back at {revision}.")


@app.command(epilog="Example: dandelion db status --json")
def status(as_json: Json = False) -> None:
    """List every schema version and whether it is applied; exit status 1 if one is missing."""
    from dandelion.db import migrate

    steps = with_engine(migrate.status, tables=False)
    if as_json:
        print_json(steps)
    else:
        table = Table("Version", "Change", "Applied")
        for step in steps:
            table.add_row(step.revision, step.what, "yes" if step.applied else "no: dandelion db upgrade")
        console().print(table)
    if not all(step.applied for step in steps):
        raise typer.Exit(1)


@app.command(epilog="Example: dandelion db prune --older-than 90d")
def prune(
    older_than: Annotated[timedelta, age("15m, 12h, 90d or 8w.")],
) -> None:
    """Delete old predictions and their feedback, some thousand at a time, so that serving continues."""
    from dandelion.db import predictions, transact

    before = datetime.now(UTC) - older_than

    async def work(engine: AsyncEngine) -> int:
        total = 0
        with console().status("Pruning ...") as progress:
            while done := await transact(
                engine, lambda on: predictions.prune(on, before, limit=PRUNED_AT_ONCE), patience_seconds=30
            ):
                total += done
                progress.update(f"Pruning ... {total}")
        return total

    deleted = with_engine(work)
    record("prune", f"{before:%Y-%m-%dT%H:%M:%SZ}", {"predictions": deleted})
    console().print(f"Deleted {deleted} predictions made before {before:%Y-%m-%d %H:%M} UTC.")
