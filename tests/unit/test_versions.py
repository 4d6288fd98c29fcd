"""Dataset versions: splits that stay, photos that are each there once, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dandelion.domain import Split
from dandelion.errors import DataError
from dandelion.objects import PROCESSED, ObjectStore
from dandelion.objects.folder import FolderStore
from dandelion.training.photos import Photo
from dandelion.training.versions import (
    DatasetVersion,
    Labelled,
    draft_version,
    fetch_version,
    find_version,
    freeze_version,
    last_version,
)

LABELS = ("dandelion", "grass")


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return FolderStore(tmp_path / "objects")


def photos(count: int, *, seed: int = 0, near: list[Labelled] | None = None) -> list[Labelled]:
    """Photos that resemble none but, where given, each one of `near`."""
    draw = np.random.default_rng(seed)
    made = []
    for number in range(count):
        looks = int(draw.integers(0, 2**63)) if near is None else near[number].photo.perceptual_hash ^ 0b11
        label = LABELS[number % 2]
        photo = Photo(
            path=Path("a.jpg"),
            label=label,
            sha256="".join(f"{byte:02x}" for byte in draw.bytes(32)),
            perceptual_hash=looks,
            width=200,
            height=200,
            format="JPEG",
            contrast=40.0,
        )
        origin = f"feedback/{seed}-{number}"
        made.append(Labelled(photo=photo, origin=origin, key=f"photos/{origin}.jpg"))
    return made


def test_splits_only_ever_grow() -> None:
    versions: list[DatasetVersion] = []
    for turn in range(6):
        versions.append(draft_version(photos(60, seed=turn), versions[-1] if versions else None))
    for before, after in pairwise(versions):
        assert before.splits().items() <= after.splits().items()
        assert after.parent == before.digest
    assert {photo.split for photo in versions[-1].photos} == {"train", "validation", "test"}


def test_a_look_alike_of_a_test_photo_is_never_trained_on() -> None:
    first = draft_version(photos(200), None)
    second = draft_version(photos(200, seed=9, near=photos(200)), first)
    by_looks: dict[int, set[str]] = {}
    for photo in second.photos:
        by_looks.setdefault(int(photo.perceptual_hash, 16) >> 2, set()).add(photo.split)
    assert all(len(splits) == 1 for splits in by_looks.values())
    assert len(second.photos) == 400


def test_the_same_photos_make_the_same_version_whatever_their_order() -> None:
    some = photos(50)
    assert draft_version(some, None).digest == draft_version(reversed(some), None).digest


def test_a_label_that_was_told_again_replaces_the_label_and_not_the_split() -> None:
    some = photos(50)
    first = draft_version(some, None)
    told = Labelled(photo=replace(some[0].photo, label="grass"), origin=some[0].origin, key=some[0].key)
    second = draft_version([told], first)
    assert len(second.photos) == 50
    changed = next(photo for photo in second.photos if photo.origin == told.origin)
    assert changed.label == "grass"
    assert second.splits() == first.splits()
    assert second.digest != first.digest


def test_copies_of_a_file_count_once() -> None:
    some = photos(20)
    copies = [Labelled(photo=each.photo, origin=f"uploads/{each.origin}", key="other") for each in some]
    version = draft_version([*some, *copies], None)
    assert len(version.photos) == 20
    assert {photo.origin for photo in version.photos} == {each.origin for each in some}


def test_only_the_named_classes_are_learnt() -> None:
    version = draft_version(photos(40), None, classes=("grass",))
    assert version.classes == ("grass",)
    assert len(version.photos) == 20


def test_the_newest_version_is_the_current_one_and_old_ones_are_found(store: ObjectStore) -> None:
    assert last_version(store) is None
    first = draft_version(photos(30), None)
    freeze_version(store, first)
    later = first.created_at.replace(year=first.created_at.year + 1)
    second = draft_version(photos(30, seed=5), first)
    second = DatasetVersion(
        digest=second.digest,
        created_at=later,
        parent=second.parent,
        classes=second.classes,
        photos=second.photos,
    )
    freeze_version(store, second)
    assert last_version(store) == second
    assert find_version(store, first.digest) == first
    with pytest.raises(DataError, match="no dataset version"):
        find_version(store, "f" * 64)


def test_a_version_is_fetched_without_what_was_erased(store: ObjectStore, tmp_path: Path) -> None:
    version = draft_version(photos(10), None)
    for photo in version.photos:
        store.put(PROCESSED, photo.key, photo.sha256.encode())
    folder = tmp_path / "photos"
    assert len(fetch_version(store, version, folder)) == 10
    store.delete(PROCESSED, version.photos[0].key)
    (folder / version.photos[0].label / f"{version.photos[0].sha256}.jpg").unlink()
    (folder / "grass" / "stray.jpg").write_text("of another version")
    found = fetch_version(store, version, folder)
    assert set(found) == {photo.sha256 for photo in version.photos[1:]}
    assert sorted(path.stem for path in folder.glob("*/*")) == sorted(found)
    assert {Split(photo.split) for photo in found.values()} <= set(Split)
