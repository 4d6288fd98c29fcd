"""TIFF: compressions, depths and layouts of programs and scanners, and those that are refused."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import ImageCms

from dandelion.errors import NotAnImageError, UnsupportedFormatError
from tests.corpus.sample import UNDO, Sample, encode, in_profile, over_white, pixels, plain, with_hole, xmp
from tests.profiles import WIDE, ink_profile, rgb_profile


def samples() -> Iterator[Sample]:
    yield from _compressed()
    yield from _deep()
    yield from _laid_out()
    yield from _described()
    yield from _refused()


def tiff(samples: npt.NDArray[Any], **options: Any) -> bytes:
    """A TIFF of these samples, by another program than the one that reads it."""
    stream = io.BytesIO()
    options = {"photometric": "rgb" if samples.ndim > 2 else "minisblack", **options}
    tifffile.imwrite(stream, samples, **options)
    return stream.getvalue()


def with_tag(data: bytes, tag: int, kind: int, value: int) -> bytes:
    """A TIFF whose first directory says this of one value, whether or not it said anything of it before."""
    order = {b"II": "<", b"MM": ">"}[data[:2]]
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, at)
    entries = dict(struct.unpack_from(f"{order}H10s", data, at + 2 + 12 * each) for each in range(count))
    entries[tag] = struct.pack(order + {3: "HIH2x", 4: "HII"}[kind], kind, 1, value)
    written = b"".join(struct.pack(f"{order}H10s", *each) for each in sorted(entries.items()))
    directory = struct.pack(f"{order}H", len(entries)) + written + bytes(4)
    return data[:4] + struct.pack(f"{order}I", len(data)) + data[8:] + directory


def _compressed() -> Iterator[Sample]:
    looks = pixels(plain())
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits"):
        yield Sample("TIFF", compression, encode(plain(), "TIFF", compression=compression), looks, margin=0)
    for mode in ("RGB", "L"):
        data = encode(plain().convert(mode), "TIFF", compression="jpeg", quality=95)
        yield Sample("TIFF of JPEG", mode, data, pixels(plain().convert(mode)))
    for mode in ("1", "L", "P", "LA", "RGBA", "CMYK"):
        image = with_hole() if mode == "RGBA" else plain().convert(mode)
        seen = over_white(image) if "A" in mode else pixels(image)
        for compression in ("raw", "tiff_lzw"):
            data = encode(image, "TIFF", compression=compression)
            yield Sample(f"TIFF in {mode}", compression, data, seen, margin=0)


def _deep() -> Iterator[Sample]:
    looks, grey = pixels(plain()), np.asarray(plain().convert("L"))
    as_rgb = np.repeat(grey[..., np.newaxis], 3, axis=-1)
    alpha = np.asarray(with_hole())
    for order in "<>":
        for compression in (None, "zlib"):
            options = {"byteorder": order, "compression": compression}
            for of, shown, values in (("grey", as_rgb, grey), ("colour", looks, looks)):
                deep = values.astype(np.uint16)
                name = f"{order} {compression}"
                yield Sample(f"TIFF of 16 bits in {of}", name, tiff(deep * 257, **options), shown, margin=0)
                low = (deep.astype(int) * 4095 // 255).astype(np.uint16)
                yield Sample(f"TIFF of 12 bits in 16, {of}", name, tiff(low, **options), shown, margin=1)
            data = tiff(alpha.astype(np.uint16) * 257, extrasamples=["unassalpha"], **options)
            yield Sample("TIFF of 16 bits with transparency", name, data, over_white(with_hole()), margin=0)
            dark = (alpha.astype(int) * 4095 // 255).astype(np.uint16)
            dark[..., 3] = alpha[..., 3].astype(np.uint16) * 257
            data = tiff(dark, extrasamples=["unassalpha"], **options)
            yield Sample("TIFF of 12 bits in 16 with transparency", name, data, over_white(with_hole()), margin=1)


def _laid_out() -> Iterator[Sample]:
    looks, grey = pixels(plain()), np.asarray(plain().convert("L"))
    as_rgb = np.repeat(grey[..., np.newaxis], 3, axis=-1)
    planes = np.ascontiguousarray(looks.transpose(2, 0, 1))
    for order in "<>":
        for compression in (None, "zlib"):
            name = f"{order} {compression}"
            options = {"byteorder": order, "compression": compression}
            predicted = {**options, "predictor": compression is not None}
            yield Sample("TIFF in planes", name, tiff(planes, planarconfig="separate", **options), looks, margin=0)
            yield Sample("TIFF in tiles", name, tiff(looks, tile=(64, 48), **predicted), looks, margin=0)
            deep = looks.astype(np.uint16) * 257
            yield Sample("TIFF in tiles", f"{name}, 16 bits", tiff(deep, tile=(64, 64), **predicted), looks, margin=0)
            yield Sample("TIFF in rows", name, tiff(looks, rowsperstrip=1, **options), looks, margin=0)
            yield Sample("TIFF in one strip", name, tiff(looks, rowsperstrip=2**31, **options), looks, margin=0)
            inverted = tiff(255 - grey, photometric="miniswhite", **options)
            yield Sample("TIFF whose zero is white", name, inverted, as_rgb, margin=0)
    four = grey // 64
    packed = (four.reshape(len(grey), -1, 4) << [6, 4, 2, 0]).sum(axis=-1).astype(np.uint8)
    for photometric, shown in (("minisblack", as_rgb // 64 * 85), ("miniswhite", 255 - as_rgb // 64 * 85)):
        data = with_tag(with_tag(tiff(packed, photometric=photometric), 256, 4, grey.shape[1]), 258, 3, 2)
        yield Sample("TIFF of 2 bits", photometric, data, shown, margin=0)
    yield Sample("TIFF in planes", "of one sample", with_tag(tiff(grey), 284, 3, 2), as_rgb, margin=0)
    yield Sample("TIFF of samples of no stated kind", "", with_tag(tiff(grey), 339, 3, 4), as_rgb, margin=0)
    stream = io.BytesIO()
    plain().save(stream, "TIFF", save_all=True, append_images=[plain().rotate(180)])
    yield Sample("TIFF of two pages", "", stream.getvalue(), looks, margin=0)
    multiplied = np.asarray(with_hole()).copy()
    yield Sample(
        "TIFF with multiplied transparency",
        "",
        tiff(multiplied, extrasamples=["assocalpha"]),
        over_white(with_hole()),
        margin=0,
    )
    ignored = tiff(multiplied, extrasamples=["unspecified"])
    yield Sample("TIFF with another channel", "", ignored, multiplied[..., :3], margin=0)
    yield Sample("TIFF followed by something", "", encode(plain(), "TIFF") + b"other data", looks, margin=0)
    for size in ((1, 900), (900, 1), (3000, 40)):
        image = plain().resize(size)
        data = encode(image, "TIFF", compression="tiff_lzw")
        yield Sample("TIFF of unusual shape", f"{size[0]} x {size[1]}", data, pixels(image), margin=0)


def _described() -> Iterator[Sample]:
    looks = pixels(plain())
    for turned, undo in UNDO.items():
        data = with_tag(encode(undo(plain()), "TIFF", compression="tiff_lzw"), 274, 3, turned)
        yield Sample("TIFF turned by its tag", f"{turned}", data, looks, margin=0)
    data = tiff(pixels(UNDO[6](plain())), extratags=[(700, 1, len(xmp(6)), xmp(6), True)])
    yield Sample("TIFF turned by XMP", "", data, looks, margin=0)
    for name, columns in WIDE.items():
        profile = rgb_profile(columns)
        stored = in_profile(plain(), profile)
        yield Sample(f"TIFF in {name}", "", encode(stored, "TIFF", icc_profile=profile), looks, margin=5)
    inks, profile = plain().convert("CMYK"), ink_profile()
    srgb = ImageCms.createProfile("sRGB")
    seen = ImageCms.profileToProfile(inks, ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb, outputMode="RGB")
    assert seen is not None
    yield Sample("TIFF in CMYK with a profile", "", encode(inks, "TIFF", icc_profile=profile), pixels(seen), margin=0)
    yield Sample("TIFF with a broken profile", "", encode(plain(), "TIFF", icc_profile=b"garbage"), looks, margin=0)


def _refused() -> Iterator[Sample]:
    looks, usual = pixels(plain()), encode(plain(), "TIFF")
    maker = (271, 2, 18, "NIKON CORPORATION", True)
    made = tiff(looks, extratags=[maker])
    unsupported: dict[str, tuple[bytes, str]] = {
        "of floats": (tiff(looks.astype(np.float32)), "floating-point"),
        "of signed samples": (tiff(looks[..., 0].astype(np.int16)), "signed"),
        "of 32 bits": (tiff(looks[..., 0].astype(np.uint32)), "32 bits"),
        "of 16 bits in planes": (
            tiff(looks.transpose(2, 0, 1).astype(np.uint16), planarconfig="separate"),
            "3 samples of 16 bits",
        ),
        "of 16 bits with multiplied transparency": (
            tiff(np.asarray(with_hole()).astype(np.uint16), extrasamples=["assocalpha"]),
            "4 samples of 16 bits",
        ),
        "of five channels": (tiff(np.dstack([looks, looks[..., :2]])), "5 samples"),
        "as a fax": (encode(plain().convert("1"), "TIFF", compression="group4"), "as a fax"),
        "by LZMA": (encode(plain(), "TIFF", compression="lzma"), "LZMA"),
        "by Zstandard": (encode(plain(), "TIFF", compression="zstd"), "Zstandard"),
        "as JPEG of old": (with_tag(usual, 259, 3, 6), "old kind of JPEG"),
        "in Lab": (with_tag(usual, 262, 3, 8), "unusual"),
        "in luma without JPEG": (with_tag(usual, 262, 3, 6), "unusual"),
        "of bits from the right": (with_tag(usual, 266, 3, 2), "unusual"),
        "of a thumbnail first": (with_tag(usual, 254, 4, 1), "raw file"),
        "of a sensor": (with_tag(usual, 262, 3, 32803), "raw file"),
        "of DNG": (with_tag(usual, 50706, 4, 1), "raw file"),
        "of a camera's maker": (with_tag(made, 259, 3, 34713), "raw file"),
        "of floats, of a photo's maker": (tiff(looks.astype(np.float32), extratags=[maker]), "floating-point"),
    }
    for variant, (data, words) in unsupported.items():
        yield Sample("TIFF of another kind", variant, data, error=UnsupportedFormatError, words=words)
    damaged: dict[str, tuple[bytes, str]] = {
        "no directory": (b"MM\0*" + bytes(40), "damaged"),
        "more rows than strips": (with_tag(usual, 257, 3, 5000), "parts of the"),
        "strips of no rows": (with_tag(usual, 278, 3, 0), "no rows"),
        "strips and the width of tiles": (with_tag(usual, 322, 3, 64), "tiles have 64 x 0"),
        "JPEG of another size": (with_tag(encode(plain(), "TIFF", compression="jpeg"), 256, 3, 200), "another size"),
        "no width": (with_tag(usual, 256, 3, 0), "0 x 120"),
        "huge tiles": (with_tag(tiff(looks, tile=(64, 64)), 322, 3, 65_520), "tiles"),
        "tiles of many times the picture": (with_tag(tiff(looks, tile=(64, 64)), 256, 3, 1), "parts of the"),
    }
    for variant, (data, words) in damaged.items():
        yield Sample("TIFF that is damaged", variant, data, error=NotAnImageError, words=words)
    files = {
        "tags first": tiff(looks, compression="zlib"),
        "tags last": encode(plain(), "TIFF", compression="tiff_lzw"),
        "tiles": tiff(looks, tile=(64, 64)),
        "of a photo's maker": made,
        "JPEG": encode(plain(), "TIFF", compression="jpeg"),
    }
    for variant, data in files.items():
        for part in (0.1, 0.5, 0.9, 0.99):
            cut = data[: int(part * len(data))]
            yield Sample("TIFF that is cut off", f"{variant}, {part:.0%}", cut, error=NotAnImageError, words="cut off")
    photo = bytearray(files["JPEG"])
    hole = len(photo) // 2
    photo[hole : hole + 200] = bytes(200)
    yield Sample("TIFF of JPEG with a hole", "", bytes(photo), error=NotAnImageError, words="not whole")
    spoilt = files["JPEG"].replace(b"\xff\xd9", b"\0\0")
    yield Sample("TIFF of JPEG without its end", "", spoilt, error=NotAnImageError, words="no end")
