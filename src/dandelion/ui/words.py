"""The page's texts and HTML templates, in the languages of the catalogue."""

from __future__ import annotations

import functools
import re
import tomllib
from datetime import datetime
from importlib.resources import files
from typing import Any, cast

from jinja2 import Environment
from markupsafe import Markup

from dandelion.errors import DandelionError
from dandelion.files.templates import create_environment

LANGUAGES = {"en": "English", "fr": "Français"}
DEFAULT = "en"


class Words:
    """The catalogue and the templates in one language, a key of `LANGUAGES`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = {key: text[language] for key, text in catalogue().items()}
        if language == "fr":  # no line may break before these marks
            self._texts = {key: re.sub(" (?=[:;?!%])", "\u00a0", text) for key, text in self._texts.items()}

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of a key with its placeholders filled."""
        return self._texts[key].format(**values)

    def safe(self, key: str, **values: object) -> Markup:
        """Return the same text for HTML, with all values escaped."""
        return Markup(self._texts[key]).format(**values)  # noqa: S704 -- our own text; `format` escapes the values

    def render(self, template: str, /, **values: Any) -> str:
        """Render an HTML template; every value is escaped."""
        return _environment().get_template(f"{template}.html.jinja").render(words=self, say=self.safe, **values)

    def problem(self, error: DandelionError | FileNotFoundError) -> str:
        """Describe an error to a visitor; a missing file is an upload that was deleted."""
        if isinstance(error, FileNotFoundError):
            return self("classify.gone")
        for kind in type(error).__mro__:
            if (key := f"error.{kind.__name__.removesuffix('Error')}") in self._texts:
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


@functools.cache
def _environment() -> Environment:
    return create_environment("dandelion.ui", "templates")
