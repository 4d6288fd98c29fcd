"""Packages that are kept on this machine, fetched from a folder in a registry's place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dandelion.errors import PackageError
from dandelion.package import ModelPackage, digest_of
from dandelion.package.starter import starter_path
from dandelion.registry.cache import fetch_into, recall_alias
from tests.packages import make_unreadable


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def keep(cache: Path, source: Path) -> ModelPackage:
    """The package `source`, by way of the cache."""
    return fetch_into(cache, digest_of(source), lambda folder: Path(shutil.copytree(source, folder / "package")))


def test_a_package_that_cannot_be_read_is_fetched_again(cache: Path) -> None:
    before = keep(cache, starter_path())
    card = before.card
    make_unreadable(before.path / "MODEL_CARD.md")
    assert keep(cache, starter_path()).card == card


@pytest.mark.parametrize(
    "said", [b"", b"{}", b'{"name": "\xff"}', None], ids=["empty", "lacking", "garbled", "unreadable"]
)
def test_a_note_that_cannot_be_read_is_named(cache: Path, said: bytes | None) -> None:
    note = cache / "champion.json"
    cache.mkdir()
    note.write_bytes(said or b"")
    if said is None:
        make_unreadable(note)
    with pytest.raises(PackageError, match=rf"{note} is damaged"):
        recall_alias(cache, "champion")


def test_a_folder_that_cannot_be_written_is_named(cache: Path) -> None:
    cache.write_text("no folder")
    with pytest.raises(PackageError, match=rf"cannot be kept in {cache} \(File exists\)"):
        keep(cache, starter_path())
