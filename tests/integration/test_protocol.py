"""The Open Inference Protocol over a real connection; its real client is driven in test_triton_client.py."""

from __future__ import annotations

import base64
import io
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from PIL import Image

from dandelion.api.uploads import read_body
from dandelion.db.tables import predictions
from dandelion.domain import ModelRef
from dandelion.imaging import prepare
from dandelion.inference.source import Found
from dandelion.package import open_package
from dandelion.settings import Settings
from tests.integration.conftest import Api, running_api
from tests.integration.test_access import make_key
from tests.integration.test_api import figures
from tests.integration.test_photos import rows
from tests.integration.test_request_boundaries import statuses_of
from tests.packages import make_package
from tests.photos import jpeg, labelled_photos

JPEG = {"Content-Type": "image/jpeg"}
MODEL = "/v2/models/dandelion"
LENGTH = "Inference-Header-Content-Length"
NAMES = ["label", "probabilities", "in_distribution", "prediction_id"]


@pytest.fixture(autouse=True)
def a_good_photo_still_works(http: httpx.Client) -> Iterator[None]:
    yield
    assert http.post("/predict", content=jpeg(), headers=JPEG).status_code == 200


def image(*photos: bytes, **more: Any) -> dict[str, Any]:
    """An input with photos in base64."""
    data = [base64.b64encode(photo).decode() for photo in photos]
    return {"name": "image", "shape": [len(photos)], "datatype": "BYTES", "data": data, **more}


def infer(http: httpx.Client, *inputs: dict[str, Any], path: str = MODEL, **more: Any) -> httpx.Response:
    return http.post(f"{path}/infer", json={"inputs": inputs, **more})


def packed(*photos: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(photo)) + photo for photo in photos)


def binary(http: httpx.Client, tensor: dict[str, Any], data: bytes, *, length: int = 0, **more: Any) -> httpx.Response:
    """A tensor behind the JSON."""
    head = json.dumps({"inputs": [{"parameters": {"binary_data_size": len(data)}, **tensor}], **more}).encode()
    headers = {LENGTH: str(length or len(head)), "Content-Type": "application/octet-stream"}
    return http.post(f"{MODEL}/infer", content=head + data, headers=headers)


def outputs_of(response: httpx.Response) -> dict[str, Any]:
    """The values of a response in JSON, by name."""
    assert response.status_code == 200, response.text
    return {each["name"]: each["data"] for each in response.json()["outputs"]}


def error_of(response: httpx.Response, status: int = 400) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == ["error"]
    return str(response.json()["error"])


# What there is


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_names_itself_and_its_extensions(http: httpx.Client, path: str) -> None:
    body = http.get(path).json()
    assert body["name"] == "dandelion"
    assert {"binary_tensor_data", "classification", "statistics"} <= {*body["extensions"]}


def test_health_answers_to_all_readings_of_the_text(http: httpx.Client) -> None:
    assert http.get("/v2/health/live").json() == {"live": True}
    assert http.get("/v2/health/ready").json() == {"live": True, "ready": True}


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/local"])
def test_the_model_describes_what_it_takes_and_gives(http: httpx.Client, path: str) -> None:
    body = http.get(path).json()
    size = http.get("/model").json()["input"]
    assert (body["name"], body["versions"]) == ("dandelion", ["local"])
    assert body["inputs"] == [
        {"name": "image", "datatype": "BYTES", "shape": [-1]},
        {"name": "pixels", "datatype": "UINT8", "shape": [-1, size["height"], size["width"], 3]},
    ]
    assert {each["name"]: (each["datatype"], each["shape"]) for each in body["outputs"]} == {
        "label": ("BYTES", [-1]),
        "probabilities": ("FP32", [-1, 2]),
        "in_distribution": ("BOOL", [-1]),
        "prediction_id": ("BYTES", [-1]),
        "embedding": ("FP32", [-1, 1280]),
    }
    assert http.get(f"{path}/ready").json() == {"name": "dandelion", "ready": True}
    config = http.get(f"{path}/config").json()
    assert [each["data_type"] for each in config["input"]] == ["TYPE_STRING", "TYPE_UINT8"]
    assert json.loads(config["parameters"]["classes"]["string_value"]) == ["dandelion", "grass"]


