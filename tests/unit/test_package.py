"""Model packages: sealed, verified, refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dandelion.errors import PackageError
from dandelion.package import open_package, seal_package
from dandelion.package.starter import starter_path
from tests.packages import make_package, make_unreadable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the starter, to spoil."""
    return Path(shutil.copytree(starter_path(), tmp_path / "package"))


def test_the_starter_is_sound_and_small() -> None:
    package = open_package(starter_path())
    assert package.manifest.classes == ("dandelion", "grass")
    size = sum(file.stat().st_size for file in starter_path().rglob("*") if file.is_file())
    assert size <= 12 * 1024 * 1024


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda folder: (folder / "metrics.json").write_text("{}"), "metrics.json"),
        (lambda folder: (folder / "openvino" / "model.bin").unlink(), "openvino/model.bin"),
        (lambda folder: (folder / "extra.txt").write_text("x"), "extra.txt"),
        (lambda folder: (folder / "sha256sums").unlink(), "sha256sums"),
        (lambda folder: (folder / "sha256sums").write_bytes(b"\xff"), "sha256sums"),
        (lambda folder: make_unreadable(folder / "metrics.json"), "cannot be read"),
    ],
    ids=["altered", "missing", "added", "unsealed", "garbled", "unreadable"],
)
def test_a_spoilt_package_is_refused_by_name(folder: Path, spoil: Callable[[Path], object], named: str) -> None:
    spoil(folder)
    with pytest.raises(PackageError, match=named):
        open_package(folder)


def test_a_manifest_of_a_newer_format_is_refused(folder: Path) -> None:
    manifest = folder / "model.json"
    manifest.write_text(
        manifest.read_text()
        .replace('"format_version":1', '"format_version":2')
        .replace('"format_version": 1', '"format_version": 2')
    )
    seal_package(folder)
    with pytest.raises(PackageError, match="format_version"):
        open_package(folder)


@pytest.mark.parametrize("name", ["", "g" * 101], ids=["none", "too long"])
def test_a_class_whose_answers_could_not_be_stored_is_refused(tmp_path: Path, name: str) -> None:
    assert open_package(make_package(tmp_path / "longest", classes=["dandelion", "g" * 100])).manifest.classes
    with pytest.raises(PackageError, match=r"classes\.1: String should have at"):
        open_package(make_package(tmp_path / "refused", classes=["dandelion", name]))


def test_a_missing_precision_is_named_with_what_there_is(folder: Path) -> None:
    with pytest.raises(PackageError, match="float32"):
        open_package(folder).graph("float16")


def test_equal_packages_have_equal_digests(folder: Path) -> None:
    assert seal_package(folder) == open_package(starter_path()).digest


def test_a_reference_of_another_version_is_refused_with_the_remedy(folder: Path) -> None:
    np.savez(folder / "reference.npz", means=np.zeros((2, 4)), precision=np.eye(4))
    seal_package(folder)
    with pytest.raises(PackageError, match=r"reference\.npz cannot be read .* again with this version"):
        open_package(folder).reference()
