"""The corpus of photos through every way in: whichever it is, a photo is classified as its plain twin, or refused.

In a browser, tests/ui/test_classify.py sends some of them.
"""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dandelion.errors import DataError
from dandelion.imaging import decode
from dandelion.inference.classifier import Classification, Classifier
from dandelion.package import open_package
from dandelion.package.starter import starter_path
from dandelion.settings import Settings
from dandelion.training.checks import check_photos
from dandelion.training.photos import scan_photos
from tests.corpus import Sample, corpus
from tests.corpus.jpeg import before
from tests.integration.conftest import Command
from tests.jpegs import segment
from tests.photos import labelled_photos

SAMPLES = list(corpus())
# One of each kind, where all would take too long.
KINDS = list({sample.kind: sample for sample in SAMPLES}.values())
MOST = 20  # photos of a request
FURTHEST = 0.02  # that a probability may be from that of the plain twin

# What came of a photo: its probabilities, or the text of its error.
Outcome = dict[str, float] | str
Way = Callable[[httpx.Client, list[Sample]], Iterable[Outcome]]


@cache
def probabilities() -> dict[str, dict[str, float]]:
    """Of each readable photo, those of a plain PNG that looks the same. The unit tests compare the looks themselves."""
    classifier = Classifier.load(open_package(starter_path()), Settings().inference, workers=2)
    found = {}
    for sample in SAMPLES:
        if sample.looks is not None:
            stream = io.BytesIO()
            Image.fromarray(decode(sample.data)).save(stream, "PNG", compress_level=0)
            (result,) = classifier.classify([stream.getvalue()])
            assert isinstance(result, Classification)
            found[sample.name] = result.probabilities
    return found


def differences(samples: list[Sample], outcomes: Iterable[Outcome]) -> list[tuple[str, object]]:
    """The photos that were not classified as their twins, or not refused for their reason."""
    wrong: list[tuple[str, object]] = []
    for sample, outcome in zip(samples, outcomes, strict=True):
        if sample.looks is None or isinstance(outcome, str):
            # Its words in JSON; some ways tell an error and its remedy in one text.
            if sample.looks is not None or not isinstance(outcome, str) or sample.words not in outcome:
                wrong.append((sample.name, outcome))
        else:
            expected = probabilities()[sample.name]
            furthest = max(abs(outcome[name] - p) for name, p in expected.items())
            if furthest > FURTHEST:
                wrong.append((sample.name, furthest))
    return wrong


def _outcome(found: dict[str, Any]) -> Outcome:
    """Of a part of a response to /predict."""
    problem = found.get("error", found)
    return found["probabilities"] if "probabilities" in found else f"{problem['detail']}"


def _in_parts(samples: list[Sample]) -> Iterable[list[Sample]]:
    return (samples[start : start + MOST] for start in range(0, len(samples), MOST))


def _body(http: httpx.Client, samples: list[Sample]) -> Iterable[Outcome]:
    for sample in samples:
        response = http.post("/predict", content=sample.data, headers={"Content-Type": "image/jpeg"})
        expected = {"unsupported_format": 415, "not_an_image": 400}[sample.error.reason()] if sample.words else 200
        assert response.status_code == expected, sample.name
        if expected != 200:
            assert response.json()["reason"] == sample.error.reason(), sample.name
        yield _outcome(response.json())


def _form(http: httpx.Client, samples: list[Sample]) -> Iterable[Outcome]:
    for sample in samples:
        yield _outcome(http.post("/predict", files={"file": ("photo.jpg", sample.data)}).json())


def _form_of_many(http: httpx.Client, samples: list[Sample]) -> Iterable[Outcome]:
    for part in _in_parts(samples):
        sent = http.post("/predict", files=[("file", ("photo", sample.data)) for sample in part])
        yield from map(_outcome, sent.json()["predictions"])


def _json(http: httpx.Client, samples: list[Sample]) -> Iterable[Outcome]:
    for sample in samples:
        url = "data:image/jpeg;base64," + base64.b64encode(sample.data).decode()
        yield _outcome(http.post("/predict", json={"image": url}).json())


def _json_of_many(http: httpx.Client, samples: list[Sample]) -> Iterable[Outcome]:
    for part in _in_parts(samples):
        photos = [{"b64": base64.b64encode(sample.data).decode()} for sample in part]
        yield from map(_outcome, http.post("/predict", json={"instances": photos}).json()["predictions"])


