"""The page's HTML templates; every value is escaped."""

from __future__ import annotations

import functools
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from dandelion.files.templates import create_environment
from dandelion.ui.words import Words


class Renderer:
    """Templates in one language; their texts come from the catalogue."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def __call__(self, template: str, /, **values: Any) -> str:
        """Render a template."""
        return _environment().get_template(f"{template}.html.jinja").render(words=self._words, say=self._say, **values)

    def _say(self, key: str, **values: object) -> Markup:
        return Markup(self._words.safe(key, **values))  # noqa: S704 -- `safe` escapes the values


@functools.cache
def _environment() -> Environment:
    return create_environment("dandelion.ui", "templates")
