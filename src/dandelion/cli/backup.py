"""`dandelion backup`: create, list and restore backups."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from dandelion.cli.audit import actor
from dandelion.cli.options import Json
from dandelion.cli.output import console, print_json
from dandelion.settings import load_settings

app = typer.Typer(no_args_is_help=True)


@app.command(epilog="Example: dandelion backup create")
def create(as_json: Json = False) -> None:
    """Dump the database, verify the dump by a restore and copy the objects, as the daily flow does."""
    from dandelion.backup.backup import create_backup

    with console(error=True).status("Backing up ...") as progress:
        done = create_backup(load_settings(), say=lambda line: progress.update(f"Backing up ... {line}"))
    if as_json:
        print_json(done)
    else:
        console().print(done.message, markup=False)


@app.command("list", epilog="Example: dandelion backup list")
def list_all(as_json: Json = False) -> None:
    """List the backups, newest first."""
    from dandelion.backup.backup import list_backups
    from dandelion.objects import create_store

    found = list_backups(create_store(load_settings()))
    if as_json:
        print_json(found)
        return
    table = Table("Backup", "Rows", "Bytes")
    for each in found:
        size = sum(file["size_bytes"] for file in each["files"].values())
        table.add_row(each["name"], str(sum(each["rows"].values())), f"{size:,}")
    console().print(table if found else "No backup yet: dandelion backup create")


@app.command(
    epilog="Example: dandelion backup restore 2026-01-31T02-15-00.123456Z --database sqlite:////tmp/restored.db"
)
def restore(
    name: Annotated[str, typer.Argument(help="Name of the backup, as in `dandelion backup list`.")],
    database: Annotated[str, typer.Option(help="Empty database to fill: mysql://... or sqlite:///FILE.")],
    objects: Annotated[
        bool,
        typer.Option(
            "--objects",
            help="Also restore objects that the store lacks, from their copies, and a registry that is lost.",
        ),
    ] = False,
) -> None:
    """Restore a backup into an empty database; SQLite, MySQL and MariaDB can restore each other's backups.

    Photos erased since the backup stay erased. Exit status 1 if some objects could not be copied back.
    """
    from dandelion.backup.restore import restore_backup, restore_objects, restore_versions

    settings = load_settings()
    with console(error=True).status("Restoring ...") as progress:
        # First, since the dump and the list of what was erased may be among them.
        back = restore_objects(settings, lambda line: progress.update(f"Restoring ... {line}")) if objects else None
        for why in back.failed.values() if back else ():
            console(error=True).print(f"Not copied back: {why}", markup=False)
        rows = restore_backup(settings, name, database, actor=actor())
    restored = ", ".join(f"{count} {table}" for table, count in rows.items() if count) or "no rows"
    if back is not None:
        restored += f"; {back.copied} objects copied back" + (f", {len(back.failed)} failed" if back.failed else "")
    console().print(f"Restored {restored}.", markup=False)
    if objects and (registry := restore_versions(settings, name)):
        console().print(registry, markup=False)
    if back is not None and back.failed:
        raise typer.Exit(1)
