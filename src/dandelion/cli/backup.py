"""`dandelion backup`: create, list and restore backups."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from dandelion.cli.audit import actor, record
from dandelion.cli.options import Json, age
from dandelion.cli.output import console, print_json
from dandelion.cli.patience import waiting_for_store
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
    """List the backups, newest first, and the dumps that the CronJobs of a cluster made."""
    from dandelion.backup.backup import list_backups, list_dumps
    from dandelion.objects import create_store

    store = create_store(load_settings())
    found, dumps = list_backups(store), list_dumps(store)
    if as_json:
        print_json([*found, *({"name": dump.key, "size_bytes": dump.size_bytes} for dump in dumps)])
        return
    table = Table("Backup", "Rows", "Bytes")
    for each in found:
        size = sum(file["size_bytes"] for file in each["files"].values())
        table.add_row(each["name"], str(sum(each["rows"].values())), f"{size:,}")
    for dump in dumps:
        table.add_row(dump.key, "", f"{dump.size_bytes:,}")
    console().print(table if found or dumps else "No backup yet: dandelion backup create")


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


Id = Annotated[str, typer.Argument(help="Id of the restore, of your choice; each runs once.")]
Wait = Annotated[timedelta | None, age("How long to wait for the object store, 5m or 1h.")]


@app.command(
    "begin-restore", epilog="Example: dandelion backup begin-restore 2026-11-29-a mysql/DUMP.sql.gz dump.sql.gz"
)
def begin_restore(
    name: Id,
    dump: Annotated[str, typer.Argument(help="Dump in the bucket backups, as in `dandelion backup list`.")],
    file: Annotated[Path, typer.Argument(help="File to write the dump to.")],
    target: Annotated[str, typer.Option(help="What will be replaced, for the record.")] = "the databases",
    wait: Wait = None,
    wait_for_account: Annotated[
        bool, typer.Option("--wait-for-account", help="Also wait for a store that does not know our keys yet.")
    ] = False,
) -> None:
    """Fetch a dump for a restore by hand or by the chart's Job, and record that the restore begins.

    If it has run before, no file is written. If it, or another restore of the same target, began and did not end, the
    command fails.
    """
    from dandelion.backup.record import begin_restore as begin
    from dandelion.concurrency.termination import exiting_on_sigterm
    from dandelion.objects import create_store

    store, patience = create_store(load_settings()), waiting_for_store(wait, account=wait_for_account)
    with exiting_on_sigterm():
        done = begin(store, name, dump, target, file, wait=patience)
    if done:
        again = "It does not run again: to restore once more, choose another id."
        console().print(f"{done.message} {again}", markup=False)
    else:
        console().print(f"The restore {name} begins: {dump} replaces {target}.", markup=False)


@app.command("end-restore", epilog="Example: dandelion backup end-restore 2026-11-29-a")
def end_restore(
    name: Id,
    broke_off: Annotated[
        bool, typer.Option("--broke-off", help="It will not run to its end, so another restore may begin.")
    ] = False,
    wait: Wait = None,
) -> None:
    """Record that a restore has ended, so that it never runs again."""
    from dandelion.backup.record import end_restore as end
    from dandelion.backup.record import find_restore
    from dandelion.objects import create_store

    store, patience = create_store(load_settings()), waiting_for_store(wait)
    before = patience(find_restore, store, name)
    done = patience(end, store, name, broke_off=broke_off)
    if before is not None and before.ended_at is None and not broke_off:
        record("restore", name, {"dump": done.dump, "target": done.target})
    console().print(done.message, markup=False)
