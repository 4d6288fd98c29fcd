"""Tests get their tier by what they use, and each has a suite that runs it."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from tests.tiers import ROOT, needs_of_file, needs_of_function, tier_of

SOURCE = """
from __future__ import annotations

from typing import TYPE_CHECKING

from tests.servers.mysql import MySqlServer
from tests.servers.ports import free_ports

if TYPE_CHECKING:
    import torch

START = MySqlServer


def told_of(server: MySqlServer) -> str:
    return server.url()


def starts() -> object:
    return MySqlServer("mysql", PLACE)


def starts_by_another_name() -> object:
    return START("mysql", PLACE)


def starts_by_a_helper() -> object:
    return [starts for _ in range(1)][0]()


def needs_a_port() -> list[int]:
    return free_ports(1)


def trains() -> None:
    from dandelion.training.run import train

    train()


def draws() -> None:
    from dandelion.training.sample import create_sample

    create_sample()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "test_something.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize(
    ("function", "tier"),
    [
        ("told_of", "quick"),
        ("starts", "proof"),
        ("starts_by_another_name", "proof"),
        ("starts_by_a_helper", "proof"),
        ("needs_a_port", "quick"),
        ("trains", "training"),
        ("draws", "quick"),
    ],
)
def test_a_function_has_the_tier_of_what_its_code_mentions(file: Path, function: str, tier: str) -> None:
    assert tier_of(needs_of_function(file, function)) == tier


def test_types_alone_are_no_need(file: Path) -> None:
    assert "torch" not in needs_of_file(file)


@pytest.mark.parametrize(
    "line", ["import torch", "from timm.data import create_transform", "import dandelion.training.fit"]
)
def test_a_file_that_imports_torch_by_any_way_needs_it(tmp_path: Path, line: str) -> None:
    path = tmp_path / "test_something.py"
    path.write_text(f"{line}\n")
    assert "torch" in needs_of_file(path)


def test_every_folder_of_tests_has_a_suite_in_the_proof() -> None:
    """A test that is not quick runs nowhere else."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    _, _, proof = tox["tox"]["labels"].partition("=")
    commands = " ".join(tox[f"testenv:{name.strip()}"]["commands"] for name in proof.split(","))
    folders = {file.parent.relative_to(ROOT) for file in (ROOT / "tests").rglob("test_*.py")}
    run = {Path(word) for word in commands.split()}
    assert {folder for folder in folders if run.isdisjoint({folder, *folder.parents})} == set()
