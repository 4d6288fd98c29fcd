"""What the Open Inference Protocol returns for photos, and what a prediction leaves behind."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from dandelion.api.uploads import read_body
from dandelion.db.tables import predictions
from dandelion.domain import ModelRef
from dandelion.inference.source import Found
from dandelion.package import open_package
from dandelion.settings import Settings
from tests.integration.conftest import Api, running_api
from tests.integration.protocol_client import (
    LENGTH,
    MODEL,
    NAMES,
    binary,
    error_of,
    image,
    infer,
    outputs_of,
)
from tests.integration.test_access import make_key
from tests.integration.test_api import figures
from tests.integration.test_photos import rows
from tests.packages import make_package
from tests.photos import jpeg


def test_outputs_are_those_that_are_requested_in_their_order(http: httpx.Client) -> None:
    names = ["embedding", "label"]
    response = infer(http, image(jpeg(), jpeg()), outputs=[{"name": name} for name in names])
    body = response.json()
    assert [(each["name"], each["shape"]) for each in body["outputs"]] == [("embedding", [2, 1280]), ("label", [2])]
    assert len(body["outputs"][0]["data"]) == 2 * 1280


def test_binary_outputs_follow_the_json_in_order(http: httpx.Client) -> None:
    first = {"name": "embedding", "parameters": {"binary_data": False}}
    wanted = [first, *({"name": name} for name in NAMES)]
    response = infer(http, image(jpeg()), outputs=wanted, parameters={"binary_data_output": True})
    length = int(response.headers[LENGTH])
    assert response.headers["content-type"] == "application/octet-stream"
    head, rest = json.loads(response.content[:length]), response.content[length:]
    embedding, label, probabilities, inside, identity = head["outputs"]
    assert len(embedding["data"]) == 1280
    assert [each.get("parameters", {}).get("binary_data_size") for each in (embedding, probabilities, inside)] == [
        None,
        8,
        1,
    ]
    size = label["parameters"]["binary_data_size"]
    assert struct.unpack_from("<I", rest) == (size - 4,)
    assert rest[4:size].decode() in {"dandelion", "grass"}
    assert np.frombuffer(rest[size : size + 8], "<f4").sum() == pytest.approx(1)
    assert len(rest) == size + 8 + 1 + identity["parameters"]["binary_data_size"]


@pytest.mark.parametrize(("most", "found"), [(1, 1), (2, 2), (9, 2)])
def test_classification_ranks_the_classes(http: httpx.Client, most: int, found: int) -> None:
    wanted = {"name": "probabilities", "parameters": {"classification": most}}
    response = infer(http, image(jpeg(), jpeg(120, 90)), outputs=[wanted])
    (output,) = response.json()["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [2, found])
    parts = [text.split(":") for text in output["data"]]
    classes = ["dandelion", "grass"]
    assert all(classes[int(index)] == label for _, index, label in parts)
    values = [float(value) for value, _, _ in parts[:found]]
    assert values == sorted(values, reverse=True)


def test_null_in_an_optional_field_is_as_good_as_none(http: httpx.Client) -> None:
    parameters = {"binary_data_size": None, "shared_memory_region": None, "content_type": None}
    wanted = {"name": "probabilities", "parameters": {"binary_data": None, "classification": None}}
    more: dict[str, Any] = {"id": None, "parameters": {"binary_data_output": None}, "outputs": [wanted]}
    response = infer(http, image(jpeg(), parameters=parameters), **more)
    assert len(outputs_of(response)["probabilities"]) == 2
    assert "id" not in response.json()
    assert outputs_of(infer(http, image(jpeg(), parameters=None), parameters=None, outputs=None))


def test_the_id_comes_back_and_without_one_there_is_none(http: httpx.Client) -> None:
    assert infer(http, image(jpeg()), id="Löwenzahn-1").json()["id"] == "Löwenzahn-1"
    body = infer(http, image(jpeg())).json()
    assert "id" not in body
    assert (body["model_name"], body["model_version"]) == ("dandelion", "local")


def test_predictions_are_counted_and_stored_like_those_of_predict(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(journal={"photos": "all", "ship_seconds": 0.1})
    with running_api(settings) as running, httpx.Client(base_url=running.url, timeout=30) as http:
        spec = running.service.serving.classifier.manifest.input
        before = figures(http)
        photos = outputs_of(infer(http, image(jpeg(), jpeg(120, 90))))["prediction_id"]
        pixels = {"name": "pixels", "shape": [1, spec.height, spec.width, 3], "datatype": "UINT8"}
        prepared = outputs_of(binary(http, pixels, bytes(spec.height * spec.width * 3)))["prediction_id"]
        error_of(infer(http, image(jpeg(), b"no photo")))
        after = figures(http)
    assert after["predictions_total"] == before["predictions_total"] + 4
    assert after["prediction_duration_seconds_count"] == before["prediction_duration_seconds_count"] + 2
    assert after["prediction_errors_total"] == before["prediction_errors_total"] + 1
    stored = dict(rows(settings, predictions.c.id, predictions.c.photo_key))
    assert {*stored} == {*photos, *prepared}
    # Only whole photos are stored: pixels would be cropped once more.
    assert {each for each, key in stored.items() if key} == {*photos}


def test_access_and_limits_are_those_of_predict_in_the_protocols_form(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(access={"enabled": True, "requests_per_key": 12}, prefect={"url": "http://127.0.0.1:9"})
    keys = {scope: make_key(settings, f"for-{scope}", scope) for scope in ("predict", "read")}
    with running_api(settings) as running, httpx.Client(base_url=running.url, timeout=30) as http:
        for path in ("/v2/health/live", "/v2/health/ready", "/v2"):
            assert http.get(path).status_code == 200
        paths = [MODEL, f"{MODEL}/ready", f"{MODEL}/config", f"{MODEL}/stats", f"{MODEL}/versions/local"]
        for path in [*paths, f"{MODEL}/versions/local/ready", "/v2/models/stats", f"{MODEL}/infer"]:
            method = "POST" if path.endswith("infer") else "GET"
            assert error_of(http.request(method, path), 401)
            assert error_of(http.request(method, path, headers={"X-API-Key": keys["read"]}), 403)
        http.headers["X-API-Key"] = keys["predict"]
        assert [http.get(path).status_code for path in paths] == [200] * len(paths)
        assert infer(http, image(jpeg())).status_code == 200
        refused = next(
            response for response in iter(lambda: infer(http, image(jpeg())), None) if not response.is_success
        )
        assert error_of(refused, 429)
        assert refused.headers["retry-after"]


def test_another_model_may_come_into_service_at_any_time(api: Api, http: httpx.Client, tmp_path: Any) -> None:
    """A request that names a version is never answered by another one."""
    serving = api.service.serving
    try:
        package = open_package(make_package(tmp_path / "other", classes=["a", "b"]))
        api.service.swap(Found(ModelRef(name="dandelion", version="8"), package))
        assert http.get(MODEL).json()["versions"] == ["8"]
        before = http.get(f"{MODEL}/stats").json()["model_stats"][0]["inference_count"]
        assert outputs_of(infer(http, image(jpeg()), path=f"{MODEL}/versions/8"))["label"][0] in {"a", "b"}
        (statistics,) = http.get(f"{MODEL}/stats").json()["model_stats"]
        assert (statistics["version"], statistics["inference_count"]) == ("8", before + 1)
        assert statistics["inference_count"] < statistics["inference_stats"]["queue"]["count"]
        assert "'8'" in error_of(infer(http, image(jpeg()), path=f"{MODEL}/versions/local"), 404)
    finally:
        api.service.swap(Found(serving.ref, serving.classifier.package))


@pytest.fixture
def swaps(api: Api, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first photos of the next runs, so many in each, are of another version: a swap between two batches."""
    predict: Any = api.service.predict_embedded
    left: list[int] = []

    async def predict_while_it_changes(photos: list[bytes]) -> list[Any]:
        found = await predict(photos)
        other = ModelRef(name="dandelion", version="8")
        for number in range(left.pop(0) if left else 0):
            prediction = msgspec.structs.replace(found[number].prediction, model=other)
            found[number] = found[number]._replace(prediction=prediction)
        return list(found)

    monkeypatch.setattr(api.service, "predict_embedded", predict_while_it_changes)
    return left


