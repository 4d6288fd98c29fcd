"""The routes, over a real connection."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from tests.photos import REAL, jpeg, labelled_photos

JPEG = {"Content-Type": "image/jpeg"}


def samples(http: httpx.Client) -> dict[str, list[float]]:
    """Every sample's value, of all its labels."""
    found: dict[str, list[float]] = {}
    for family in text_string_to_metric_families(http.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.value)
    return found


def figures(http: httpx.Client) -> dict[str, float]:
    """Every sample's value, summed over labels."""
    return {name: sum(values) for name, values in samples(http).items()}


def test_a_multipart_photo_gets_one_answer(http: httpx.Client) -> None:
    answer = http.post("/predict", files={"file": ("a.jpg", jpeg(), "image/jpeg")})
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {
        "prediction_id",
        "label",
        "confidence",
        "probabilities",
        "in_distribution",
        "model",
        "duration_ms",
    }
    assert body["label"] in body["probabilities"]
    assert body["confidence"] == max(body["probabilities"].values())
    assert sum(body["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_a_raw_body_and_a_form_get_the_same_answer(http: httpx.Client) -> None:
    raw = http.post("/predict", content=jpeg(), headers=JPEG).json()
    form = http.post("/predict", files={"file": jpeg()}).json()
    assert raw["probabilities"] == pytest.approx(form["probabilities"], abs=1e-3)


@pytest.mark.skipif(not REAL.is_dir(), reason="drawn photos show neither plant")
def test_real_photos_are_told_apart(http: httpx.Client) -> None:
    right = [
        http.post("/predict", content=data, headers=JPEG).json()["label"] == label for label, data in labelled_photos()
    ]
    assert sum(right) >= 0.9 * len(right)


def test_several_photos_are_answered_in_order_and_a_bad_one_fails_alone(http: httpx.Client) -> None:
    photos = [data for _, data in labelled_photos()[:3]]
    alone = [http.post("/predict", content=data, headers=JPEG).json()["label"] for data in photos]
    sent = [photos[0], b"no photo", photos[1], photos[2]]
    answer = http.post("/predict", files=[("file", data) for data in sent])
    assert answer.status_code == 200
    entries = answer.json()["predictions"]
    assert [entry.get("label") for entry in entries] == [alone[0], None, alone[1], alone[2]]
    assert entries[1]["error"]["status"] == 400


def test_prediction_ids_are_distinct_and_sort_by_time(http: httpx.Client) -> None:
    ids = [http.post("/predict", content=jpeg(), headers=JPEG).json()["prediction_id"] for _ in range(5)]
    assert ids == sorted(set(ids))


def test_explain_answers_a_picture_in_the_photos_proportions(http: httpx.Client) -> None:
    answer = http.post("/explain", content=jpeg(300, 200), headers=JPEG)
    assert answer.headers["content-type"] == "image/png"
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.width / picture.height == pytest.approx(1.5, abs=0.02)


def test_explain_shows_the_class_that_is_asked_for(http: httpx.Client) -> None:
    classes = http.get("/model").json()["classes"]
    pictures = {
        label: http.post("/explain", params={"label": label}, content=jpeg(), headers=JPEG).content for label in classes
    }
    assert len(set(pictures.values())) == len(classes)


def test_explain_of_an_unknown_class_names_the_known_ones(http: httpx.Client) -> None:
    answer = http.post("/explain", params={"label": "cat"}, content=jpeg(), headers=JPEG)
    assert answer.status_code == 400
    assert "dandelion, grass" in answer.json()["detail"]


def test_model_says_what_serves(http: httpx.Client) -> None:
    body = http.get("/model").json()
    assert body["classes"] == ["dandelion", "grass"]
    assert body["input"]["height"] > 0
    assert 0 < body["metrics"]["accuracy"] <= 1
    assert "#" in body["card"]


def test_health_and_probes_answer(http: httpx.Client) -> None:
    assert http.get("/health").json()["status"] == "ok"
    assert http.get("/livez").text == "ok"
    assert http.get("/readyz").text == "ok"


def test_the_five_promised_figures_are_there_and_move(http: httpx.Client) -> None:
    http.post("/predict", content=jpeg(), headers=JPEG)
    before = figures(http)
    http.post("/predict", content=jpeg(), headers=JPEG)
    http.post("/predict", content=b"no photo", headers=JPEG)
    after = figures(http)
    assert after["predictions_total"] == before["predictions_total"] + 1
    assert after["prediction_duration_seconds_count"] == before["prediction_duration_seconds_count"] + 1
    assert after["prediction_errors_total"] == before.get("prediction_errors_total", 0) + 1
    assert after["model_info"] == 1
    windows = samples(http)["model_accuracy"]
    assert windows
    assert all(0 < each <= 1 for each in windows), windows


def test_the_documentation_page_and_its_schema_name_every_route(http: httpx.Client) -> None:
    assert http.get("/docs").status_code == 200
    assert {"/predict", "/explain", "/model", "/health", "/livez", "/readyz"} <= set(
        http.get("/openapi.json").json()["paths"]
    )


def test_the_documentation_page_needs_no_other_server(http: httpx.Client) -> None:
    page = http.get("/docs").text
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(addresses) == 4
    assert all(http.get(address).status_code == 200 for address in addresses), addresses


def test_a_sane_request_id_comes_back_and_another_is_replaced(http: httpx.Client) -> None:
    assert http.get("/livez", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert http.get("/livez", headers={"X-Request-ID": "<script>"}).headers["x-request-id"] != "<script>"


def test_long_answers_are_compressed_and_short_ones_are_not(http: httpx.Client) -> None:
    assert http.get("/metrics", headers={"Accept-Encoding": "gzip"}).headers.get("content-encoding") == "gzip"
    assert "content-encoding" not in http.post("/predict", content=jpeg(), headers=JPEG).headers


def test_photos_sent_at_once_are_run_together(http: httpx.Client) -> None:
    before = figures(http)
    with ThreadPoolExecutor(24) as pool:
        statuses = list(pool.map(lambda _: http.post("/predict", content=jpeg(), headers=JPEG).status_code, range(96)))
    after = figures(http)
    assert statuses == [200] * 96
    assert after["prediction_batch_photos_count"] - before["prediction_batch_photos_count"] < 96


def test_what_other_routes_refuse_is_no_prediction_that_failed(http: httpx.Client) -> None:
    before = figures(http).get("prediction_errors_total", 0)
    assert http.post("/explain", content=b"no photo", headers=JPEG).status_code == 400
    assert http.get("/predictions/00000000-0000-7000-8000-000000000000").status_code == 404
    assert http.get("/nowhere").status_code == 404
    assert figures(http).get("prediction_errors_total", 0) == before
    assert http.post("/predict/", content=b"no photo", headers=JPEG).status_code == 400
    assert figures(http)["prediction_errors_total"] == before + 1
