"""Writes the parts of docs/architecture.md that follow from the code: the levels and the packages.

python -m tests.architecture        # run it after a package came, went or moved; a test compares
"""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
SOURCES = ROOT / "src" / "dandelion"


def levels() -> list[list[str]]:
    """Packages by level, the highest first, as import-linter's contract has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (each["layers"] for each in settings["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    return [[name.strip().removeprefix("dandelion.") for name in level.split("|")] for level in layers]


def picture() -> str:
    """The levels as a Mermaid diagram: an arrow means "may import"."""
    rows = levels()
    boxes = [f'    l{number}["{" · ".join(row)}"]' for number, row in enumerate(rows)]
    arrows = [f"    l{number} --> l{number + 1}" for number in range(len(rows) - 1)]
    return "\n".join(["```mermaid", "flowchart TD", *boxes, *arrows, "```"])


def packages() -> str:
    """Every package with the first line of its docstring."""
    rows = [f"| `{name}` | {_promise(name)} |" for level in levels() for name in level]
    return "\n".join(["| package | what it holds |", "|---|---|", *rows])


def page() -> str:
    """The page as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    for name, block in (("levels", picture()), ("packages", packages())):
        start, end = f"<!-- {name}: python -m tests.architecture -->\n", f"\n<!-- end of {name} -->"
        before, _, rest = text.partition(start)
        text = before + start + block + end + rest.partition(end)[2]
    return text


def _promise(name: str) -> str:
    path = SOURCES / name
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    documented = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return documented.splitlines()[0]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