@pytest.mark.parametrize("route", ["", "/ready", "/config", "/stats", "/infer"])
@pytest.mark.parametrize("model", ["grass", "dandelion/versions/7", "..%2f", "x" * 3000])
def test_another_model_or_version_is_not_found(http: httpx.Client, model: str, route: str) -> None:
    url = f"/v2/models/{model}{route}"
    response = http.post(url, json={}) if route == "/infer" else http.get(url)
    assert error_of(response, 404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v2/repository/index", 501),
        ("POST", "/v2/repository/models/other/load", 501),
        ("POST", "/v2/cudasharedmemory/region/a/register", 501),
        ("GET", "/v2/logging", 501),
        ("GET", f"{MODEL}/trace/setting", 501),
        ("GET", "/v2/systemsharedmemory/status", 501),
        ("GET", "/v2/trace/setting", 501),
        ("POST", f"{MODEL}/generate", 501),
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/models/dandelion/versions", 404),
        ("GET", f"{MODEL}/infer", 405),
        ("DELETE", MODEL, 405),
    ],
)
def test_what_there_is_not_says_so_in_the_protocols_form(
    http: httpx.Client, method: str, path: str, status: int
) -> None:
    assert error_of(http.request(method, path), status)


def test_only_requests_for_predictions_count_as_failed(http: httpx.Client) -> None:
    before = figures(http)["prediction_errors_total"]
    for path in ("/v2/infer", "/v2/models/a/b/infer", "/v2/models/a/b/c/d/infer"):
        error_of(http.post(path), 404)
    assert figures(http)["prediction_errors_total"] == before
    for path in (f"{MODEL}/infer", f"{MODEL}/infer/", f"{MODEL}/versions/local/infer"):
        error_of(http.post(path))
    assert figures(http)["prediction_errors_total"] == before + 3


@pytest.mark.parametrize("root_path", ["/plants", "/v2", "/predict"])
def test_errors_have_their_form_behind_a_prefix(make_settings: Callable[..., Settings], root_path: str) -> None:
    with (
        running_api(make_settings(api={"root_path": root_path})) as running,
        httpx.Client(base_url=running.url, timeout=30) as http,
    ):
        before = figures(http)["prediction_errors_total"]
        error_of(http.get("/v2/nothing"), 404)
        error_of(http.delete(MODEL), 405)
        error_of(infer(http, image(b"no photo")))
        assert figures(http)["prediction_errors_total"] == before + 1
        for path in ("/nothing", "/v2nothing"):
            assert http.get(path).headers["content-type"] == "application/problem+json"


def test_a_page_of_another_site_may_send_and_read_the_length(make_settings: Callable[..., Settings]) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = LENGTH
    with (
        running_api(make_settings(api={"cors_origins": ["https://shop.example"]})) as running,
        httpx.Client(base_url=running.url, timeout=30) as http,
    ):
        allowed = http.options(f"{MODEL}/infer", headers=asked)
        response = http.post(f"{MODEL}/infer", content=jpeg(), headers={"Origin": asked["Origin"], LENGTH: "0"})
    assert LENGTH.lower() in allowed.headers["access-control-allow-headers"].lower()
    assert LENGTH in response.headers["access-control-expose-headers"]