def test_photos_are_classified_once_more_if_they_are_of_two_versions(http: httpx.Client, swaps: list[int]) -> None:
    before = figures(http)["predictions_total"]
    swaps[:] = [1]
    response = infer(http, image(jpeg(), jpeg()))
    assert len(outputs_of(response)["label"]) == 2
    assert response.json()["model_version"] == "local"
    assert figures(http)["predictions_total"] == before + 4
    swaps[:] = [2]
    assert infer(http, image(jpeg(), jpeg())).json()["model_version"] == "8"


def test_photos_of_two_versions_in_both_runs_are_no_prediction(http: httpx.Client, swaps: list[int]) -> None:
    swaps[:] = [1, 1]
    response = infer(http, image(jpeg(), jpeg()))
    assert "Another version" in error_of(response, 503)
    assert response.headers["retry-after"]


@pytest.mark.parametrize("swapped", [1, 2])
def test_a_version_that_goes_out_of_service_is_not_found(http: httpx.Client, swaps: list[int], swapped: int) -> None:
    swaps[:] = [swapped]
    response = infer(http, image(jpeg(), jpeg()), path=f"{MODEL}/versions/local")
    assert "'local'" in error_of(response, 404)


def test_the_body_is_gone_while_its_photos_are_classified(
    api: Api, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: list[bool] = []

    class Body(bytes):
        def __del__(self) -> None:
            gone.append(True)

    predict: Any = api.service.predict_embedded

    async def read_it(*given: Any) -> bytes:
        return Body(await read_body(*given))

    async def predict_without_it(photos: list[bytes]) -> Any:
        assert gone
        return await predict(photos)

    monkeypatch.setattr("dandelion.api.v2.routes.read_body", read_it)
    monkeypatch.setattr(api.service, "predict_embedded", predict_without_it)
    assert outputs_of(infer(http, image(jpeg())))
