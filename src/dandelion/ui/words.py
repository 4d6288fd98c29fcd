"""The page's texts, in the languages of the catalogue."""

from __future__ import annotations

import functools
import html
import re
import tomllib
from datetime import datetime
from importlib.resources import files
from string import Formatter
from typing import cast

from dandelion.errors import DandelionError

LANGUAGES = {"en": "English", "fr": "Français"}
DEFAULT = "en"
# The first part of a key names the place of its text; errors have a part of their own.
_ERROR = "error"


class Words:
    """The catalogue in one language.

    Args:
        language: A key of `LANGUAGES`.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = {key: text[language] for key, text in catalogue().items()}
        if language == "fr":  # no line may break before these marks
            self._texts = {key: re.sub(" (?=[:;?!%])", "\u00a0", text) for key, text in self._texts.items()}

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of a key with its placeholders filled."""
        return self._texts[key].format(**values)

    def safe(self, key: str, **values: object) -> str:
        """Return the same text for HTML, with all values escaped."""
        return self(key, **{name: html.escape(str(value)) for name, value in values.items()})

    def problem(self, error: DandelionError) -> str:
        """Describe an error to a visitor."""
        for kind in type(error).__mro__:
            if (key := f"{_ERROR}.{kind.__name__.removesuffix('Error')}") in self._texts:
                return self(key, detail=error)
        return str(error)

    def percent(self, share: float, digits: int = 1) -> str:
        """Format a share in [0, 1] as a percentage."""
        return self.number(100 * share, digits) + ("\u00a0%" if self.language == "fr" else "%")

    def number(self, value: float, digits: int = 0) -> str:
        """Format a number with `digits` decimal places."""
        text = f"{value:,.{digits}f}"
        return text.translate(str.maketrans(",.", "\u202f,")) if self.language == "fr" else text

    def moment(self, at: datetime) -> str:
        """Format a time in UTC; the browser replaces it by local time."""
        return f"{at:%Y-%m-%d %H:%M:%S} UTC"


@functools.cache
def catalogue() -> dict[str, dict[str, str]]:
    """Return the texts by key, then by language."""
    tables = tomllib.loads(files("dandelion.ui").joinpath("catalogue.toml").read_text(encoding="utf-8"))
    return {
        f"{part}.{name}": cast("dict[str, str]", texts)
        for part, table in tables.items()
        for name, texts in table.items()
    }


def places(text: str) -> set[str]:
    """Return the names of a text's placeholders."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def choose_language(accepted: str) -> str:
    """Return the available language that an `Accept-Language` header prefers."""
    wanted: list[tuple[float, str]] = []
    for part in accepted.split(","):
        name, _, quality = part.strip().partition(";q=")
        try:
            wanted.append((-float(quality or 1), name.split("-")[0].lower()))
        except ValueError:
            continue
    return next((name for _, name in sorted(wanted, key=lambda each: each[0]) if name in LANGUAGES), DEFAULT)
