"""`dandelion settings`: every setting and its value."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from dandelion.cli.output import console
from dandelion.settings import Settings, as_text, load_settings, variables


def settings(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False) -> None:
    """List every setting: variable, value and description. Values that differ from the default are bold."""
    values, defaults = as_text(load_settings()), as_text(Settings.model_construct())
    if as_json:
        typer.echo(json.dumps(values))
        return
    table = Table("Variable", "Value", "What it does", show_lines=False)
    for name, description in variables().items():
        value = escape(values[name])
        table.add_row(name, value if values[name] == defaults[name] else f"[bold]{value}[/]", escape(description))
    console().print(table)
