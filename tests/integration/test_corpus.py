"""The corpus of photos through every way in: whichever it is, a photo is classified as its plain twin, or refused.

In a browser, tests/ui/test_classify.py sends some of them; tests/unit/test_training_corpus.py trains on them.
"""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import grpc
import httpx
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dandelion.api.grpc import open_inference_pb2 as pb
from dandelion.errors import DataError
from dandelion.imaging import decode
from dandelion.inference.classifier import Classification, Classifier
from dandelion.package import open_package
from dandelion.package.starter import starter_path
from dandelion.settings import Settings
from dandelion.training.checks import check_photos
from dandelion.training.photos import scan_photos
from dandelion.ui.backend import Backend
from dandelion.ui.classify import ClassifyTab, Results
from dandelion.ui.page import Page
from dandelion.ui.sessions import Sessions
from dandelion.ui.uploads import Uploads
from dandelion.ui.words import Words
from tests.corpus import Sample, corpus
from tests.corpus.jpeg import before
from tests.integration.conftest import Api, Command, running_api
from tests.integration.grpc_client import connected, photos_in
from tests.jpegs import segment
from tests.packages import make_linear_package
from tests.photos import labelled_photos
from tests.servers.ports import free_ports

SAMPLES = list(corpus())
# One of each kind, where all would take too long.
KINDS = list({sample.kind: sample for sample in SAMPLES}.values())
NUMBERS = {sample.name: number for number, sample in enumerate(SAMPLES)}
MOST = 20  # photos of a request
FURTHEST = 0.02  # that a probability may be from that of the plain twin

# What came of a photo: its probabilities, or the text of its error.
Outcome = dict[str, float] | str
Way = Callable[[httpx.Client, list[Sample]], Iterable[Outcome]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that costs little and notices much: of the time, the starter's network would take most."""
    return make_linear_package(tmp_path_factory.mktemp("model") / "linear")


@pytest.fixture(scope="module")
def settings(make_settings: Callable[..., Settings], model: Path) -> Settings:
    return make_settings(model={"path": model}, grpc={"port": free_ports(1)[0]}, journal={"photos": "none"})


@pytest.fixture(scope="module")
def api(settings: Settings) -> Iterator[Api]:
    with running_api(settings) as running:
        yield running


@cache
def classifier_of(model: Path) -> Classifier:
    return Classifier.load(open_package(model), Settings().inference, workers=2)


@cache
def probabilities(model: Path, number: int) -> dict[str, float]:
    """Those of a plain PNG that looks the same as the photo. The unit tests compare the looks themselves."""
    stream = io.BytesIO()
    Image.fromarray(decode(SAMPLES[number].data)).save(stream, "PNG", compress_level=0)
    (result,) = classifier_of(model).classify([stream.getvalue()])
    assert isinstance(result, Classification)
    return result.probabilities


def differences(model: Path, samples: list[Sample], outcomes: Iterable[Outcome]) -> list[tuple[str, object]]:
    """The photos that the model did not classify as their twins, or that were not refused for their reason."""
    wrong: list[tuple[str, object]] = []
    for sample, outcome in zip(samples, outcomes, strict=True):
        if sample.looks is None or isinstance(outcome, str):
            # Its words in JSON; some ways tell an error and its remedy in one text.
            if sample.looks is not None or not isinstance(outcome, str) or sample.words not in outcome:
                wrong.append((sample.name, outcome))
        else:
            expected = probabilities(model, NUMBERS[sample.name])
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
def test_photos_of_each_kind_are_classified_as_their_plain_twins_or_refused(
    http: httpx.Client, model: Path, way: str
) -> None:
    samples = SAMPLES if way == "body" else KINDS
    assert not differences(model, samples, WAYS[way](http, samples))


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("is_raw", [False, True])
def test_photos_of_each_kind_are_classified_or_refused_over_grpc(
    settings: Settings, model: Path, *, is_raw: bool
) -> None:
    """In `bytes_contents` and in `raw_input_contents`."""
    in_contents = {"binary_data_output": pb.InferParameter(bool_param=False)}
    with connected(settings.grpc.port) as client:

        def infer(sample: Sample) -> Outcome:
            try:
                found = client.infer(photos_in(sample.data, raw=is_raw, parameters=in_contents))
            except grpc.RpcError as error:
                failed: Any = error
                assert failed.code() == grpc.StatusCode.INVALID_ARGUMENT, sample.name
                return str(failed.details())
            return dict(zip(("dandelion", "grass"), found["probabilities"], strict=True))

        assert not differences(model, KINDS, map(infer, KINDS))


@pytest.mark.usefixtures("api")
async def test_a_photo_of_each_kind_dropped_on_the_page_is_classified_or_refused(
    settings: Settings, model: Path, tmp_path: Path
) -> None:
    """By what Gradio calls with the files that it was sent."""
    words = Words("en")
    backend = Backend(settings, Sessions(1))
    with gr.Blocks():
        tab = ClassifyTab(Page(words, backend, Uploads(tmp_path, 0)), [])
    files = write(KINDS, tmp_path)
    visitor: Any = SimpleNamespace(cookies={}, client=None)
    results: Results = {}
    async for update in tab._take_dropped([(str(file), None) for file in files], {}, visitor):
        results = update.get(tab._results, results)
    await backend.close()
    outcomes: list[Outcome] = []
    for file, sample in zip(files, KINDS, strict=True):
        found = results[str(file)]
        if sample.looks is None:
            assert found.problem == words.problem(sample.error("", "")), sample.name
        outcomes.append(found.prediction.probabilities if found.prediction else sample.words)
    assert not differences(model, KINDS, outcomes)


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


def write(samples: list[Sample], folder: Path) -> list[Path]:
    """Write each into a file that its number names."""
    files = [folder / f"{number}.jpg" for number in range(len(samples))]
    for file, sample in zip(files, samples, strict=True):
        file.write_bytes(sample.data)
    return files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The whole corpus as photos of two classes."""
    for number, sample in enumerate(SAMPLES):
        file = tmp_path / "photos" / f"class-{number % 2}" / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(sample.data)
    return tmp_path / "photos"


def test_the_command_line_classifies_a_photo_of_each_kind(dandelion: Command, tmp_path: Path) -> None:
    """With a trained model: the one that comes with the product."""
    status, out, _ = dandelion("predict", "--json", *map(str, write(KINDS, tmp_path)))
    assert status == 1
    found = json.loads(out)
    assert not differences(starter_path(), KINDS, [each.get("error") or each["probabilities"] for each in found])


def test_a_batch_classifies_every_photo(dandelion: Command, model: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    status, _, _ = dandelion("predict-batch", str(folder), "--model", str(model), "--out", str(out))
    assert status == 0
    rows = {Path(row["photo"]).stem: row for row in pq.read_table(out).to_pylist()}
    found = [rows[f"{number}"] for number in range(len(SAMPLES))]
    assert not differences(model, SAMPLES, [row["error"] or dict(row["probabilities"]) for row in found])


def test_a_check_of_a_data_folder_names_what_cannot_be_read(folder: Path) -> None:
    report = check_photos(folder)
    refused = {f"{number}" for number, sample in enumerate(SAMPLES) if sample.looks is None}
    unread = {path.stem for finding in report.findings if finding.kind == "unreadable" for path in finding.paths}
    assert unread == refused
    assert {photo.path.stem for photo in report.photos} == {f"{n}" for n in range(len(SAMPLES))} - refused
    with pytest.raises(DataError, match="cannot be read"):
        scan_photos(folder)
