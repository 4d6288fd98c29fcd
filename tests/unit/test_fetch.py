"""Fetching archives from a real server, whole and broken, kind and hostile."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dandelion.errors import DataError
from dandelion.training.fetch import fetch_archive
from tests.servers.scripted import Handler, listening


class Shelf:
    """What the server hands out, and how."""

    def __init__(self) -> None:
        self.body = b""
        self.etag = '"1"'
        self.ranges = True
        self.cut_after: int | None = None
        self.asked: list[str | None] = []
        self.url = ""


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()

    class Photos(Handler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            shelf.asked.append(asked)
            if self.path != "/photos":
                self.send_error(404)
                return
            start = 0
            if asked and shelf.ranges and self.headers.get("If-Range") == shelf.etag:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
            body = shelf.body[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", shelf.etag)
            self.end_headers()
            self.wfile.write(body if shelf.cut_after is None else body[: shelf.cut_after])

    with listening(Photos) as url:
        shelf.url = f"{url}/photos"
        yield shelf


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(*members: tarfile.TarInfo, mode: str = "w:gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return stream.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, 5 if kind == tarfile.REGTYPE else 0
    return member


GOOD = {"grass/a.jpg": bytes(range(256)) * 40, "dandelion/b.jpg": b"b"}


def test_a_zip_is_unpacked_as_the_folder(shelf: Shelf, tmp_path: Path) -> None:
    shelf.body = zipped(GOOD)
    seen: list[tuple[int, int | None]] = []
    folder = fetch_archive(shelf.url, tmp_path / "photos", progress=lambda done, total: seen.append((done, total)))
    assert (folder / "grass" / "a.jpg").read_bytes() == GOOD["grass/a.jpg"]
    assert seen[-1] == (len(shelf.body), len(shelf.body))
    assert [entry.name for entry in tmp_path.iterdir()] == ["photos"]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_of_any_compression_is_unpacked(shelf: Shelf, tmp_path: Path, mode: str) -> None:
    shelf.body = tarred(entry("grass", tarfile.DIRTYPE), entry("grass/a.jpg"), mode=mode)
    assert (fetch_archive(shelf.url, tmp_path / "photos") / "grass" / "a.jpg").read_bytes() == b"xxxxx"


@pytest.mark.parametrize("ranges", [True, False], ids=["server resumes", "server starts over"])
def test_a_download_that_broke_off_is_completed(shelf: Shelf, tmp_path: Path, ranges: bool) -> None:
    shelf.body, shelf.cut_after, shelf.ranges = zipped(GOOD), 100, ranges
    with pytest.raises(DataError, match=r"broke off.*Rerun the command to resume"):
        fetch_archive(shelf.url, tmp_path / "photos")
    shelf.cut_after = None
    fetch_archive(shelf.url, tmp_path / "photos", sha256=hashlib.sha256(shelf.body).hexdigest())
    assert shelf.asked == [None, "bytes=100-"]
    assert (tmp_path / "photos" / "dandelion" / "b.jpg").exists()


def test_a_file_that_changed_between_two_tries_is_fetched_whole(shelf: Shelf, tmp_path: Path) -> None:
    shelf.body, shelf.cut_after = zipped({"old/a.jpg": b"old" * 99}), 50
    with pytest.raises(DataError):
        fetch_archive(shelf.url, tmp_path / "photos")
    shelf.body, shelf.cut_after, shelf.etag = zipped(GOOD), None, '"2"'
    assert (fetch_archive(shelf.url, tmp_path / "photos") / "grass").is_dir()


def test_a_wrong_checksum_leaves_nothing(shelf: Shelf, tmp_path: Path) -> None:
    shelf.body = zipped(GOOD)
    with pytest.raises(DataError, match="SHA-256"):
        fetch_archive(shelf.url, tmp_path / "photos", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def evil_zip_link() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        link = zipfile.ZipInfo("grass/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return stream.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        zipped({"../out.jpg": b"x"}),
        zipped({"/etc/out.jpg": b"x"}),
        zipped({"..\\out.jpg": b"x"}),
        evil_zip_link(),
        tarred(entry("../out.jpg")),
        tarred(entry("/out.jpg")),
        tarred(entry("link", tarfile.SYMTYPE, "/etc/passwd")),
        tarred(entry("hard", tarfile.LNKTYPE, "../../etc/passwd")),
        tarred(entry("device", tarfile.CHRTYPE)),
        zipped({"bomb.jpg": bytes(60_000_000)}),
        b"not an archive at all",
        zipped(GOOD)[:-60],
    ],
    ids=[
        *("zip ..", "zip absolute", "zip backslash", "zip link", "tar ..", "tar absolute", "tar symlink"),
        *("tar hard link", "tar device", "bomb", "no archive", "truncated"),
    ],
)
def test_a_hostile_or_broken_archive_leaves_nothing_unpacked(shelf: Shelf, tmp_path: Path, body: bytes) -> None:
    shelf.body = body
    inside = tmp_path / "inside"
    with pytest.raises(DataError):
        fetch_archive(shelf.url, inside / "photos")
    assert not (inside / "photos").exists()
    assert not (tmp_path / "out.jpg").exists()
    assert [path.name for path in inside.iterdir() if not path.name.startswith("photos.part")] == []


def test_a_missing_page_and_a_bad_address_are_named(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="404"):
        fetch_archive(shelf.url + "/none", tmp_path / "photos")
    for address in ("ftp://example.org/x.zip", "photos.zip"):
        with pytest.raises(DataError, match="no http or https address"):
            fetch_archive(address, tmp_path / "photos")


def test_a_folder_that_holds_something_is_left_alone(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        fetch_archive(shelf.url, tmp_path)
    assert shelf.asked == []


def test_an_address_that_httpx_cannot_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no address"):
        fetch_archive("https://example.org:port/photos.zip", tmp_path / "photos")
