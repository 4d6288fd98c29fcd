"""`dandelion objects`: buckets, accounts, objects and their copies."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from dandelion.cli.audit import record
from dandelion.cli.options import Json, age
from dandelion.cli.output import console, print_json
from dandelion.cli.patience import waiting_for_store
from dandelion.settings import load_settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from dandelion.objects import ObjectStore

app = typer.Typer(no_args_is_help=True)

Bucket = Annotated[str, typer.Argument(help="data-lake, processed-data, mlflow-artifacts or backups.")]
Note = Annotated[str | None, typer.Option(help="Record this in the audit log, under this name.")]


@app.command(epilog="Example: dandelion objects prepare")
def prepare(
    wait: Annotated[timedelta | None, age("How long to wait for the server, 5m or 1h.")] = None,
) -> None:
    """Create missing buckets; enable versioning, encryption and retention if the server has them."""
    for feature, why in waiting_for_store(wait, account=True)(_store().prepare).items():
        console(error=True).print(f"Not supported by this server: {feature} ({why})")
    console().print("The buckets are ready.")


@app.command(epilog="Example: dandelion objects accounts /accounts")
def accounts(
    folder: Annotated[
        Path, typer.Argument(help="One subfolder per account: access-key, secret-key, policy.json.", exists=True)
    ],
) -> None:
    """Create or update accounts on a MinIO server, each with its own policy; needs the administrator's keys."""
    from dandelion.objects.accounts import ensure_accounts, read_accounts

    wanted = read_accounts(folder)
    created = ensure_accounts(load_settings().objects, wanted)
    console().print(f"{len(wanted)} accounts are ready, {len(created)} of them new.")


@app.command("list", epilog="Example: dandelion objects list backups --prefix mysql/")
def list_objects(
    bucket: Bucket,
    prefix: Annotated[str, typer.Option(help="Only keys that start with this.")] = "",
    as_json: Json = False,
) -> None:
    """List the objects of a bucket."""
    found = list(_store().list_objects(_known(bucket), prefix))
    if as_json:
        rows = [{"key": o.key, "size_bytes": o.size_bytes, "modified_at": o.modified_at.isoformat()} for o in found]
        print_json(rows)
        return
    table = Table("Key", "Bytes", "Written (UTC)")
    for each in found:
        table.add_row(each.key, str(each.size_bytes), f"{each.modified_at:%Y-%m-%d %H:%M}")
    console().print(table)


@app.command(epilog="Example: dandelion objects put backups dump.sql.gz 'mysql/{time}.sql.gz'")
def put(
    bucket: Bucket,
    file: Annotated[Path, typer.Argument(help="File to store.")],
    key: Annotated[str, typer.Argument(help="Key of the object; {time} becomes the current time, UTC.")],
    note: Note = None,
) -> None:
    """Store a file, and verify what the server wrote."""
    if not file.is_file():
        raise typer.BadParameter(f"{file} is not a file.")
    name = key.replace("{time}", f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}")
    stored = _store().put_file(_known(bucket), name, file)
    if note:
        detail = {"outcome": "succeeded", "bytes": stored.size_bytes, "sha256": stored.sha256}
        record(note, f"{bucket}/{name}", detail)
    console().print(f"Stored {stored.size_bytes} bytes as {bucket}/{name}.")


@app.command(epilog="Example: dandelion objects get backups mysql/2026-01-31T021500Z.sql.gz dump.sql.gz")
def get(
    bucket: Bucket,
    key: Annotated[str, typer.Argument(help="Key of the object; if it ends with /, the newest object under it.")],
    file: Annotated[Path, typer.Argument(help="File to write.")],
) -> None:
    """Download an object to a file; a damaged object is refused."""
    from dandelion.errors import ObjectNotFoundError

    store = _store()
    if key.endswith("/"):
        newest = max(store.list_objects(_known(bucket), key), key=lambda each: each.modified_at, default=None)
        if newest is None:
            raise ObjectNotFoundError(
                f"{bucket} has no object under {key}.", f"List its objects: dandelion objects list {bucket}"
            )
        key = newest.key
    store.get_file(_known(bucket), key, file)
    console().print(f"Fetched {bucket}/{key}.")


@app.command(epilog="Example: dandelion objects mirror data-lake mlflow-artifacts")
def mirror(
    buckets: Annotated[list[str] | None, typer.Argument(help="Buckets to copy; by default all.")] = None,
    note: Note = None,
) -> None:
    """Copy objects that the second server (DANDELION_MIRROR__URL) lacks; only erased photos are removed there."""
    from dandelion.backup.mirror import mirror as copy
    from dandelion.objects import BUCKETS, create_mirror

    chosen = [_known(bucket) for bucket in buckets or BUCKETS]
    settings = load_settings()
    with console().status("Copying ...") as progress:
        done = copy(_store(), create_mirror(settings), chosen, progress=lambda n: progress.update(f"Copying ... {n}"))
    if note:
        outcome = "failed" if done.failed else "succeeded"
        detail = {"outcome": outcome, "copied": done.copied, "same": done.same, "bytes": done.bytes_copied}
        record(note, ", ".join(chosen), detail)
    console().print(f"Copied {done.copied} objects, {done.bytes_copied} bytes; {done.same} were already there.")
    for bucket, key in done.refused:
        console(error=True).print(f"Not copied, since not every store accepts the key: {bucket}/{key}", markup=False)
    done.check()


@app.command(epilog="Example: dandelion objects ship-binlogs /var/lib/mysql --every 15m")
def ship_binlogs(
    folder: Annotated[Path, typer.Argument(help="MySQL's data folder.")],
    every: Annotated[timedelta | None, age("Repeat at this interval, 15m or 1h; by default once.")] = None,
) -> None:
    """Copy MySQL's closed binary logs to the bucket backups, so that they can be replayed after a restore."""
    from dandelion.backup.binlogs import ship_binlogs as ship
    from dandelion.cli.database import with_engine
    from dandelion.concurrency.periodic import run_periodically

    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a folder.")
    store = _store()

    async def work(engine: AsyncEngine) -> int:
        if every is None:
            return await ship(engine, store, folder)
        shipping = asyncio.create_task(
            run_periodically(
                "shipping binary logs",
                lambda: ship(engine, store, folder),
                pause_seconds=every.total_seconds(),
                spread=0,
            )
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, shipping.cancel)
        await asyncio.wait({shipping})
        return await ship(engine, store, folder)  # what was written until the end

    console().print(f"Copied {with_engine(work, tables=False)} binary logs.")


def _known(bucket: str) -> str:
    from dandelion.objects import BUCKETS

    if bucket not in BUCKETS:
        raise typer.BadParameter(f"{bucket!r} is not a bucket: choose from {', '.join(BUCKETS)}.")
    return bucket


def _store() -> ObjectStore:
    from dandelion.objects import create_store

    return create_store(load_settings())
