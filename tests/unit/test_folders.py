"""Photos in folders as macOS, Windows and people leave them: one class a name, and nothing that is no photo."""

from __future__ import annotations

import os
import shutil
import unicodedata
from contextlib import nullcontext
from pathlib import Path

import msgspec
import pytest
from pydantic import ValidationError

from dandelion.batch.source import list_photos
from dandelion.domain import LABEL_LENGTH, Feedback, class_name
from dandelion.errors import BatchError, DataError
from dandelion.feedback.labels import Line, read_labels
from dandelion.objects import DATA_LAKE
from dandelion.objects.folder import FolderStore
from dandelion.package import Manifest, open_package
from dandelion.package.starter import starter_path
from dandelion.retraining.compare import golden_photos
from dandelion.retraining.lake import folder_of, label_of, list_uploads, upload
from dandelion.settings import RetrainingSettings
from dandelion.training.checks import Severity, check_photos
from dandelion.training.photos import scan_photos
from dandelion.training.sample import create_sample

NFC = "Löwenzahn"
NFD = unicodedata.normalize("NFD", NFC)
CLUTTER = (
    "__MACOSX/Wiese/._photo.jpg",
    "__MACOSX/photo.jpg",
    ".Trashes/photo.jpg",
    "@eaDir/photo.jpg",
    "Wiese/.DS_Store",
    "Wiese/._photo.jpg",
    "Wiese/.hidden.jpg",
    "Wiese/Thumbs.db",
    "Wiese/desktop.ini",
    "Wiese/__MACOSX/photo.jpg",
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_sample(tmp_path_factory.mktemp("drawn"), per_class=20, size=64)[0].parents[1]


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> Path:
    """20 photos of a lawn; 10 and 10 of dandelions in two folders of one name; and what programs leave."""
    folder = tmp_path / "photos"
    shutil.copytree(drawn / "grass", folder / "Wiese")
    for number, photo in enumerate(sorted((drawn / "dandelion").iterdir())):
        target = folder / (NFD if number % 2 else NFC) / photo.with_suffix(".JPG" if number % 3 else ".jpg").name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(photo, target)
    for name in CLUTTER:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\x00\x05\x16\x07")
    assert {NFC, NFD} <= {each.name for each in folder.iterdir()}
    return folder


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "objects")


def test_training_sees_one_class_and_only_photos(folder: Path) -> None:
    photos = scan_photos(folder)
    assert {label: sum(photo.label == label for photo in photos) for label in {photo.label for photo in photos}} == {
        NFC: 20,
        "Wiese": 20,
    }


def test_the_check_says_that_two_folders_are_one_class_and_nothing_of_clutter(folder: Path) -> None:
    report = check_photos(folder)
    assert report.classes == {NFC: 20, "Wiese": 20}
    assert report.count(Severity.ERROR) == report.count(Severity.WARNING) == 0
    (note,) = (finding for finding in report.findings if finding.kind == "same-class")
    assert {path.name for path in note.paths} == {NFC, NFD}
    assert not any("photo.jpg" in str(path) for finding in report.findings for path in finding.paths)


def test_two_folders_of_one_class_are_one_class_too_few(folder: Path) -> None:
    shutil.rmtree(folder / "Wiese")
    with pytest.raises(DataError, match=f"only one class, '{NFC}'"):
        check_photos(folder)


def test_a_batch_has_only_photos(folder: Path, store: FolderStore) -> None:
    found = list_photos(str(folder), store)
    assert len(found) == 40
    assert {Path(photo.place).parent.name for photo in found} == {NFC, NFD, "Wiese"}
    hidden = folder.rename(folder.with_name(".hidden"))
    assert len(list_photos(str(hidden), store)) == 40


@pytest.mark.parametrize("prefix", ["", "some", "some/", "some/Wiese/photo.JPG"])
def test_a_batch_of_a_bucket_has_only_photos(store: FolderStore, prefix: str) -> None:
    for key in ("some/Wiese/photo.JPG", "some/__MACOSX/photo.jpg", "some/Wiese/Thumbs.db", "some/lost+found/a.jpg"):
        store.put(DATA_LAKE, key, b"photo")
    assert [photo.place for photo in list_photos(f"s3://{DATA_LAKE}/{prefix}", store)] == ["some/Wiese/photo.JPG"]


def test_links_to_files_are_followed_and_loops_are_not(drawn: Path, store: FolderStore, tmp_path: Path) -> None:
    folder, outside = tmp_path / "linked", drawn / "grass"
    shutil.copytree(drawn / "dandelion", folder / "dandelion")
    (folder / "grass").symlink_to(outside)
    photo = next(outside.iterdir())
    (folder / "dandelion" / "linked.jpg").symlink_to(photo)
    (folder / "dandelion" / "loop").symlink_to(folder)
    (folder / "loop").symlink_to("loop")
    labels = [photo.label for photo in scan_photos(folder)]
    assert (labels.count("dandelion"), labels.count("grass")) == (21, 20)
    assert len(list_photos(str(folder), store)) == 21  # the folder `grass` is a link


def test_pipes_are_ignored_and_broken_links_are_not(drawn: Path, store: FolderStore, tmp_path: Path) -> None:
    """Reading a pipe would wait for its writer for ever."""
    folder = Path(shutil.copytree(drawn, tmp_path / "piped"))
    os.mkfifo(folder / "grass" / "pipe.jpg")
    (folder / "grass" / "linked.jpg").symlink_to("pipe.jpg")
    assert len(scan_photos(folder)) == len(list_photos(str(folder), store)) == 40
    (folder / "grass" / "broken.jpg").symlink_to("gone.jpg")
    assert Path(list_photos(str(folder), store)[20].place).name == "broken.jpg"
    with pytest.raises(DataError, match=r"broken\.jpg cannot be read"):
        scan_photos(folder)


