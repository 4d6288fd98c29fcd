"""The check of our language finds the glossary's words, and leaves everyday English alone."""

from __future__ import annotations

import pytest

from tests.language import NAMES, TEXT, names, problems_of_name, problems_of_text, texts


@pytest.mark.parametrize(
    "text",
    [
        "Tell the truth about it.",
        "Truths of late.",
        "All figures are gone.",
        "the watch found it",
        "It went on.",
        "An answer came.",
        "what nobody told",
        "photos unlike all known ones",
        "The way back is short.",
    ],
)
def test_a_word_of_our_own_is_found(text: str) -> None:
    assert problems_of_text(text)


@pytest.mark.parametrize("text", ["Keep the file.", "Unlike MySQL, SQLite locks.", "It does not answer.", "Tell us."])
def test_everyday_english_is_free(text: str) -> None:
    assert problems_of_text(text) == []


@pytest.mark.parametrize("name", ["AccuracyFigure", "MIN_TRUTHS", "give_truths", "Hands", "watch"])
def test_a_name_is_read_word_by_word(name: str) -> None:
    assert problems_of_name(name)
    assert problems_of_name("handset_configure_watchdog") == []


def test_all_kinds_of_texts_are_read() -> None:
    found = {where.split(":")[0].split()[0] for where, _ in texts()}
    kinds = {"README.md", "docs/serving.md", "dandelion", "values.yaml", "charts/api/values.yaml", "alerts/rules.yaml"}
    assert kinds <= found
    assert any(where.startswith("DANDELION_API__PORT") for where, _ in texts())
    assert any("catalogue.toml" in where for where, _ in texts())
    assert any("dashboards/" in where for where, _ in texts())
    assert {"Settings", "create_app", "DandelionError"} <= {name for _, name in names()}
    assert TEXT
    assert NAMES
