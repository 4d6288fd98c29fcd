"""Scan the photos of a data folder: content hash, perceptual hash, size, format and contrast of each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from PIL import Image

from dandelion.domain import Split, class_name, is_clutter
from dandelion.errors import DataError, NotAnImageError, PhotoError
from dandelion.imaging import decode, probe

SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "AVIF": (".avif",),
    "TIFF": (".tif", ".tiff"),
    "HEIF": (".heic", ".heif"),
}
PHOTO_SUFFIXES = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)

# The perceptual hash uses 32 x 32 pixels; JPEGs are decoded at the smallest scale that leaves twice that.
_HASHED_SIDE = 64

_LAYOUT = "Create one sub-folder for each class, such as photos/dandelion and photos/grass, and put the photos in it."


@dataclass(frozen=True, slots=True)
class Photo:
    """One readable photo of a data folder.

    Attributes:
        path: Path of the file.
        label: Its label: the name of its folder, in NFC.
        sha256: Hash of the file's bytes, 64 hexadecimal digits.
        perceptual_hash: 64 bits that change little when a photo is resized, recompressed or brightened (pHash).
        width: Columns as stored, pixels.
        height: Rows as stored, pixels.
        format: Format of the content, whatever the name says; a key of `SUFFIXES`.
        contrast: Standard deviation of its grey values, in [0, 127.5]; near 0 for a blank photo.
        split: Its split; None before `assign_splits`.
    """

    path: Path
    label: str
    sha256: str
    perceptual_hash: int
    width: int
    height: int
    format: str
    contrast: float
    split: Split | None = None


def scan_photos(
    folder: Path,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    on_unreadable: Callable[[Path, PhotoError], None] | None = None,
) -> list[Photo]:
    """Every photo under `folder`, sorted by path. Each sub-folder is a class; `is_clutter` is ignored.

    `progress` is called in the calling thread with the number of files done and of all files, `on_unreadable` for each
    file that is no readable photo.

    Raises:
        DataError: There is no such folder, it has no class folder, or a file with a photo's name cannot be read and
            `on_unreadable` is None.
    """
    files = [path for classed in list_class_folders(folder) for path in list_files(classed)]
    photos = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for done, (path, result) in enumerate(zip(files, pool.map(_try_read, files), strict=True), start=1):
            if isinstance(result, Photo):
                photos.append(result)
            elif on_unreadable is not None:
                on_unreadable(path, result)
            elif path.suffix.lower() in PHOTO_SUFFIXES:
                pool.shutdown(wait=False, cancel_futures=True)
                raise DataError(
                    f"{path} cannot be read: {result.message}",
                    f"Run `dandelion data check {folder}` to list all such files, then repair or remove them.",
                ) from result
            progress(done, len(files))
    return photos


def list_class_folders(folder: Path) -> list[Path]:
    """The class folders of a data folder, sorted by name; links to folders are followed.

    Raises:
        DataError: There is no such folder, or it has no class folder.
    """
    try:
        children = sorted(folder.iterdir())
    except FileNotFoundError as error:
        raise DataError(f"There is no folder {folder}.", "Check the path.") from error
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({error.strerror}).", "Give a folder that you can read.") from error
    classes = [child for child in children if child.is_dir() and not is_clutter(child.name)]
    if not classes:
        loose = sum(child.suffix.lower() in PHOTO_SUFFIXES for child in children)
        state = f"has {loose} photos but no class folder" if loose else "has no class folder"
        raise DataError(f"{folder} {state}.", _LAYOUT)
    return classes


def list_files(classed: Path) -> list[Path]:
    """The files directly in a class folder, sorted by name, without clutter; links to files are followed."""
    return sorted(child for child in classed.iterdir() if not is_clutter(child.name) and is_readable(child))


def is_readable(path: Path) -> bool:
    """Whether it is a file, or a broken link, whose reading says so. Reading a pipe or a device may never end."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def is_photo_path(path: PurePath) -> bool:
    """Whether a file has the name of a photo and, like the folders of its path, is no clutter."""
    return path.suffix.lower() in PHOTO_SUFFIXES and not any(is_clutter(part) for part in path.parts)


def describe_photo(path: Path, label: str, data: bytes) -> Photo:
    """Decode and hash the photo in `data`; `path` only names it.

    Raises:
        PhotoError: It is no complete photo of a supported format.
        DataError: The libraries for training are not installed.
    """
    header = probe(data)
    image = Image.fromarray(decode(data, min_side=_HASHED_SIDE))
    return Photo(
        path=path,
        label=label,
        sha256=hashlib.sha256(data).hexdigest(),
        perceptual_hash=_hash_looks(image),
        width=header.width,
        height=header.height,
        format=header.format,
        contrast=float(np.std(np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX)))),
    )


def _try_read(path: Path) -> Photo | PhotoError:
    try:
        return describe_photo(path, class_name(path.parent.name), path.read_bytes())
    except OSError as error:
        return NotAnImageError(f"The file cannot be read ({error.strerror}).", "Check its permissions.")
    except PhotoError as error:
        return error


def _hash_looks(image: Image.Image) -> int:
    try:
        import imagehash
    except ModuleNotFoundError as error:
        raise DataError(
            f"Near duplicates cannot be found without {error.name}.", "pip install 'dandelion[train]'"
        ) from error
    bits = np.asarray(imagehash.phash(image).hash, dtype=np.bool_)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
