"""What the page says, in the languages of the catalogue."""

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
# Before the first dot of a message's key stands where it is said; errors have a part of their own.
_ERROR = "error"


class Words:
    """The catalogue in one language.

    Args:
        language: A key of `LANGUAGES`.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = {key: text[language] for key, text in catalogue().items()}
        if language == "fr":  # where no line may break
            self._texts = {key: re.sub(" (?=[:;?!%])", "\u00a0", text) for key, text in self._texts.items()}

    def __call__(self, key: str, **values: object) -> str:
        """The text of that key, with its places filled."""
        return self._texts[key].format(**values)

    def safe(self, key: str, **values: object) -> str:
        """The same for places that take HTML: what fills the places is escaped."""
        return self(key, **{name: html.escape(str(value)) for name, value in values.items()})

    def problem(self, error: DandelionError) -> str:
        """What to tell a person about an error."""
        for kind in type(error).__mro__:
            if (key := f"{_ERROR}.{kind.__name__.removesuffix('Error')}") in self._texts:
                return self(key, detail=error)
        return str(error)

    def percent(self, share: float, digits: int = 1) -> str:
        """A share in [0, 1] as people of the language write it."""
        return self.number(100 * share, digits) + ("\u00a0%" if self.language == "fr" else "%")

    def number(self, value: float, digits: int = 0) -> str:
        """A number with so many digits after the point, as people of the language write it."""
        text = f"{value:,.{digits}f}"
        return text.translate(str.maketrans(",.", "\u202f,")) if self.language == "fr" else text

    def moment(self, at: datetime) -> str:
        """A time in UTC; the browser puts its own in place of it."""
        return f"{at:%Y-%m-%d %H:%M:%S} UTC"


@functools.cache
def catalogue() -> dict[str, dict[str, str]]:
    """Key to language to text."""
    tables = tomllib.loads(files("dandelion.ui").joinpath("catalogue.toml").read_text(encoding="utf-8"))
    return {
        f"{part}.{name}": cast("dict[str, str]", texts)
        for part, table in tables.items()
        for name, texts in table.items()
    }


def places(text: str) -> set[str]:
    """The names of the places in a text that are to be filled."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def choose_language(accepted: str) -> str:
    """The language that an `Accept-Language` header likes best, of those that there are."""
    wanted: list[tuple[float, str]] = []
    for part in accepted.split(","):
        name, _, quality = part.strip().partition(";q=")
        try:
            wanted.append((-float(quality or 1), name.split("-")[0].lower()))
        except ValueError:
            continue
    return next((name for _, name in sorted(wanted, key=lambda each: each[0]) if name in LANGUAGES), DEFAULT)
