"""Finds words of our own where the field has one: docs/glossary.md says which.

python -m tests.language        # prints where they are; a part of `tox -e lint`
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import yaml

ROOT = Path(__file__).resolve().parents[1]
# Pattern of a text, and what to say instead. Everyday English is free: "keep the file" is, "kept photos" is not.
TEXT = {
    r"truths?": "label",
    r"(un)?told": "labelled, notified or said",
    r"figures?": "metric, measurement or plot",
    r"the watch|watch(es|ed|ing)": "monitoring",
    r"lanes?": "worker",
    r"keepers?|kept": "stored or retained",
    r"asked": "triggered, requested or queried",
    r"unlike (all |any |the )?known": "out of distribution",
    r"way back": "rollback",
    r"(go|goes|went|gone|going) on": "continue or resume",
    r"answers|answered|(an|the|each|every|its|one|wrong|right) answer": "response or prediction",
    r"bounds": "limits",
}
_PATTERNS = {re.compile(rf"\b({pattern})\b", re.IGNORECASE): say for pattern, say in TEXT.items()}
# Words of a public name, in any case.
NAMES = {
    "truth": "label",
    "truths": "labels",
    "told": "labelled or notified",
    "figure": "metric, measurement or plot",
    "figures": "metrics, measurements or plots",
    "watch": "monitoring",
    "watcher": "observer",
    "lane": "worker",
    "lanes": "workers",
    "keeper": "writer",
    "keepers": "writers",
    "asked": "request or trigger",
    "standing": "status or metrics",
    "fence": "allowlist",
    "hands": "leases",
    "doubts": "label noise",
    "unlike": "out of distribution",
}
# Blocks, commands, names and addresses are none of our words.
_QUOTED = re.compile(r"^```.*?^```|^(?: {4}|\t)[^\n]*|`[^`\n]*`|\]\([^)]*\)", re.MULTILINE | re.DOTALL)


def texts() -> Iterator[tuple[str, str]]:
    """Every text that people read, with where it is."""
    yield from _markdown()
    yield from _help()
    yield from _settings()
    yield from _catalogue()
    yield from _values()
    yield from _alerts()
    yield from _panels()


def names() -> Iterator[tuple[str, str]]:
    """Every public name of a module, with where it is."""
    for file in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            found: list[str] = []
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found = [node.name]
            elif isinstance(node, ast.Assign):
                found = [target.id for target in node.targets if isinstance(target, ast.Name)]
            yield from ((f"{_short(file)}: {name}", name) for name in found if not name.startswith("_"))


def problems() -> list[str]:
    """Where a word stands that the glossary replaces, and by what."""
    return [
        *(f"{where}: {found}" for where, text in texts() for found in problems_of_text(text)),
        *(f"{where}: {found}" for where, name in names() for found in problems_of_name(name)),
    ]


def problems_of_text(text: str) -> list[str]:
    """What to say instead of which words."""
    return [f"{match.group()!r}: say {say}" for pattern, say in _PATTERNS.items() for match in pattern.finditer(text)]


def problems_of_name(name: str) -> list[str]:
    """The same of a name in snake or camel case."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")
    return [f"{word!r}: say {NAMES[word]}" for word in words if word in NAMES]


def _markdown() -> Iterator[tuple[str, str]]:
    for page in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]:
        if page.name == "glossary.md":
            continue
        text = _QUOTED.sub(lambda found: "\n" * found.group().count("\n"), page.read_text(encoding="utf-8"))
        for number, line in enumerate(text.splitlines(), 1):
            yield f"{_short(page)}: {number}", line


def _help() -> Iterator[tuple[str, str]]:
    from dandelion.cli.main import app

    def walk(command: Any, name: str) -> Iterator[tuple[str, str]]:
        yield name, command.help or ""
        for parameter in command.params:
            yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
        for key, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, f"{name} {key}")

    yield from walk(typer.main.get_command(app), "dandelion")


def _settings() -> Iterator[tuple[str, str]]:
    from dandelion.settings import variables

    for name, description in variables().items():
        yield name, f"{name.lower().replace('_', ' ')} {description}"


def _catalogue() -> Iterator[tuple[str, str]]:
    file = ROOT / "src" / "dandelion" / "ui" / "catalogue.toml"

    def walk(found: Any, name: str) -> Iterator[tuple[str, str]]:
        if isinstance(found, dict):
            for key, inner in found.items():
                yield from walk(inner, f"{name}.{key}")
        elif name.endswith(".en"):
            yield name, str(found)

    yield from walk(tomllib.loads(file.read_text(encoding="utf-8")), _short(file))


def _values() -> Iterator[tuple[str, str]]:
    for file in [ROOT / "values.yaml", *sorted(ROOT.glob("charts/*/values.yaml")), *sorted(ROOT.glob("values/*.yaml"))]:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if "#" in line:
                yield f"{_short(file)}: {number}", re.sub(r"`[^`]*`", "", line.partition("#")[2])


def _alerts() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((ROOT / "alerts" / "rules.yaml").read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            for text in rule.get("annotations", {}).values():
                yield f"alerts/rules.yaml: {rule.get('alert')}", re.sub(r"\{\{.*?\}\}|https?://\S+", "", str(text))


def _panels() -> Iterator[tuple[str, str]]:
    for file in sorted((ROOT / "dashboards").glob("*.json")):
        for key, text in re.findall(r'"(title|description)": "((?:[^"\\]|\\.)*)"', file.read_text(encoding="utf-8")):
            yield f"{_short(file)}: {key}", re.sub(r"\]\([^)]*\)|`[^`]*`", "", text)


def _short(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


if __name__ == "__main__":
    left = problems()
    print("\n".join(left))
    sys.exit(1 if left else 0)
