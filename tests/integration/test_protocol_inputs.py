"""Photos that come by the Open Inference Protocol."""

from __future__ import annotations

import base64

import httpx
import numpy as np
import pytest

from dandelion.imaging import prepare
from tests.integration.conftest import Api
from tests.integration.protocol_client import (
    JPEG,
    LENGTH,
    MODEL,
    NAMES,
    binary,
    image,
    infer,
    outputs_of,
    packed,
)
from tests.photos import jpeg, labelled_photos


def test_every_way_in_gets_the_predictions_of_predict(http: httpx.Client) -> None:
    photos = [photo for _, photo in labelled_photos(3)]
    wanted = [http.post("/predict", content=photo, headers=JPEG).json() for photo in photos]
    column = image(*photos, shape=[len(photos), 1])
    spec = {"name": "image", "shape": [len(photos)], "datatype": "BYTES"}
    nested = {**column, "data": [[text] for text in column["data"]]}
    for response in (
        infer(http, image(*photos)),
        infer(http, image(*photos, parameters={"content_type": "base64"})),
        infer(http, column),
        infer(http, nested),
        infer(http, image(*photos), path=f"{MODEL}/versions/local"),
        binary(http, spec, packed(*photos)),
    ):
        found = outputs_of(response)
        assert list(found) == NAMES
        assert found["label"] == [each["label"] for each in wanted]
        assert found["in_distribution"] == [each["in_distribution"] for each in wanted]
        rows_of = [[*each["probabilities"].values()] for each in wanted]
        assert np.reshape(found["probabilities"], (-1, 2)).tolist() == pytest.approx(np.array(rows_of), abs=1e-3)
        assert len({*found["prediction_id"]}) == len(photos)


def test_base64_is_read_as_in_predict(http: httpx.Client) -> None:
    text = base64.b64encode(jpeg()).decode()
    urlsafe = base64.urlsafe_b64encode(jpeg()).decode().rstrip("=")
    texts = [text, f"data:image/jpeg;base64,{text}", base64.encodebytes(jpeg()).decode(), urlsafe]
    found = outputs_of(infer(http, image(*[jpeg()] * 4, data=texts)))
    assert len({*found["probabilities"][::2]}) == 1


def test_a_photo_alone_is_taken_as_curl_sends_it(http: httpx.Client) -> None:
    wanted = http.post("/predict", content=jpeg(), headers=JPEG).json()
    response = http.post(f"{MODEL}/infer", content=jpeg(), headers={LENGTH: "0"})
    assert outputs_of(response)["label"] == [wanted["label"]]


def test_pixels_go_to_the_model_as_they_are(http: httpx.Client, api: Api) -> None:
    spec = api.service.serving.classifier.manifest.input
    photos = [photo for _, photo in labelled_photos(2)]
    batch = np.stack([prepare(photo, spec) for photo in photos])
    wanted = outputs_of(infer(http, image(*photos)))["probabilities"]
    tensor = {"name": "pixels", "shape": batch.shape, "datatype": "UINT8"}
    for response in (
        binary(http, tensor, batch.tobytes()),
        infer(http, {**tensor, "data": batch.tolist()}),
        infer(http, {**tensor, "data": batch.ravel().tolist()}),
    ):
        assert outputs_of(response)["probabilities"] == pytest.approx(wanted, abs=1e-3)
