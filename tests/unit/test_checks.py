"""What `dandelion data check` finds, and how splits hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

import pytest
from PIL import Image
from typer.testing import CliRunner

from dandelion.cli.data import app
from dandelion.domain import Split
from dandelion.errors import DataError
from dandelion.training.checks import Severity, check_photos
from dandelion.training.photos import Photo, scan_photos
from dandelion.training.report import render_report
from dandelion.training.sample import CLASSES, create_sample
from dandelion.training.splits import NEAR_BITS, assign_folds, assign_splits, dataset_digest, group_near_duplicates
from tests.photos import photos_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Thirty drawn photos of each class, nothing wrong with them."""
    create_sample(tmp_path / "photos", per_class=30, size=96, seed=5)
    return tmp_path / "photos"


def kinds(folder: Path) -> dict[str, Severity]:
    return {finding.kind: finding.severity for finding in check_photos(folder).findings}


def a_photo(folder: Path, label: str = "grass") -> Path:
    return min((folder / label).iterdir())


def test_a_good_folder_has_neither_errors_nor_warnings(folder: Path) -> None:
    assert check_photos(folder).exit_status == 0


def spoil_text(folder: Path) -> None:
    (folder / "grass" / "text.jpg").write_text("no photo")


def spoil_cut(folder: Path) -> None:
    photo = a_photo(folder)
    photo.write_bytes(photo.read_bytes()[:-500])


def spoil_extension(folder: Path) -> None:
    Image.open(a_photo(folder)).save(folder / "grass" / "wrong.jpg", "PNG")


def spoil_copy(folder: Path) -> None:
    shutil.copy(a_photo(folder), folder / "grass" / "copy.jpg")


def spoil_near(folder: Path) -> None:
    Image.open(a_photo(folder)).resize((120, 120)).save(folder / "grass" / "near.jpg", quality=80)


def spoil_conflict(folder: Path) -> None:
    shutil.copy(a_photo(folder), folder / "dandelion" / "other.jpg")


def spoil_tiny(folder: Path) -> None:
    Image.open(a_photo(folder)).resize((20, 20)).save(folder / "grass" / "tiny.png")


def spoil_blank(folder: Path) -> None:
    Image.new("RGB", (90, 90), "green").save(folder / "grass" / "blank.png")


def spoil_balance(folder: Path) -> None:
    for photo in sorted((folder / "grass").iterdir())[8:]:
        photo.unlink()


def spoil_name(folder: Path) -> None:
    shutil.copytree(folder / "grass", folder / ("g" * 101))


