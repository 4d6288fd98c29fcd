"""`docs/settings.md` lists every setting, with the default and description that the code has."""

from __future__ import annotations

from pathlib import Path

from dandelion.settings import Section, Settings, variables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def defaults() -> dict[str, str]:
    found: dict[str, str] = {}
    for key, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, Section):
            for inner in type(default).model_fields:
                found[f"DANDELION_{key}__{inner}".upper()] = show(getattr(default, inner))
        else:
            found[f"DANDELION_{key}".upper()] = "`~/.dandelion`"
    return found


def show(value: object) -> str:
    return "none" if value is None or value == () else f"`{value}`"


def table() -> str:
    values = defaults()
    rows = [f"| `{name}` | {values[name]} | {description} |" for name, description in variables().items()]
    return "\n".join(["| variable | default | what it does |", "|---|---|---|", *rows])


def test_the_page_lists_every_setting_as_it_is() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert table() in text, f"docs/settings.md is out of date; its table should be:\n\n{table()}"
