"""Photos lose what they tell of people, and nothing of the picture."""

from __future__ import annotations

import contextlib
import io
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin
from PIL.ExifTags import GPS, IFD, Base

from dandelion.errors import PhotoError
from dandelion.imaging import clean, decode
from tests.photos import jpeg
from tests.profiles import WIDE, rgb_profile

SECRETS = (b"Ada Lovelace", b"SecretCam", b"52.5163", b"a comment", b"Exif")


def picture() -> Image.Image:
    pixels = np.random.default_rng(3).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((120, 80), Image.Resampling.BICUBIC)


def exif(turned: int = 1) -> Image.Exif:
    found = Image.Exif()
    found[Base.Orientation] = turned
    found[Base.Artist] = "Ada Lovelace"
    found[Base.Make] = "SecretCam"
    found.get_ifd(IFD.GPSInfo)[GPS.GPSLatitude] = (52.0, 30.0, 58.0)
    found.get_ifd(IFD.GPSInfo)[GPS.GPSMapDatum] = "52.5163"
    return found


def encoded(kind: str, turned: int = 1, *, progressive: bool = False) -> bytes:
    stream = io.BytesIO()
    options: dict[str, object] = {"progressive": True} if progressive else {}
    if kind == "PNG":
        told = PngImagePlugin.PngInfo()
        told.add_text("Author", "Ada Lovelace")
        options["pnginfo"] = told
    if kind in {"JPEG", "GIF"}:
        options["comment"] = b"a comment"
    if kind in {"JPEG", "PNG", "WEBP"}:
        options["xmp"] = b"<x:xmpmeta>Ada Lovelace</x:xmpmeta>"
        options["icc_profile"] = rgb_profile(WIDE["Display P3"], padding=70_000)  # of several segments
    picture().save(stream, kind, exif=exif(turned), **options)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("progressive", [False, True])
def test_metadata_goes_and_pixels_and_colours_stay(kind: str, progressive: bool) -> None:
    before = encoded(kind, progressive=progressive)
    assert b"SecretCam" in before
    after = clean(before)
    assert not [secret for secret in SECRETS if secret in after.data]
    with Image.open(io.BytesIO(after.data)) as image:
        assert image.format == kind
        assert "icc_profile" in image.info
        assert not image.getexif()
    assert np.array_equal(decode(after.data), decode(before))
    assert clean(after.data) == after


def profiled(kind: str, profile: bytes) -> bytes:
    stream = io.BytesIO()
    picture().save(stream, kind, icc_profile=profile)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_profile_that_changes_nothing_goes(kind: str) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, srgb[:128] + b"Ada Lovelace" * 20):
        before = profiled(kind, profile)
        after = clean(before)
        assert after.data == clean(profiled(kind, b"")).data or kind == "WEBP"
        with Image.open(io.BytesIO(after.data)) as image:
            assert "icc_profile" not in image.info
        assert b"Ada" not in after.data
        assert np.array_equal(decode(after.data), decode(before))


def test_a_profile_in_a_png_loses_its_name() -> None:
    before = profiled("PNG", rgb_profile(WIDE["Display P3"]))
    at = before.find(b"iCCP")
    name = before[at + 4 : before.find(b"\0", at)]
    length = int.from_bytes(before[at - 4 : at], "big")
    body = b"iCCPAda Lovelace" + before[at + 4 + len(name) : at + 4 + length]
    named = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    renamed = before[: at - 4] + named + before[at + 8 + length :]
    assert clean(renamed) == clean(before)
    assert np.array_equal(decode(clean(renamed).data), decode(before))


@pytest.mark.parametrize("marker", [0x02, 0xC8, 0xCC, 0xDC, 0xDE, 0xF0, 0xF3, 0xFD])
def test_segments_that_no_picture_needs_go(marker: int) -> None:
    before = jpeg()[:20] + segment(marker, b"Ada Lovelace") + jpeg()[20:]
    assert clean(before) == clean(jpeg())


@pytest.mark.parametrize("progressive", [False, True])
def test_a_photo_behind_one_without_an_end_goes(progressive: bool) -> None:
    before = encoded("JPEG", progressive=progressive)
    assert clean(before[:-2] + encoded("JPEG")) == clean(before)


