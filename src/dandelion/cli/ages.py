"""Ages on the command line: 15m, 12h, 90d, 8w."""

from __future__ import annotations

import re
from datetime import timedelta

import typer

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def parse_age(text: str) -> timedelta:
    """Read an age.

    Raises:
        typer.BadParameter: The text is not an age.
    """
    if (found := re.fullmatch(r"(\d{1,5})([mhdw])", text)) is None:
        raise typer.BadParameter(f"{text!r} is not an age: write 15m, 12h, 90d or 8w.")
    return int(found.group(1)) * _UNITS[found.group(2)]