def _inferred(response: httpx.Response) -> Outcome:
    """Of a response of the Open Inference Protocol."""
    found = response.json()
    if "error" in found:
        return str(found["error"])
    outputs = {each["name"]: each["data"] for each in found["outputs"]}
    return dict(zip(("dandelion", "grass"), outputs["probabilities"], strict=True))


def _protocol(http: httpx.Client, samples: list[Sample]) -> Iterable[Outcome]:
    for sample in samples:
        data = [base64.b64encode(sample.data).decode()]
        tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": data}
        yield _inferred(http.post("/v2/models/dandelion/infer", json={"inputs": [tensor]}))


def _protocol_in_binary(http: httpx.Client, samples: list[Sample]) -> Iterable[Outcome]:
    for sample in samples:
        data = struct.pack("<I", len(sample.data)) + sample.data
        tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
        head = json.dumps({"inputs": [tensor]}).encode()
        headers = {"Inference-Header-Content-Length": f"{len(head)}", "Content-Type": "application/octet-stream"}
        yield _inferred(http.post("/v2/models/dandelion/infer", content=head + data, headers=headers))


def _compare(http: httpx.Client, samples: list[Sample]) -> Iterable[Outcome]:
    for sample in samples:
        found = http.post("/compare", content=sample.data, headers={"Content-Type": "image/jpeg"}).json()
        yield _outcome(found["opinions"][0] if "opinions" in found else found)


WAYS: dict[str, Way] = {
    "body": _body,
    "form": _form,
    "form of many": _form_of_many,
    "JSON": _json,
    "JSON of many": _json_of_many,
    "Open Inference Protocol": _protocol,
    "Open Inference Protocol in binary": _protocol_in_binary,
    "compare": _compare,
}


@pytest.mark.parametrize("way", WAYS)
def test_photos_of_each_kind_are_classified_as_their_plain_twins_or_refused(http: httpx.Client, way: str) -> None:
    samples = SAMPLES if way == "body" else KINDS
    assert not differences(samples, WAYS[way](http, samples))


def test_a_photo_of_each_kind_is_explained_or_refused(http: httpx.Client) -> None:
    for sample in KINDS:
        response = http.post("/explain", content=sample.data, headers={"Content-Type": "image/jpeg"})
        assert response.is_success is (sample.looks is not None), sample.name
        assert response.is_success or sample.words in response.json()["detail"]


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
            assert found == pytest.approx(first, abs=FURTHEST)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The whole corpus as photos of two classes."""
    for number, sample in enumerate(SAMPLES):
        file = tmp_path / "photos" / f"class-{number % 2}" / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(sample.data)
    return tmp_path / "photos"


def test_the_command_line_classifies_a_photo_of_each_kind(dandelion: Command, tmp_path: Path) -> None:
    files = []
    for number, sample in enumerate(KINDS):
        files.append(tmp_path / f"{number}.jpg")
        files[-1].write_bytes(sample.data)
    status, out, _ = dandelion("predict", "--json", *map(str, files))
    assert status == 1
    found = json.loads(out)
    assert not differences(KINDS, [each.get("error") or each["probabilities"] for each in found])


def test_a_batch_classifies_every_photo(dandelion: Command, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    status, _, _ = dandelion("predict-batch", str(folder), "--model", str(starter_path()), "--out", str(out))
    assert status == 0
    rows = {Path(row["photo"]).stem: row for row in pq.read_table(out).to_pylist()}
    found = [rows[f"{number}"] for number in range(len(SAMPLES))]
    assert not differences(SAMPLES, [row["error"] or dict(row["probabilities"]) for row in found])


def test_a_check_of_a_data_folder_names_what_cannot_be_read(folder: Path) -> None:
    report = check_photos(folder)
    refused = {f"{number}" for number, sample in enumerate(SAMPLES) if sample.looks is None}
    unread = {path.stem for finding in report.findings if finding.kind == "unreadable" for path in finding.paths}
    assert unread == refused
    assert {photo.path.stem for photo in report.photos} == {f"{n}" for n in range(len(SAMPLES))} - refused
    with pytest.raises(DataError, match="cannot be read"):
        scan_photos(folder)
