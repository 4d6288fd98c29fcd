"""The command `dandelion`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dandelion import __version__
from dandelion.cli import backup, data, db, flows, keys, models, monitoring, objects, predictions, privacy
from dandelion.cli.check import check
from dandelion.cli.doctor import doctor
from dandelion.cli.feedback import feedback
from dandelion.cli.options import Json
from dandelion.cli.output import console, print_json
from dandelion.cli.predict import predict
from dandelion.cli.predict_batch import predict_batch
from dandelion.cli.retrain import retrain
from dandelion.cli.train import train
from dandelion.errors import DandelionError
from dandelion.settings import LogSettings, Settings, as_text, load_settings, variables
from dandelion.telemetry.logs import configure_logging

app = typer.Typer(
    name="dandelion",
    help="A self-hosted image classifier that monitors, retrains and releases itself.",
    epilog="Start with: dandelion up",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data", help="Photos: check, fetch, generate, upload.")
app.add_typer(models.app, name="models", help="Model versions: list, show, register, promote, roll back.")
app.add_typer(db.app, name="db", help="Database tables: upgrade, downgrade, inspect, prune.")
app.add_typer(objects.app, name="objects", help="Object store: prepare buckets; list, put, get and copy objects.")
app.add_typer(keys.app, name="keys", help="API keys: create, list, revoke.")
app.add_typer(predictions.app, name="predictions", help="Export the history.")
app.add_typer(backup.app, name="backup", help="Backups: create, list, restore.")
app.add_typer(flows.app, name="flows", help="Flows: list, serve here, register for a work pool.")
app.add_typer(monitoring.app, name="monitoring", help="Drift and accuracy: measure over all processes, write a report.")
app.add_typer(privacy.app, name="privacy", help="Erase people's photos.")
app.command(epilog="Example: dandelion train --data photos/")(train)
app.command(epilog="Example: dandelion retrain --force --reason '200 new photos'")(retrain)
app.command(epilog="Example: dandelion predict photo.jpg --json")(predict)
app.command(epilog="Example: dandelion predict-batch photos/ --out predictions.parquet")(predict_batch)
app.command(epilog="Example: dandelion feedback labels.csv --url http://127.0.0.1:8000")(feedback)
app.command(epilog="Example: dandelion doctor")(doctor)
app.command(epilog="Example: dandelion check --api http://127.0.0.1:8000")(check)


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"dandelion {__version__}")
        raise typer.Exit


@app.command(epilog="Example: dandelion settings --json")
def settings(as_json: Json = False) -> None:
    """List every setting: variable, value and description. Values that differ from the default are bold."""
    values, defaults = as_text(load_settings()), as_text(Settings.model_construct())
    if as_json:
        print_json(values)
        return
    table = Table("Variable", "Value", "What it does", show_lines=False)
    for name, description in variables().items():
        value = escape(values[name])
        table.add_row(name, value if values[name] == defaults[name] else f"[bold]{value}[/]", escape(description))
    console().print(table)


@app.command(epilog="Example: dandelion up, then open http://127.0.0.1:7860")
def up() -> None:
    """Start everything on this machine: web page, API, MLflow, Prefect and a starter model. Ctrl-C stops it."""
    from dandelion.cli.up import run_up

    raise typer.Exit(run_up(load_settings()))


@app.command(epilog="Example: dandelion serve --model ./package --port 8080")
def serve(
    model: Annotated[
        Path | None, typer.Option(help="Serve the model package in this folder instead of the registry's champion.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    track: Annotated[str | None, typer.Option(help="Release track shown in the metrics.")] = None,
) -> None:
    """Run only the API."""
    from dandelion.api.server import run

    given = {
        "DANDELION_MODEL__PATH": model,
        "DANDELION_API__HOST": host,
        "DANDELION_API__PORT": port,
        "DANDELION_API__TRACK": track,
    }
    raise typer.Exit(run(_settings_with(given)))


@app.command(epilog="Example: dandelion ui --api http://api:8000, then open http://127.0.0.1:7860")
def ui(
    api: Annotated[str | None, typer.Option(help="Address of the API.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Run only the web page."""
    from dandelion.ui.server import run

    given = {"DANDELION_UI__API_URL": api, "DANDELION_UI__HOST": host, "DANDELION_UI__PORT": port}
    raise typer.Exit(run(_settings_with(given)))


def _settings_with(given: Mapping[str, object]) -> Settings:
    # Options are set in the environment, so that they are checked and reported like any other setting.
    os.environ.update({name: str(value) for name, value in given.items() if value is not None})
    return load_settings()


def main() -> int:
    """Run the command line and return its exit status: 0 success, 1 negative result, 2 error, 130 interrupted."""
    configure_logging(LogSettings(level="warning"))  # to standard error; output is for results
    try:
        return int(app(standalone_mode=False) or 0)
    except typer.Exit as done:
        return done.exit_code
    except DandelionError as error:
        screen = Console(stderr=True)
        screen.print(f"[bold red]Error:[/] {escape(error.message)}", highlight=False, soft_wrap=True)
        if error.remedy:
            screen.print(f"[bold]Remedy:[/] {escape(error.remedy)}", highlight=False, soft_wrap=True)
        return 2
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # The reader of our output has closed the pipe, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if hasattr(error, "format_message"):  # click's own: a wrong option or argument
            Console(stderr=True).print(f"[bold red]Error:[/] {escape(error.format_message())}", highlight=False)
            return 2
        raise
