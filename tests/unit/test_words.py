"""The catalogue of texts and its languages."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import dandelion.ui
from dandelion import errors
from dandelion.errors import DandelionError, JournalFullError, NotAnImageError
from dandelion.ui.words import LANGUAGES, Words, catalogue, choose_language

SOURCES = Path(dandelion.ui.__file__).parent


def places(text: str) -> frozenset[str]:
    """The names of a text's placeholders."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name)


@pytest.mark.parametrize("key", catalogue())
def test_a_message_says_the_same_in_every_language(key: str) -> None:
    texts = catalogue()[key]
    assert set(texts) == set(LANGUAGES)
    assert all(text.strip() for text in texts.values())
    assert len({places(text) for text in texts.values()}) == 1


def test_every_message_is_said_and_every_word_that_is_said_is_there() -> None:
    said = "\n".join(path.read_text() for path in SOURCES.rglob("*") if path.suffix in {".py", ".jinja"})
    keys = set(re.findall(r"\"([a-z_]+\.[a-z_0-9]+)\"", said))
    parts = {key.split(".")[0] for key in catalogue()}
    assert {key for key in keys if key.split(".")[0] in parts} <= set(catalogue())
    unsaid = [key for key in catalogue() if not key.startswith("error.") and key not in keys]
    assert unsaid == []


def test_every_error_of_the_catalogue_is_one_of_ours() -> None:
    named = [key.split(".")[1] for key in catalogue() if key.startswith("error.")]
    assert [name for name in named if not hasattr(errors, f"{name}Error")] == []


def test_an_error_is_described_in_the_visitors_language_if_it_can_be() -> None:
    assert Words("fr").problem(NotAnImageError("No picture.")) == "Ce n'est pas une photo, ou elle est abîmée."
    assert "store predictions" in Words("en").problem(JournalFullError("Full."))
    assert Words("fr").problem(DandelionError("Odd.", "Look.")) == "Odd. Look."


def test_what_fills_a_place_cannot_be_html() -> None:
    assert "<b>" not in Words("en").safe("classify.marked_wrong", label="<b>grass</b>")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("en-GB,en;q=0.9,fr;q=0.8", "en"),
        ("de,fr;q=0.5,en;q=0.7", "en"),
        ("de", "en"),
        ("fr;q=nonsense,en", "en"),
    ],
)
def test_the_browser_chooses_the_language(accepted: str, language: str) -> None:
    assert choose_language(accepted) == language


def test_numbers_are_written_as_the_language_does() -> None:
    assert Words("en").percent(0.9876) == "98.8%"
    assert Words("fr").percent(0.9876) == "98,8\u00a0%"
    assert Words("fr").number(12345.5, 1) == "12\u202f345,5"