def test_statistics_move_with_photos_whatever_way_they_come(http: httpx.Client) -> None:
    def measure(path: str) -> dict[str, Any]:
        (found,) = http.get(path).json()["model_stats"]
        return dict(found)

    before = measure(f"{MODEL}/stats")
    infer(http, image(jpeg(), jpeg()))
    http.post("/predict", content=jpeg(), headers=JPEG)
    infer(http, image(b"no photo"))
    after = measure("/v2/models/stats")
    assert (after["name"], after["version"]) == ("dandelion", "local")
    assert after["inference_count"] == before["inference_count"] + 3
    assert after["execution_count"] > before["execution_count"]
    stages, earlier = after["inference_stats"], before["inference_stats"]
    assert stages["success"]["count"] == earlier["success"]["count"] + 2
    assert stages["fail"]["count"] == earlier["fail"]["count"] + 1
    assert all(stages[name]["ns"] > earlier[name]["ns"] for name in ("success", "compute_input", "compute_infer"))
    # What perf_analyzer reads besides.
    assert stages["cache_hit"] == stages["cache_miss"] == {"count": 0, "ns": 0}
    assert after["batch_stats"] == []
    assert before["last_inference"] < after["last_inference"] <= time.time() * 1000


# Photos in


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


# Outputs


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


# What a prediction leaves behind


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


# What nobody should send

BOMB = {"name": "image", "shape": [1], "datatype": "BYTES"}
GOOD = image(jpeg())


def deep(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "truncated"),
        ("{", "truncated"),
        ("[]", "object"),
        ("{}", "inputs"),
        ("\udcff", "malformed"),
        ('{"inputs": []}', "none"),
        ('{"inputs": {}}', "array"),
        ('{"inputs": [1]}', "object"),
        ('{"inputs": [{"name": "image"}]}', "shape"),
        (json.dumps({"inputs": [GOOD], "id": 7}), "id"),
        (json.dumps({"inputs": [GOOD, GOOD]}), "one input"),
        (json.dumps({"inputs": [{**GOOD, "name": "INPUT__0"}]}), "INPUT__0"),
        (json.dumps({"inputs": [{**GOOD, "datatype": "UINT8"}]}), "UINT8"),
        (json.dumps({"inputs": [{**GOOD, "datatype": "PICTURE"}]}), "PICTURE"),
        (json.dumps({"inputs": [{**GOOD, "shape": [-1]}]}), ">= 0"),
        (json.dumps({"inputs": [{**GOOD, "shape": [0]}]}), "no photo"),
        (json.dumps({"inputs": [{**GOOD, "shape": []}]}), "[N]"),
        (json.dumps({"inputs": [{**GOOD, "shape": [2]}]}), "1 elements"),
        (json.dumps({"inputs": [{**GOOD, "shape": [1, 3]}]}), "[N]"),
        (json.dumps({"inputs": [{**GOOD, "shape": [10**4000]}]}), "cannot be read"),
        (json.dumps({"inputs": [{**GOOD, "shape": [2**31 - 1] * 8}]}), "[N]"),
        (json.dumps({"inputs": [{**GOOD, "shape": [1] * 9}]}), "shape"),
        (json.dumps({"inputs": [{**GOOD, "shape": [1.5]}]}), "shape"),
        (json.dumps({"inputs": [{**GOOD, "shape": "1"}]}), "shape"),
        (json.dumps({"inputs": [{**GOOD, "data": [{"b64": GOOD["data"][0]}]}]}), "base64"),
        (json.dumps({"inputs": [{**GOOD, "data": GOOD["data"][0]}]}), "strings"),
        (json.dumps({"inputs": [{**GOOD, "data": [None]}]}), "strings"),
        (json.dumps({"inputs": [{**GOOD, "data": None}]}), "strings"),
        (json.dumps({"inputs": [{**GOOD, "data": []}]}), "0 elements"),
        (json.dumps({"inputs": [{**GOOD, "data": ["http://169.254.169.254/photo.jpg"]}]}), "request forgery"),
        (json.dumps({"inputs": [{**GOOD, "data": ["ä"]}]}), "no base64"),
        (json.dumps({"inputs": [{**GOOD, "data": ["!AAAA"]}]}), "no base64"),
        (json.dumps({"inputs": [{**GOOD, "data": ["AAAAA"]}]}), "no base64"),
        (json.dumps({"inputs": [{**GOOD, "data": ["\ud800"]}]}), "read"),
        (json.dumps({"inputs": [{**GOOD, "data": [""]}]}), "empty"),
        (json.dumps({"inputs": [BOMB]}), "neither"),
        (json.dumps({"inputs": [{**BOMB, "parameters": {"shared_memory_region": "a"}}]}), "Shared memory"),
        (json.dumps({"inputs": [{**GOOD, "parameters": {"binary_data_size": 0}}]}), "both"),
        (json.dumps({"inputs": [{**BOMB, "parameters": {"binary_data_size": -1}}]}), "binary_data_size"),
        (json.dumps({"inputs": [{**BOMB, "parameters": {"binary_data_size": 2**31}}]}), "2147483648"),
        (json.dumps({"inputs": [{**BOMB, "parameters": {"binary_data_size": 2**70}}]}), "binary_data_size"),
        (json.dumps({"inputs": [{**BOMB, "parameters": {"binary_data_size": "9"}}]}), "binary_data_size"),
        (json.dumps({"inputs": [GOOD], "outputs": [{"name": "logits"}]}), "logits"),
        (json.dumps({"inputs": [GOOD], "outputs": [{"name": "embedding"}] * 1000}), "twice"),
        (json.dumps({"inputs": [GOOD], "outputs": [{"name": "label", "parameters": {"classification": 2}}]}), "label"),
        (
            json.dumps({"inputs": [GOOD], "outputs": [{"name": "label", "parameters": {"binary_data": 1}}]}),
            "binary_data",
        ),
        ('{"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": ' + deep(100_000) + "}]}", "deep"),
        ('{"inputs": [{"name": "image", "shape": ' + deep(100_000) + "}]}", "read"),
        ('{"inputs": [], "parameters": {"a": ' + deep(100_000) + "}}", "deep"),
        ('{"a": ' * 100_000 + "1" + "}" * 100_000, "deep"),
    ],
)
def test_a_bad_request_is_refused_with_its_reason(http: httpx.Client, body: str, says: str) -> None:
    sent = body.encode(errors="surrogateescape")
    assert says in error_of(http.post(f"{MODEL}/infer", content=sent, headers={"Content-Type": "application/json"}))


