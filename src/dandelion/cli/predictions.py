"""`dandelion predictions`: export the history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dandelion.cli.database import with_engine
from dandelion.cli.options import Json, age
from dandelion.cli.output import console, print_json
from dandelion.concurrency.patience import JOB_PATIENCE_SECONDS
from dandelion.domain import class_name
from dandelion.errors import DandelionError
from dandelion.files.replacing import replacing

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from dandelion.db.predictions import Filter

app = typer.Typer(no_args_is_help=True)

ROWS_AT_ONCE = 5000


@app.callback()
def _root() -> None:
    """Makes `export` a subcommand although it is the only one."""


@app.command(epilog="Example: dandelion predictions export wrong.parquet --since 30d --verdict wrong")
def export(
    file: Annotated[Path, typer.Argument(help="Parquet file to write; an existing one is replaced.")],
    since: Annotated[timedelta | None, age("Only those not older than 12h, 90d or 8w.")] = None,
    until: Annotated[timedelta | None, age("Only those older than 12h, 90d or 8w.")] = None,
    label: Annotated[str | None, typer.Option(help="Only predictions of this class.")] = None,
    version: Annotated[str | None, typer.Option(help="Only predictions of this model version.")] = None,
    verdict: Annotated[
        Literal["right", "wrong", "unknown"] | None, typer.Option(help="Only predictions with this verdict.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write predictions and their labels to a Parquet file, oldest first, for pandas, DuckDB or Spark."""
    from dandelion.db.predictions import Filter

    now = datetime.now(UTC)
    wanted = Filter(
        since=now - since if since else None,
        until=now - until if until else None,
        label=None if label is None else class_name(label),
        version=version,
        verdict=verdict,
    )
    rows = with_engine(lambda engine: _write(engine, wanted, file))
    if as_json:
        print_json({"rows": rows, "file": str(file), "bytes": file.stat().st_size})
    else:
        console().print(f"Wrote {rows} predictions, {file.stat().st_size:,} bytes, to {file}.")


async def _write(engine: AsyncEngine, wanted: Filter, file: Path) -> int:
    """Stream the rows; the file is complete, or not there at all."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DandelionError("Parquet needs pyarrow.", "pip install 'dandelion[all]'") from error
    from dandelion.db import predictions, transact

    word = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema(
        [
            ("prediction_id", pa.string()),
            ("created_at", pa.timestamp("ms", tz="UTC")),
            ("label", word),
            ("confidence", pa.float64()),
            ("probabilities", pa.map_(pa.string(), pa.float64())),
            ("in_distribution", pa.bool_()),
            ("model_name", word),
            ("model_version", word),
            ("track", word),
            ("duration_ms", pa.float64()),
            ("photo_key", pa.string()),
            ("true_label", word),
            ("verdict", word),
        ]
    )
    total, after = 0, None
    try:
        with (
            console(error=True).status("Exporting ...") as progress,
            replacing(file) as fresh,
            pq.ParquetWriter(fresh, schema, compression="zstd") as writer,
        ):
            while True:
                found = await transact(
                    engine,
                    lambda on: predictions.walk(on, wanted, after=after, limit=ROWS_AT_ONCE),  # noqa: B023 -- runs here
                    patience_seconds=JOB_PATIENCE_SECONDS,
                )
                if not found:
                    break
                columns: dict[str, list[Any]] = {name: [getattr(each, name) for each in found] for name in schema.names}
                columns["probabilities"] = [list(each.probabilities.items()) for each in found]
                writer.write_table(pa.table(columns, schema=schema))
                total, after = total + len(found), found[-1].prediction_id
                progress.update(f"Exporting ... {total}")
    except OSError as error:
        raise DandelionError(
            f"{file} cannot be written ({error.strerror or error}).", "Choose another place."
        ) from error
    return total
