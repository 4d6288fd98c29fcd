"""Photos of every kind that people send look as they should, or are refused by name."""

from __future__ import annotations

import contextlib
import io
import re

import numpy as np
import pytest
from PIL import Image, ImageCms

from dandelion.domain import InputSpec
from dandelion.errors import NotAnImageError, PhotoError
from dandelion.imaging import clean, decode, prepare, probe
from dandelion.imaging.colour import MAX_PROFILE_BYTES, convert_to_srgb
from dandelion.imaging.decode import Header
from dandelion.telemetry.instruments import PROFILES_IGNORED
from tests.corpus import Sample, corpus
from tests.corpus.ends import ends
from tests.corpus.jpeg import odd_jpegs
from tests.corpus.sample import plain
from tests.photos import REAL
from tests.profiles import WIDE, elements, rgb_profile

SAMPLES = list(corpus())
READ = [sample for sample in SAMPLES if sample.looks is not None]
REFUSED = [sample for sample in SAMPLES if sample.looks is None]
SPEC = InputSpec(96, 96)
ODD = REAL.parent / "odd"


def named(samples: list[Sample]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("sample", samples, ids=[sample.name for sample in samples])


def test_the_corpus_is_as_broad_as_it_should_be() -> None:
    assert len(SAMPLES) >= 150
    assert len({sample.kind for sample in SAMPLES}) >= 60
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES)


@named(READ)
def test_a_photo_looks_as_it_should(sample: Sample) -> None:
    assert sample.looks is not None
    headers: list[Header] = []
    photo = decode(sample.data, check=headers.append)
    assert photo.shape == sample.looks.shape
    assert photo.dtype == np.uint8
    assert np.abs(photo.astype(int) - sample.looks).mean() <= sample.margin
    (header,) = headers
    assert header == probe(sample.data)
    assert header.width * header.height > 0


@named([sample for sample in READ if sample.looks is not None and min(sample.looks.shape[:2]) > 32])
def test_the_model_sees_the_same_of_a_photo_and_of_what_is_stored_of_it(sample: Sample) -> None:
    assert sample.looks is not None
    stream = io.BytesIO()
    Image.fromarray(sample.looks).save(stream, "PNG")
    seen = prepare(sample.data, SPEC).astype(int)
    assert np.abs(seen - prepare(stream.getvalue(), SPEC)).mean() <= sample.margin + 1
    stored = clean(sample.data)
    is_written_anew = stored.suffix == ".jpg" and sample.data[:2] != b"\xff\xd8"
    assert np.abs(seen - prepare(stored.data, SPEC)).mean() <= (8 if is_written_anew else 3)
    assert not [secret for secret in (b"hdrgm", b"a film", b"ftyp", b"tiff:", b"21496") if secret in stored.data]


@named(REFUSED)
def test_what_cannot_be_read_is_refused_by_name(sample: Sample) -> None:
    with pytest.raises(sample.error, match=re.escape(sample.words)) as refused:
        decode(sample.data)
    assert type(refused.value) is sample.error
    assert refused.value.remedy


@pytest.mark.parametrize("part", [0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
@pytest.mark.parametrize("oddity", odd_jpegs())
def test_no_oddity_hides_that_a_photo_is_cut_off(oddity: str, part: float) -> None:
    """Half a photo is mostly grey, and a model is as sure of grey as of a dandelion."""
    odd = odd_jpegs()[oddity]
    start = odd.find(b"\xff\xda") + 14
    cut = odd[: start + int(part * (len(odd) - 2 - start))]
    answered = []
    for end, data in ends(cut).items():
        with contextlib.suppress(PhotoError):
            decode(data)
            answered.append(end)
    assert not answered


@pytest.mark.skipif(not ODD.is_dir(), reason="the files lie beside the checkout only")
def test_files_of_real_programs_are_read_or_refused_by_name() -> None:
    refused = {}
    for file in sorted(ODD.iterdir()):
        if file.suffix in {".jpg", ".png", ".gif", ".svg", ".avif", ".bmp"}:
            try:
                decode(file.read_bytes())
            except PhotoError as error:
                refused[file.stem] = error.reason()
    assert refused == {
        "jpeg-12bit": "unsupported_format",
        "jpeg-invalid-sos-CUT-at-25pc-is-answered": "not_an_image",
        "png-ios-cgbi": "unsupported_format",
        "svg-comment-first": "unsupported_format",
    }


@pytest.mark.parametrize("oddity", ["stray bytes before restarts", "sampling 1x4 with restarts"])
def test_a_photo_that_is_cut_off_at_a_restart_is_refused(oddity: str) -> None:
    """Nothing is missing of the part before: only the count of its parts tells."""
    odd = odd_jpegs()[oddity]
    restarts = [found.start() for found in re.finditer(rb"\xff[\xd0-\xd7]", odd)]
    assert len(restarts) > 5
    for at in (*restarts, *(at + 2 for at in restarts)):
        for end in (b"", b"\xff\xd9", bytes(9_000), bytes(9_000) + b"\xff\xd9"):
            with pytest.raises(NotAnImageError):
                decode(odd[:at] + end)


def test_a_photo_that_lacks_a_restart_in_its_middle_is_refused() -> None:
    odd = odd_jpegs()["stray bytes before restarts"]
    first, second = [found.start() for found in re.finditer(rb"\xff[\xd0-\xd7]", odd)][2:4]
    with pytest.raises(NotAnImageError, match="restart markers are missing"):
        decode(odd[:first] + odd[second:])


def test_profiles_that_cannot_be_used_are_counted_and_others_are_not() -> None:
    def counted() -> float:
        return float(PROFILES_IGNORED._value.get())

    photo = np.asarray(plain())
    before = counted()
    for _ in range(2):
        assert convert_to_srgb(photo[..., :1], rgb_profile(WIDE["Display P3"])) is None
    assert convert_to_srgb(photo, b"x" * (MAX_PROFILE_BYTES + 1)) is None
    assert counted() == before + 3
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert convert_to_srgb(photo, srgb) is None
    assert convert_to_srgb(photo, b"") is None
    assert convert_to_srgb(photo, rgb_profile(WIDE["Display P3"])) is not None
    assert counted() == before + 3


@pytest.mark.parametrize(
    "added",
    [{b"D2B0": elements(2)}, {b"no%02d" % at: b"data" for at in range(100)}],
    ids=["a list of elements", "too many tags"],
)
def test_a_profile_that_may_cost_more_than_its_bytes_is_ignored(added: dict[bytes, bytes]) -> None:
    """A list of 4,000 elements, which were the same bytes, took 20 s and held back every other photo."""
    assert convert_to_srgb(np.array(plain()), rgb_profile(WIDE["Display P3"], added=added)) is None


def test_a_profile_whose_tags_overlap_is_ignored() -> None:
    profile = bytearray(rgb_profile(WIDE["Display P3"]))
    assert convert_to_srgb(np.array(plain()), bytes(profile)) is not None
    size = 132 + 8
    profile[size : size + 4] = (int.from_bytes(profile[size : size + 4], "big") + 40).to_bytes(4, "big")
    assert convert_to_srgb(np.array(plain()), bytes(profile)) is None


@pytest.mark.parametrize("name", WIDE)
def test_a_wide_profile_changes_colours(name: str) -> None:
    """So that the corpus, which looks the same after conversion, proves something."""
    converted = convert_to_srgb(np.array(plain()), rgb_profile(WIDE[name]))
    assert converted is not None
    assert np.abs(converted.astype(int) - np.asarray(plain())).mean() > 5