def test_a_broken_link_is_named(drawn: Path, store: FolderStore, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(drawn, tmp_path / "broken"))
    broken, loop = folder / "grass" / "broken.jpg", folder / "grass" / "loop.jpg"
    broken.symlink_to(tmp_path / "nowhere.jpg")
    loop.symlink_to(loop)
    unreadable = {path for finding in check_photos(folder).findings for path in finding.paths}
    assert {broken, loop} <= unreadable
    with pytest.raises(DataError, match=r"broken\.jpg cannot be read"):
        scan_photos(folder)
    with pytest.raises(DataError, match=r"broken\.jpg cannot be read"):
        upload(store, folder, progress=lambda done, total: None)
    listed = {photo.place: photo for photo in list_photos(str(folder), store)}
    for link in (broken, loop):
        with pytest.raises(OSError, match=r"No such file|Too many levels"):
            listed[str(link)].read(store)


def test_uploads_are_one_class_and_only_photos(folder: Path, store: FolderStore) -> None:
    sent, there = upload(store, folder, progress=lambda done, total: None)
    assert (sent, there) == (40, 0)
    store.put(DATA_LAKE, "uploads/__MACOSX/photo.jpg", b"x")
    store.put(DATA_LAKE, "uploads/lost+found/photo.jpg", b"x")
    labels = [source.label for source in list_uploads(store)]
    assert {label: labels.count(label) for label in set(labels)} == {NFC: 20, "Wiese": 20}


def test_golden_photos_are_only_photos(store: FolderStore) -> None:
    store.put(DATA_LAKE, f"golden/{folder_of(NFD)}/a.JPG", b"photo")
    store.put(DATA_LAKE, "golden/__MACOSX/a.jpg", b"x")
    store.put(DATA_LAKE, f"golden/{folder_of(NFC)}/Thumbs.db", b"x")
    assert [(photo.label, photo.data) for photo in golden_photos(store, None, 5)] == [(NFC, b"photo")]


def test_a_class_has_one_folder_in_the_lake() -> None:
    assert folder_of(NFD) == folder_of(NFC)
    assert label_of(folder_of(NFD)) == NFC
    assert label_of("Lo=CC=88wenzahn") == NFC  # as other programs wrote it


def test_labels_are_taken_in_either_form() -> None:
    identity = "01900000-0000-7000-8000-000000000001"
    expected = Feedback(prediction_id=identity, label=NFC)
    for form in (NFC, NFD):
        body = msgspec.json.encode({"prediction_id": identity, "label": form})
        assert msgspec.json.decode(body, type=Line).as_feedback() == expected
        assert list(read_labels(f"prediction_id,label\n{identity},{form}\n".encode(), "csv")) == [(2, expected)]
        assert list(read_labels(body, "jsonl")) == [(1, expected)]


@pytest.mark.parametrize(
    ("text", "is_short"),
    [
        (unicodedata.normalize("NFD", "ö" * LABEL_LENGTH), True),  # twice as long
        ("\u0958" * LABEL_LENGTH, False),  # NFC writes each of them with two characters
        ("x" * (LABEL_LENGTH + 1), False),
        ("", False),
    ],
    ids=["NFD", "grows", "long", "empty"],
)
def test_the_length_of_a_class_is_that_of_its_stored_name(text: str, *, is_short: bool) -> None:
    """The database's column refuses, or cuts off, what is longer."""
    body = msgspec.json.encode({"prediction_id": "01900000-0000-7000-8000-000000000001", "label": text})
    given = open_package(starter_path()).manifest.model_dump() | {"classes": [text, "b"], "background": None}
    with nullcontext() if is_short else pytest.raises(msgspec.ValidationError, match=r"limit is 100|length >= 1"):
        assert msgspec.json.decode(body, type=Line).as_feedback().label == class_name(text)
    with nullcontext() if is_short else pytest.raises(ValidationError, match="character"):
        assert Manifest.model_validate(given).classes[0] == class_name(text)


def test_classes_of_settings_and_packages_are_taken_in_either_form() -> None:
    assert RetrainingSettings(classes=(NFD, "Wiese")).classes == (NFC, "Wiese")
    given = open_package(starter_path()).manifest.model_dump() | {"classes": [NFD, "Wiese"], "background": None}
    assert Manifest.model_validate(given).classes == (NFC, "Wiese")
    with pytest.raises(ValidationError, match="repeat"):
        Manifest.model_validate(given | {"classes": [NFD, NFC]})


def test_other_characters_stay() -> None:
    assert class_name("ﬁne ½ Ω") == unicodedata.normalize("NFC", "ﬁne ½ Ω")
    assert class_name("ﬁ") == "ﬁ"  # NFKC would take it for "fi"


def test_an_empty_folder_of_clutter_holds_no_photo(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "only" / "__MACOSX").mkdir(parents=True)
    (tmp_path / "only" / "__MACOSX" / "a.jpg").write_bytes(b"x")
    with pytest.raises(BatchError, match="holds no photo"):
        list_photos(str(tmp_path / "only"), store)
    with pytest.raises(DataError, match="has no class folder"):
        scan_photos(tmp_path / "only")