@pytest.mark.parametrize(
    ("shape", "data", "says"),
    [
        ([1, 7, 7, 3], [0] * 147, "another size"),
        ([1, 3, 192, 192], [0], "another size"),
        ([1, 192, 192, 4], [0], "another size"),
        ([192, 192, 3], [0], "another size"),
        ([1, 192, 192, 3], [0], "1 elements"),
        ([1, 192, 192, 3], [256], "0 to 255"),
        ([1, 192, 192, 3], [-1], "0 to 255"),
        ([1, 192, 192, 3], [2**200], "0 to 255"),
        ([1, 192, 192, 3], [0.5], "0 to 255"),
        ([1, 192, 192, 3], [True], "0 to 255"),
        ([1, 192, 192, 3], ["1"], "0 to 255"),
        ([1, 192, 192, 3], [None], "0 to 255"),
        ([1, 192, 192, 3], [], "0 elements"),
        ([1, 192, 192, 3], {"b64": "AA=="}, "0 to 255"),
        ([1, 192, 192, 3], [[0], [0, 0]], "0 to 255"),
        ([1, 192, 192, 3], [[[[0], [0, 0]]]], "0 to 255"),
        ([1, 192, 192, 3], [[[[[0]]]]], "0 to 255"),
        ([1, 192, 192, 3], "AA==", "0 to 255"),
    ],
)
def test_bad_pixels_are_refused_with_their_reason(
    http: httpx.Client, shape: list[int], data: object, says: str
) -> None:
    assert says in error_of(infer(http, {"name": "pixels", "shape": shape, "datatype": "UINT8", "data": data}))