@pytest.mark.parametrize("turned", range(2, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_turned_photo_stays_upright(kind: str, turned: int) -> None:
    before = encoded(kind, turned)
    after = clean(before).data
    assert b"SecretCam" not in after
    difference = decode(after).astype(int) - decode(before)
    assert difference.shape == decode(before).shape
    assert np.abs(difference).mean() < (1 if kind == "JPEG" else 8)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "AVIF"])
def test_other_formats_are_written_anew(kind: str) -> None:
    before = encoded(kind)
    after = clean(before)
    assert after.suffix == ".jpg"
    assert not [secret for secret in SECRETS if secret in after.data]
    assert np.abs(decode(after.data).astype(int) - decode(before)).mean() < 12


def test_what_phones_put_behind_a_picture_goes() -> None:
    film = b"\x00\x00\x00\x18ftypmp42 where I live"
    assert clean(encoded("JPEG") + film) == clean(encoded("JPEG"))
    assert clean(encoded("PNG") + film) == clean(encoded("PNG"))
    assert clean(encoded("WEBP") + film) == clean(encoded("WEBP"))


def test_an_embedded_thumbnail_goes() -> None:
    thumbnail = jpeg(40, 30)
    segment = b"Exif\x00\x00" + thumbnail
    before = jpeg()[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg()[2:]
    assert clean(before).data == clean(jpeg()).data


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def test_a_thumbnail_in_jfif_goes_and_its_header_stays() -> None:
    start, header = jpeg()[:2], jpeg()[2:20]
    assert header[4:9] == b"JFIF\0"
    thumbnail = b"\x04\x03" + b"Ada" * 12
    extension = segment(0xE0, b"JFXX\0\x13" + thumbnail)
    before = start + segment(0xE0, header[4:16] + thumbnail) + extension + jpeg()[20:]
    assert clean(before) == clean(jpeg())
    assert clean(before).data.startswith(start + header)


def test_adobe_keeps_its_colour_transform_only() -> None:
    adobe = b"Adobe\0\x64\0\0\0\0\x01"
    before = jpeg()[:2] + segment(0xEE, adobe + b"Ada Lovelace") + segment(0xEE, b"Ada Lovelace") + jpeg()[2:]
    after = clean(before).data
    assert b"Ada" not in after
    assert segment(0xEE, adobe) in after


def test_what_stands_between_scans_goes() -> None:
    before = encoded("JPEG", progressive=True)
    told = segment(0xFE, b"Ada Lovelace") + segment(0xE1, b"Exif\0\0 Ada Lovelace")
    second = before.find(b"\xff\xc4", before.find(b"\xff\xda"))
    assert clean(before[:second] + told + before[second:]) == clean(before)


def test_bytes_between_segments_go() -> None:
    assert clean(jpeg()[:20] + b"Ada Lovelace" + jpeg()[20:]) == clean(jpeg())


def test_a_jpeg_without_a_picture_is_refused() -> None:
    with pytest.raises(PhotoError, match="cut off"):
        clean(jpeg()[: jpeg().find(b"\xff\xda")])


def test_a_text_that_calls_itself_a_profile_is_judged_by_its_place() -> None:
    segment = b"ICC_PROFILE\x00 Ada Lovelace"
    before = jpeg()[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg()[2:]
    assert b"Ada" not in clean(before).data


@given(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF"]), st.integers(0, 10_000), st.binary(max_size=8))
def test_a_damaged_photo_is_cleaned_or_refused(kind: str, at: int, noise: bytes) -> None:
    whole = encoded(kind)
    at %= len(whole)
    for damaged in (whole[:at], whole[:at] + noise + whole[at + len(noise) :]):
        with contextlib.suppress(PhotoError):  # anything else is a failure
            clean(damaged)


def test_a_png_keeps_its_checksums() -> None:
    after = clean(encoded("PNG")).data
    at = 8
    while at < len(after):
        length = int.from_bytes(after[at : at + 4], "big")
        assert zlib.crc32(after[at + 4 : at + 8 + length]) == int.from_bytes(
            after[at + 8 + length : at + 12 + length], "big"
        )
        at += 12 + length
