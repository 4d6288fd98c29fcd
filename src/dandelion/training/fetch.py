"""Download an archive of photos and unpack it safely: neither the network nor the archive is trusted."""

from __future__ import annotations

import hashlib
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import httpx

from dandelion.errors import DataError

MAX_MEMBERS = 2_000_000
MAX_UNPACKED_BYTES = 200 * 1024**3
# Photos hardly compress; an archive that expands more is meant to fill a disk.
MAX_EXPANSION = 100

Progress = Callable[[int, int | None], None]


def fetch_archive(
    url: str,
    folder: Path,
    *,
    sha256: str | None = None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Download the zip, tar, tar.gz, tar.bz2 or tar.xz archive at `url` and unpack it as `folder`, new or empty.

    An interrupted download stays beside `folder` as `NAME.part`; call this again to resume it. Nothing of a refused
    archive stays. `sha256` is the archive's expected checksum, hexadecimal. `progress` is called with the number of
    bytes done and of all bytes, if the server sends it.

    Raises:
        DataError: The address, the checksum or the archive is wrong, or the disk cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty.", "Choose another folder, or empty it.")
    if not url.startswith(("http://", "https://")):
        raise DataError(f"{url!r} is no http or https address.", "Unpack local archives with tar or unzip.")
    partial = folder.with_name(folder.name + ".part")
    with _disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _download(url, partial, progress)
        if sha256 is not None and (found := _hash(partial)) != sha256.lower():
            partial.unlink()
            raise DataError(f"{url} has SHA-256 {found}, not {sha256}.", "Check the address and the checksum.")
        _unpack(partial, folder)
        partial.unlink()
    return folder


def _download(url: str, partial: Path, progress: Progress) -> None:
    done = partial.stat().st_size if partial.exists() else 0
    mark = partial.with_name(partial.name + ".etag")
    headers = {"Accept-Encoding": "identity"}
    if done and mark.exists():
        # If the file changed meanwhile, the server sends all of it, so that parts of different files never mix.
        headers |= {"Range": f"bytes={done}-", "If-Range": mark.read_text()}
    try:
        with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=30) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                progress(done, done)
                mark.unlink(missing_ok=True)
                return  # the download was complete already
            if not response.is_success:
                raise DataError(
                    f"{url} returned {response.status_code} {response.reason_phrase}.", "Check the address."
                )
            resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
            done = done if resumed else 0
            if identity := response.headers.get("etag") or response.headers.get("last-modified"):
                mark.write_text(identity)
            length = response.headers.get("content-length")
            total = done + int(length) if length else None
            with partial.open("ab" if resumed else "wb") as stream:
                for chunk in response.iter_raw():
                    stream.write(chunk)
                    done += len(chunk)
                    progress(done, total)
    except httpx.InvalidURL as error:
        raise DataError(f"{url!r} is no address ({error}).", "Give one like https://example.org/photos.zip.") from error
    except httpx.HTTPError as error:
        raise DataError(
            f"The download of {url} broke off after {done} bytes ({type(error).__name__}: {error}).",
            "Rerun the command to resume.",
        ) from error
    mark.unlink(missing_ok=True)


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack beside `folder`, then move the content there as a whole."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as name:
        target = Path(name) / "content"
        target.mkdir()
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, target)
        elif tarfile.is_tarfile(archive):
            _unpack_tar(archive, target)
        else:
            archive.unlink()
            raise DataError("The downloaded file is neither a zip nor a tar archive.", "Check the address.")
        if folder.exists():
            folder.rmdir()
        target.rename(folder)


def _unpack_zip(archive: Path, target: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            _check_amount(len(members), sum(member.file_size for member in members), archive)
            for member in members:
                kind = stat.S_IFMT(member.external_attr >> 16)
                _check_member(member.filename, is_plain=kind in {0, stat.S_IFREG, stat.S_IFDIR})
            opened.extractall(target)  # noqa: S202 -- every member was checked above
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise DataError(f"The archive is damaged or encrypted ({error}).", "Download it again.") from error


def _write_member(archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    """Write a file or folder without its owner, permissions and times; Python 3.11.2 has no filter that leaves them."""
    if content := archive.extractfile(member):
        place.parent.mkdir(parents=True, exist_ok=True)
        with content, place.open("wb") as file:
            shutil.copyfileobj(content, file)
    else:
        place.mkdir(parents=True, exist_ok=True)


def _unpack_tar(archive: Path, target: Path) -> None:
    try:
        with tarfile.open(archive) as opened:
            count = unpacked = 0
            for member in opened:
                count, unpacked = count + 1, unpacked + member.size
                _check_amount(count, unpacked, archive)
                _check_member(member.name, is_plain=member.isfile() or member.isdir())
                _write_member(opened, member, target / member.name)
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"The archive is damaged ({error}).", "Download it again.") from error


def _check_member(name: str, *, is_plain: bool) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    leads_out = path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0])
    if leads_out or not is_plain:
        why = "leads out of the folder" if is_plain else "is a link or a device"
        raise DataError(f"The archive's member {name!r} {why}.", "Nothing was unpacked; do not trust this archive.")


def _check_amount(members: int, unpacked: int, archive: Path) -> None:
    packed = archive.stat().st_size
    if members > MAX_MEMBERS or unpacked > MAX_UNPACKED_BYTES or unpacked > MAX_EXPANSION * max(packed, 1024):
        raise DataError(
            f"The archive would unpack its {packed:,} bytes to {unpacked:,} in {members:,} files.",
            "Nothing was unpacked: photos do not expand like this. Check the address.",
        )


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        free = shutil.disk_usage(next(each for each in folder.absolute().parents if each.exists())).free
        raise DataError(
            f"{folder} cannot be written ({error.strerror or error}; {free:,} bytes are free).",
            "Free some disk space or choose another folder, then rerun the command.",
        ) from error
