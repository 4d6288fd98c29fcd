"""The Open Inference Protocol over a real connection: what there is. test_triton_client.py drives its clients."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dandelion.settings import Settings
from tests.integration.conftest import running_api
from tests.integration.protocol_client import (
    JPEG,
    LENGTH,
    MODEL,
    error_of,
    image,
    infer,
)
from tests.integration.test_api import figures
from tests.photos import jpeg


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
    before = figures(http).get("prediction_errors_total", 0)
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
        before = figures(http).get("prediction_errors_total", 0)
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
