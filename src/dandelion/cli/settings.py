"""`dandelion settings`: what is set, and to what."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from dandelion.cli.output import console
from dandelion.settings import Section, Settings, load_settings, variables


def settings(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False) -> None:
    """Show every setting: its variable, its value, what it does. Values that differ from the default are bold."""
    values, defaults = _flat(load_settings()), _flat(Settings.model_construct())
    if as_json:
        typer.echo(json.dumps(values))
        return
    table = Table("Variable", "Value", "What it does", show_lines=False)
    for name, description in variables().items():
        value = escape(values[name])
        table.add_row(name, value if values[name] == defaults[name] else f"[bold]{value}[/]", escape(description))
    console().print(table)


def _flat(found: Settings) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key in type(found).model_fields:
        value = getattr(found, key)
        if isinstance(value, Section):
            # str() of a SecretStr is stars, so a secret never gets here.
            flat |= {
                f"DANDELION_{key}__{inner}".upper(): str(getattr(value, inner)) for inner in type(value).model_fields
            }
        else:
            flat[f"DANDELION_{key}".upper()] = str(value)
    return flat
