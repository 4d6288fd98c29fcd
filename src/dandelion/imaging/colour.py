"""Colours by a photo's own profile, converted to sRGB, which the model knows and browsers show.

A profile is a program of its sender for LittleCMS: it is bounded, and used only if it is a plain profile of the
photo's own kind of colours. Any other profile is ignored, as by browsers.
"""

from __future__ import annotations

import hashlib
import io
import struct
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

import numpy as np
import structlog
from PIL import Image, ImageCms

from dandelion.domain.arrays import Pixels
from dandelion.telemetry.instruments import PROFILES_IGNORED

_ROWS = 512  # converted at once, so that a large photo is not held twice
# The largest profiles of printers have 3 MB; those of cameras and screens a few kB.
MAX_PROFILE_BYTES = 4 * 2**20
# As many as LittleCMS reads. Profiles of printers have some 20.
_MAX_TAGS = 100
# A list of elements, which may name one of them any number of times: 1.5 MB took 1.3 GB, and 32 kB took 20 s.
_ELEMENTS = b"mpet"
_TAGS_AT = 128

_log = structlog.get_logger(__name__)
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}  # by the number of channels
_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_DEVICES = {"mntr", "scnr", "prtr", "spac"}
# Profiles of sRGB differ in rounding: a conversion that moves no colour further than this leaves a photo as it is.
_UNSEEN = 2
_STEPS = np.linspace(0, 255, 9).astype(np.uint8)
# What LittleCMS and its binding raise for profiles that they cannot read or combine.
_BROKEN = (OSError, ImageCms.PyCMSError, ValueError, TypeError, RuntimeError)


@dataclass(frozen=True, slots=True)
class _Profile:
    """A profile for photos of a mode. It is found again by its digest, and not by its bytes."""

    digest: bytes
    mode: str
    data: bytes = field(compare=False, repr=False)


def convert_to_srgb(photo: Pixels, profile: bytes, min_side: int = 0) -> Pixels | None:
    """The photo in sRGB, uint8 RGB [H, W, 3]; None if it needs no conversion, or its profile cannot be used.

    Args:
        photo: uint8 [H, W, C]: grey, RGB, or inks of which 255 covers the paper; RGB may be overwritten.
        profile: Its colour profile (ICC); may be empty, damaged or of anything else.
        min_side: Pixels that each side needs, 0 for all: a larger photo that is converted is made smaller first, since
            each pixel costs 30 ns.
    """
    if not profile:
        return None
    mode = _MODES[photo.shape[2]]
    transform = _find_transform(profile, mode)
    if isinstance(transform, str):
        PROFILES_IGNORED.inc()
        _log.debug("colour profile ignored", reason=transform, size_bytes=len(profile))
    if transform is None or isinstance(transform, str):
        return None
    photo = _shrink(photo, min_side)
    converted = photo if mode == "RGB" else np.empty((*photo.shape[:2], 3), dtype=np.uint8)
    for top in range(0, len(photo), _ROWS):
        rows = ImageCms.applyTransform(_to_image(photo[top : top + _ROWS]), transform)
        converted[top : top + _ROWS] = np.asarray(rows)
    return converted


def is_needed(profile: bytes, channels: int) -> bool:
    """Whether a photo of so many channels needs this profile to look as it should."""
    return bool(profile) and isinstance(_find_transform(profile, _MODES[channels]), ImageCms.ImageCmsTransform)


def _find_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | str | None:
    if len(profile) > MAX_PROFILE_BYTES:
        return f"more than {MAX_PROFILE_BYTES:,} bytes"
    return _create_transform(_Profile(hashlib.sha256(profile).digest(), mode, profile))


def _shrink(photo: Pixels, min_side: int) -> Pixels:
    height, width = photo.shape[:2]
    factor = min(height, width) / min_side if min_side else 1
    if factor <= 1 and photo.flags.writeable:
        return photo
    if factor <= 1:
        return photo.copy()
    size = round(width / factor), round(height / factor)
    shrunk = np.array(_to_image(photo).resize(size, Image.Resampling.BILINEAR))
    return shrunk.reshape(*shrunk.shape[:2], -1)


def _to_image(photo: Pixels) -> Image.Image:
    mode = _MODES[photo.shape[2]]
    return Image.fromarray(np.ascontiguousarray(photo[..., 0]) if mode == "L" else photo, mode)


# Few, since each holds its profile and a table of up to a megabyte. The cameras of a day share a handful.
@lru_cache(maxsize=8)
def _create_transform(profile: _Profile) -> ImageCms.ImageCmsTransform | str | None:
    """The transform to sRGB; None if the profile is that of sRGB; why the profile is ignored otherwise."""
    if danger := _find_danger(profile.data):
        return danger
    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(profile.data))
        space, device = found.profile.xcolor_space.strip(), found.profile.device_class.strip()
        if space != _SPACES[profile.mode] or device not in _DEVICES:
            return f"a profile ({device}) of {space} in a photo of {_SPACES[profile.mode]}"
        transform = ImageCms.buildTransform(found, ImageCms.createProfile("sRGB"), profile.mode, "RGB")
        return None if profile.mode == "RGB" and _is_unseen(transform) else transform
    except _BROKEN as error:
        return f"damaged ({error})"


def _find_danger(profile: bytes) -> str | None:
    """What in a profile may cost more than its bytes let expect."""
    if _ELEMENTS in profile:
        return "a list of elements"
    count = int.from_bytes(profile[_TAGS_AT : _TAGS_AT + 4], "big")
    if count > _MAX_TAGS:
        return f"{count} tags"
    table = profile[_TAGS_AT + 4 :][: 12 * count]
    # Tags may share all of their bytes, as the curves of red, green and blue do.
    places = sorted(
        {(start, start + size) for start, size in struct.iter_unpack(">4xII", table[: len(table) // 12 * 12])}
    )
    return "tags that overlap" if any(end > start for (_, end), (start, _) in pairwise(places)) else None


def _is_unseen(transform: ImageCms.ImageCmsTransform) -> bool:
    cube = np.stack(np.meshgrid(_STEPS, _STEPS, _STEPS), axis=-1).reshape(-1, _STEPS.size, 3)
    converted = np.asarray(ImageCms.applyTransform(Image.fromarray(cube), transform))
    return int(np.abs(converted.astype(int) - cube).max()) <= _UNSEEN
