"""`dandelion models`: model versions, and which of them is in service."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from dandelion.cli.audit import record
from dandelion.cli.options import Json
from dandelion.cli.output import console, print_json
from dandelion.domain import CHAMPION
from dandelion.settings import load_settings

if TYPE_CHECKING:
    from dandelion.registry import Registry

app = typer.Typer(no_args_is_help=True)


@app.command("list", epilog="Example: dandelion models list")
def list_versions(as_json: Json = False) -> None:
    """List all versions, newest first."""
    versions = _registry().list_versions()
    if as_json:
        print_json(versions)
        return
    table = Table("Version", "Alias", "Created (UTC)", "Package", title=f"Versions of {load_settings().model.name}")
    for version in versions:
        created = datetime.fromtimestamp(version.created_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        table.add_row(version.version, ", ".join(version.aliases), created, version.digest[:12])
    console().print(table if versions else "No version yet. Train one: dandelion train --data DIR")


@app.command(epilog="Example: dandelion models show champion")
def show(version: Annotated[str, typer.Argument(help="Version or alias.")] = CHAMPION) -> None:
    """Show a version's model card."""
    registry = _registry()
    found = registry.find_alias(version) if not version.isdecimal() else None
    package = registry.download(found or registry.get_version(version), load_settings().cache)
    out = console()
    out.print(Markdown(package.card) if out.is_terminal else Text(package.card))


@app.command(epilog="Example: dandelion models register ./package --promote")
def register(
    package: Annotated[
        Path | None, typer.Argument(help="Folder of a model package; by default the starter model.")
    ] = None,
    promote: Annotated[bool, typer.Option("--promote", help="Put it into service at once.")] = False,
    if_empty: Annotated[
        bool, typer.Option("--if-empty", help="Do nothing if there is a champion, else promote it.")
    ] = False,
) -> None:
    """Register a model package as a new version."""
    from dandelion.concurrency.termination import exiting_on_sigterm
    from dandelion.package.starter import starter_path

    with exiting_on_sigterm():  # the chart's Job has a long grace period, for its migrations
        registry = _registry()
        if if_empty and registry.find_alias(CHAMPION) is not None:
            return
        version = registry.register_package(package or starter_path())
        if promote or if_empty:
            registry.promote(version.version)
            record("promote", f"{version.name} {version.version}", {})
    console().print(f"Registered {version.name} version {version.version}.")


@app.command(epilog="Example: dandelion models promote 3")
def promote(version: Annotated[str, typer.Argument(help="Version to promote.")]) -> None:
    """Put a version into service; servers load it within their poll interval."""
    done = _registry().promote(version)
    record("promote", f"{done.name} {done.version}", {})
    console().print(f"{done.name} version {done.version} is champion. Roll back: dandelion models rollback")


@app.command(epilog="Example: dandelion models rollback")
def rollback() -> None:
    """Put the previous champion back into service."""
    done = _registry().rollback()
    record("rollback", f"{done.name} {done.version}", {})
    console().print(f"{done.name} version {done.version} is champion again.")


def _registry() -> Registry:
    from dandelion.registry import create_registry

    return create_registry(load_settings())
