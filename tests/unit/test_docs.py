"""Commands in the README and in docs/ are ones that the command line takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from dandelion.cli.main import app

ROOT = Path(__file__).resolve().parents[2]


def commands() -> Iterator[tuple[str, str]]:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for line in page.read_text(encoding="utf-8").splitlines():
            if found := re.match(r"\s{4,}(?:.*&& )?(dandelion [^#|&]*)", line):
                yield page.name, found.group(1).strip()


@pytest.mark.parametrize(("page", "command"), list(commands()))
def test_a_documented_command_is_taken_by_the_command_line(page: str, command: str) -> None:
    words = shlex.split(command)[1:]
    group: Any = typer.main.get_command(app)  # typer brings its own click
    while hasattr(group, "commands"):
        assert words, f"{page} names no command in {command!r}"
        assert words[0] in group.commands, f"{page} names {command!r}"
        group = group.commands[words.pop(0)]
    group.make_context(command, words)


def test_every_page_that_is_linked_exists() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name} links {target}"


def test_every_server_that_the_tests_may_be_given_is_documented() -> None:
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    names = re.findall(r'given\("(\w+)"\)', (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"))
    assert names
    assert [name for name in names if f"`TESTS_{name}`" not in page] == []
