"""The corpus of photos through every way in: whichever it is, a photo is classified as its plain twin, or refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import httpx
import pytest
from PIL import Image

from dandelion.imaging import decode
from tests.corpus import Sample, before, corpus
from tests.integration.conftest import Command
from tests.jpegs import segment
from tests.photos import labelled_photos

SAMPLES = list(corpus())
# One of each kind, where all would take too long.
KINDS = list({sample.kind: sample for sample in SAMPLES}.values())
MOST = 20  # photos of a request


def twin(sample: Sample) -> bytes:
    """What a photo looks like, which the unit tests compare pixel by pixel, as a plain PNG."""
    stream = io.BytesIO()
    Image.fromarray(decode(sample.data)).save(stream, "PNG")
    return stream.getvalue()


def test_the_body_of_a_request_may_be_any_photo_of_the_corpus(http: httpx.Client) -> None:
    wrong = []
    for sample in SAMPLES:
        response = http.post("/predict", content=sample.data, headers={"Content-Type": "image/jpeg"})
        if sample.looks is None:
            expected = 415 if sample.error.reason() == "unsupported_format" else 400
            problem = response.json()
            if (response.status_code, problem.get("reason")) != (expected, sample.error.reason()):
                wrong.append((sample.name, response.status_code, problem))
        elif response.status_code != 200:
            wrong.append((sample.name, response.status_code, response.json()))
    assert not wrong


def test_a_photo_of_each_kind_is_classified_as_its_plain_twin(http: httpx.Client) -> None:
    wrong = []
    for sample in KINDS:
        if sample.looks is None:
            continue
        files = [("file", ("photo", data)) for data in (sample.data, twin(sample))]
        odd, plain = http.post("/predict", files=files).json()["predictions"]
        furthest = max(abs(odd["probabilities"][name] - p) for name, p in plain["probabilities"].items())
        if furthest > 0.02:
            wrong.append((sample.name, furthest))
    assert not wrong


def test_what_is_odd_about_a_photo_changes_nothing_of_its_prediction(http: httpx.Client) -> None:
    for _, photo in labelled_photos(2):
        odd = [
            before(0xC4, b"stray bytes", photo),
            before(0xDA, segment(0xE2, b"ICC_PROFILE\0\x01\x09"), photo),
            photo[:-2],
            photo[:-2] + bytes(5_000),
            photo + b"something else",
        ]
        sent = http.post("/predict", files=[("file", ("photo", data)) for data in (photo, *odd)])
        first, *others = [each["probabilities"] for each in sent.json()["predictions"]]
        for found in others:
            assert found == pytest.approx(first, abs=0.02)


def test_many_photos_of_the_corpus_in_one_form(http: httpx.Client) -> None:
    for start in range(0, len(KINDS), MOST):
        part = KINDS[start : start + MOST]
        sent = http.post("/predict", files=[("file", ("photo", sample.data)) for sample in part])
        for sample, found in zip(part, sent.json()["predictions"], strict=True):
            assert ("error" in found) is (sample.looks is None), sample.name


@pytest.mark.parametrize("route", ["/explain", "/compare"])
def test_other_routes_read_a_photo_of_each_kind(http: httpx.Client, route: str) -> None:
    for sample in KINDS[:: 4 if route == "/explain" else 8]:
        response = http.post(route, content=sample.data, headers={"Content-Type": "image/jpeg"})
        assert response.is_success or response.status_code in {400, 404, 415, 503}, sample.name
        if sample.looks is not None and route == "/explain":
            assert response.status_code == 200, sample.name


def test_the_command_line_reads_a_photo_of_each_kind(dandelion: Command, tmp_path: Path) -> None:
    files = []
    for number, sample in enumerate(KINDS):
        files.append(tmp_path / f"{number}.jpg")
        files[-1].write_bytes(sample.data)
    status, out, _ = dandelion("predict", "--json", *map(str, files))
    assert status == 1
    for sample, found in zip(KINDS, json.loads(out), strict=True):
        assert ("error" in found) is (sample.looks is None), sample.name
