"""Colour profiles, in every format that has them."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms

from tests.corpus.sample import UNDO, Sample, chunk, encode, exif, in_png, in_profile, jpeg, pixels, plain
from tests.profiles import WIDE, grey_profile, ink_profile, rgb_profile


def samples() -> Iterator[Sample]:
    looks = pixels(plain())
    for name, columns in WIDE.items():
        profile = rgb_profile(columns)
        image = in_profile(plain(), profile)
        for kind in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF"):
            options: dict[str, object] = {} if kind in {"PNG", "HEIF"} else {"quality": 95}
            yield Sample(f"{kind} in {name}", "", encode(image, kind, icc_profile=profile, **options), looks, margin=5)
    wide = rgb_profile(WIDE["Display P3"], padding=150_000)
    image = in_profile(plain(), wide)
    yield Sample("JPEG in Display P3", "of several parts", jpeg(image, icc_profile=wide), looks, margin=5)
    yield Sample("JPEG in Display P3", "progressive", jpeg(image, icc_profile=wide, progressive=True), looks, margin=5)
    turned = jpeg(UNDO[6](image), icc_profile=rgb_profile(WIDE["Display P3"]), exif=exif(6))
    yield Sample("JPEG in Display P3", "turned", turned, looks, margin=5)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF"):
        options = {} if kind in {"PNG", "HEIF"} else {"quality": 95}
        yield Sample(f"{kind} in sRGB", "", encode(plain(), kind, icc_profile=srgb, **options), looks, margin=5)
        if kind != "AVIF":  # libavif refuses them
            for what, broken in {"broken": wide[:200], "garbage": b"garbage" * 30, "of inks": ink_profile()}.items():
                yield Sample(
                    f"{kind} with a {what} profile",
                    "",
                    encode(plain(), kind, icc_profile=broken, **options),
                    looks,
                    margin=5,
                )
    bomb = b"name\0\0" + zlib.compress(bytes(50_000_000))
    yield Sample("PNG with a profile bomb", "", in_png(chunk(b"iCCP", bomb)), looks, margin=0)
    yield Sample("PNG with a broken profile", "not packed", in_png(chunk(b"iCCP", b"name\0\0garbage")), looks, margin=0)
    yield Sample("PNG with a broken profile", "empty", in_png(chunk(b"iCCP", b"")), looks, margin=0)
    grey, linear = plain().convert("L"), grey_profile(1.0)
    light = np.asarray(grey) / 255
    stored = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    image = Image.fromarray(np.rint(255 * stored).astype(np.uint8))
    for kind in ("JPEG", "PNG"):
        options = {"quality": 98} if kind == "JPEG" else {}
        yield Sample(
            f"{kind} in grey with a profile",
            "",
            encode(image, kind, icc_profile=linear, **options),
            pixels(grey),
            margin=5,
        )
        odd = encode(grey, kind, icc_profile=srgb, **options)
        yield Sample(f"{kind} in grey with a profile", "of RGB", odd, pixels(grey), margin=5)
    profile = ink_profile()
    inks = plain().convert("CMYK")
    to = ImageCms.profileToProfile(
        inks, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert to is not None
    yield Sample("JPEG in CMYK with a profile", "", jpeg(inks, icc_profile=profile, quality=98), pixels(to), margin=5)
    yield Sample("JPEG in CMYK with a profile", "of RGB", jpeg(inks, icc_profile=wide), looks)