@pytest.mark.parametrize(
    ("spoil", "kind", "severity"),
    [
        (spoil_text, "unreadable", Severity.ERROR),
        (spoil_cut, "unreadable", Severity.ERROR),
        (spoil_extension, "wrong-extension", Severity.WARNING),
        (spoil_copy, "exact-duplicate", Severity.WARNING),
        (spoil_near, "near-duplicate", Severity.INFO),
        (spoil_conflict, "label-conflict", Severity.ERROR),
        (spoil_tiny, "tiny", Severity.WARNING),
        (spoil_blank, "blank", Severity.WARNING),
        (spoil_balance, "imbalance", Severity.WARNING),
        (spoil_name, "long-name", Severity.ERROR),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_wrong_is_found(folder: Path, spoil: object, kind: str, severity: Severity) -> None:
    assert kind not in kinds(folder)
    spoil(folder)  # type: ignore[operator]
    assert kinds(folder)[kind] is severity


def test_an_empty_folder_and_a_single_class_are_errors(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    shutil.rmtree(folder / "grass")
    for bad in (tmp_path / "empty", tmp_path / "missing", folder):
        with pytest.raises(DataError):
            check_photos(bad)


def test_the_page_shows_the_photos_and_escapes_their_names(folder: Path) -> None:
    photo = a_photo(folder)
    shutil.copy(photo, folder / "grass" / "<script>alert(1)<!--.jpg")
    page = render_report(check_photos(folder))
    assert "<script>alert" not in page
    assert "data:image/jpeg;base64," in page


def test_a_photo_keeps_its_split_when_others_come(folder: Path) -> None:
    before = {photo.sha256: photo.split for photo in assign_splits(scan_photos(folder))}
    create_sample(folder, per_class=30, size=96, seed=6)
    after = {
        photo.sha256: photo.split
        for photo in assign_splits(scan_photos(folder), {k: v for k, v in before.items() if v})
    }
    assert {key: after[key] for key in before} == before


def test_splits_are_about_as_large_as_promised() -> None:
    photos = assign_splits(scan_photos(photos_folder()))
    shares = {split: sum(photo.split is split for photo in photos) / len(photos) for split in Split}
    assert shares[Split.TRAIN] == pytest.approx(0.7, abs=0.12)


def test_near_duplicates_share_a_split_and_a_fold(folder: Path) -> None:
    for number, photo in enumerate(sorted((folder / "dandelion").iterdir())[:12]):
        Image.open(photo).save(folder / "dandelion" / f"again-{number}.png")
    photos = assign_splits(scan_photos(folder))
    folds = assign_folds(photos, 4)
    groups = [group for group in group_near_duplicates(photos) if len(group) > 1]
    assert len(groups) >= 12
    for group in groups:
        assert len({photos[index].split for index in group}) == 1
        assert len({folds[index] for index in group}) == 1


def test_near_duplicates_are_connected_through_others_whatever_their_number() -> None:
    """As pair by pair, over more hashes than are compared at a time."""
    random = Random(5)  # noqa: S311 -- no secret
    hashes = [random.getrandbits(64) for _ in range(40)]
    for _ in range(600):
        hashes.append(random.choice(hashes) ^ sum(1 << bit for bit in random.sample(range(64), 5)))
    random.shuffle(hashes)
    groups: list[set[int]] = []
    for index, value in enumerate(hashes):
        near = [group for group in groups if any((hashes[i] ^ value).bit_count() <= NEAR_BITS for i in group)]
        groups = [group for group in groups if group not in near] + [{index}.union(*near)]
    photos = [Photo(Path(), "grass", str(i), value, 1, 1, "PNG", 9.0) for i, value in enumerate(hashes)]
    found = group_near_duplicates(photos)
    assert sorted(map(sorted, groups)) == found


def test_the_digest_follows_content_and_not_names(folder: Path) -> None:
    before = dataset_digest(scan_photos(folder))
    a_photo(folder).rename(folder / "grass" / "zzz.jpg")
    assert dataset_digest(scan_photos(folder)) == before
    spoil_copy(folder)
    a_photo(folder, "dandelion").unlink()
    assert dataset_digest(scan_photos(folder)) != before


def test_the_command_reports_by_table_json_page_and_status(folder: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    spoil_copy(folder)
    page = tmp_path / "report.html"
    shown = runner.invoke(app, ["check", str(folder), "--html", str(page)], env={"COLUMNS": "200"})
    assert shown.exit_code == 1
    assert "exact-duplicate" in shown.stdout
    assert page.stat().st_size > 1000
    as_json = runner.invoke(app, ["check", str(folder), "--json"])
    assert json.loads(as_json.stdout)["findings"][0]["kind"] == "exact-duplicate"


def test_the_sample_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        create_sample(tmp_path / name, per_class=3, size=64, seed=9)
    for first in sorted((tmp_path / "a").rglob("*.jpg")):
        assert first.read_bytes() == (tmp_path / "b" / first.relative_to(tmp_path / "a")).read_bytes()


def test_the_least_sample_is_one_small_photo_a_class(tmp_path: Path) -> None:
    create_sample(tmp_path / "least", per_class=1, size=32)
    assert len(list((tmp_path / "least").rglob("*.jpg"))) == len(CLASSES)
    for photos, pixels in ((0, 32), (1, 31)):
        with pytest.raises(DataError, match=f"per_class is {photos} and size {pixels}"):
            create_sample(tmp_path / "less", per_class=photos, size=pixels)