@pytest.mark.parametrize(
    ("data", "more", "says"),
    [
        (packed(jpeg())[:-1], {}, "are left"),
        (packed(jpeg()) + b"\1\0\0", {}, "3 bytes follow"),
        (struct.pack("<I", 2**31) + jpeg(), {}, "2147483652"),
        (struct.pack("<I", 2**32 - 1), {}, "4294967299"),
        (jpeg(), {}, "are left"),
        (packed(jpeg(), jpeg()), {}, "bytes follow the 1 elements"),
        (packed(jpeg()), {"shape": [2]}, "Element 2 of 2"),
        (b"", {}, "are left"),
        (bytes(4_000_000), {}, "bytes follow"),
        (packed(jpeg()) + b"more", {"parameters": {"binary_data_size": len(packed(jpeg()))}}, "follow the JSON"),
        (packed(jpeg()), {"parameters": {}}, "announce 0 bytes"),
        (packed(jpeg()), {"shape": [2**31 - 1]}, "photos in one request"),
        (packed(b""), {}, "empty"),
        (packed(b"no photo"), {}, "not an image"),
        (packed(jpeg()), {"datatype": "FP32"}, "FP32"),
        (bytes(192 * 192 * 3 - 1), {"name": "pixels", "shape": [1, 192, 192, 3], "datatype": "UINT8"}, "elements"),
    ],
)
def test_bytes_that_do_not_add_up_are_refused(http: httpx.Client, data: bytes, more: dict[str, Any], says: str) -> None:
    response = binary(http, {"name": "image", "shape": [1], "datatype": "BYTES", **more}, data)
    assert says in error_of(response, 413 if "one request" in says else 400)


@pytest.mark.parametrize(
    "length", ["-1", "x", "", "+5", "0x10", "99999999", "9" * 5000, "0" * 5000, "٣", "1, 2", "1.0"]
)
def test_a_length_that_is_none_is_refused(http: httpx.Client, length: str) -> None:
    body = json.dumps({"inputs": [GOOD]}).encode()
    response = http.post(f"{MODEL}/infer", content=body, headers=[(LENGTH.encode(), length.encode())])
    assert LENGTH in error_of(response)


def test_a_length_in_the_middle_of_the_json_is_refused(http: httpx.Client) -> None:
    assert error_of(binary(http, {"name": "image", "shape": [1], "datatype": "BYTES"}, packed(jpeg()), length=20))


def test_a_photo_fails_by_its_number_and_with_its_status(http: httpx.Client) -> None:
    stream = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(stream, "PNG")
    assert "Photo 2 of 2" in error_of(infer(http, image(jpeg(), b"no photo")))
    assert "pixels" in error_of(infer(http, image(stream.getvalue())), 413)
    assert "SVG" in error_of(infer(http, image(b"<svg xmlns='http://www.w3.org/2000/svg'/>")), 415)


def test_too_many_photos_and_bytes_are_refused(http: httpx.Client) -> None:
    assert "20 photos" in error_of(infer(http, image(*[b"x"] * 21)), 413)
    assert "bytes" in error_of(http.post(f"{MODEL}/infer", content=bytes(9 * 1024 * 1024)), 413)


def test_two_gigabytes_are_refused_as_they_are_announced(api: Api) -> None:
    with socket.create_connection(api.address, timeout=10) as connection:
        head = f"POST {MODEL}/infer HTTP/1.1\r\nHost: x\r\n{LENGTH}: 100\r\nContent-Length: {2**31}\r\n\r\n"
        connection.sendall(head.encode())
        response = b"".join(iter(lambda: connection.recv(65536), b""))
    assert response.startswith(b"HTTP/1.1 413")
    assert b'{"error":' in response


def test_pipelined_requests_are_answered_one_by_one(api: Api) -> None:
    head = json.dumps({"inputs": [{**BOMB, "parameters": {"binary_data_size": len(packed(jpeg()))}}]}).encode()
    body = head + packed(jpeg())
    lines = f"POST {MODEL}/infer HTTP/1.1\r\nHost: x\r\n{LENGTH}: {len(head)}\r\nContent-Length: {len(body)}\r\n\r\n"
    bad = f"POST {MODEL}/infer HTTP/1.1\r\nHost: x\r\n{LENGTH}: 9\r\nContent-Length: {len(body)}\r\n\r\n"
    sent = (lines.encode() + body + bad.encode() + body) * 50
    assert statuses_of(api, sent, expected=100) == [200, 400] * 50
