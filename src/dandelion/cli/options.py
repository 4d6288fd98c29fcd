"""Options that several commands have."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

import typer

from dandelion.settings import API_KEY_VARIABLE

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
ServerKey = Annotated[str | None, typer.Option(envvar=API_KEY_VARIABLE, help="API key for that server.")]


def age(what: str) -> Any:
    """An option with an age: 15m, 12h, 90d, 8w; `what` is its help."""
    return typer.Option(parser=_parse_age, metavar="AGE", help=what)


def _parse_age(text: str) -> timedelta:
    if (found := re.fullmatch(r"(\d{1,5})([mhdw])", text)) is None:
        raise typer.BadParameter(f"{text!r} is not an age: write 15m, 12h, 90d or 8w.")
    return int(found.group(1)) * _UNITS[found.group(2)]
