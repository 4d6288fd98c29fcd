"""Packages that are kept on this machine, fetched from a folder in a registry's place."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from dandelion.domain import ModelVersion
from dandelion.errors import PackageError
from dandelion.package import ModelPackage, digest_of
from dandelion.package.starter import starter_path
from dandelion.registry.cache import UNUSED_DAYS, fetch_into, recall_alias, remember_alias
from tests.packages import make_package, make_unreadable


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def keep(cache: Path, source: Path) -> ModelPackage:
    """The package `source`, by way of the cache."""
    return fetch_into(cache, digest_of(source), lambda folder: Path(shutil.copytree(source, folder / "package")))


def remember(cache: Path, package: ModelPackage) -> None:
    """Let the champion be that package."""
    remember_alias(cache, ModelVersion("dandelion", "1", ("champion",), package.digest, 0), "champion")


def age(*packages: ModelPackage) -> None:
    """Let nobody have used them for longer than they are kept."""
    long_ago = time.time() - (UNUSED_DAYS * 24 + 1) * 3600
    for package in packages:
        os.utime(package.path, (long_ago, long_ago))


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
    with pytest.raises(PackageError, match=rf"cannot be stored in {cache} \(File exists\)"):
        keep(cache, starter_path())


def test_what_a_killed_fetch_left_goes_with_the_next_fetch(cache: Path) -> None:
    shutil.copytree(starter_path(), cache / ".fetching-killed" / "package")
    fetched = keep(cache, starter_path())
    assert list(cache.iterdir()) == [fetched.path]


def test_a_package_that_nobody_used_for_days_goes_with_the_next_fetch(cache: Path, tmp_path: Path) -> None:
    old, recent = (keep(cache, make_package(tmp_path / note, note=note)) for note in ("old", "recent"))
    (cache / "mine").mkdir()
    age(old)
    fetched = keep(cache, starter_path())
    assert set(cache.iterdir()) == {recent.path, fetched.path, cache / "mine"}


def test_a_package_that_is_used_again_stays(cache: Path, tmp_path: Path) -> None:
    source = make_package(tmp_path / "old", note="old")
    old = keep(cache, source)
    age(old)
    keep(cache, source)
    keep(cache, starter_path())
    assert old.path.exists()


def test_what_an_alias_points_at_stays_and_for_days_what_it_pointed_at_before(cache: Path, tmp_path: Path) -> None:
    before, now, other = (keep(cache, make_package(tmp_path / note, note=note)) for note in ("before", "now", "other"))
    remember(cache, before)
    age(before, now, other)
    remember(cache, now)
    keep(cache, starter_path())
    assert (before.path.exists(), now.path.exists(), other.path.exists()) == (True, True, False)


def test_a_package_is_as_new_as_its_fetch_whatever_it_is_a_copy_of(cache: Path, tmp_path: Path) -> None:
    source = make_package(tmp_path / "source", note="copy")
    os.utime(source, (0, 0))
    copied = keep(cache, source)
    keep(cache, starter_path())
    assert copied.path.exists()
