"""Ages on the command line: 15m, 12h, 90d, 8w."""

from __future__ import annotations

import re
from datetime import timedelta

import typer

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def parse_age(text: str) -> timedelta:
    """The age that was written.

    Raises:
        typer.BadParameter: It is none.
    """
    if (found := re.fullmatch(r"(\d{1,5})([mhdw])", text)) is None:
        raise typer.BadParameter(f"{text!r} is no age: write 15m, 12h, 90d or 8w.")
    return int(found.group(1)) * _UNITS[found.group(2)]
