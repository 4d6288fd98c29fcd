"""A class whose name clients write in another Unicode form than the model."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator

import httpx
import pytest

from dandelion.settings import Settings
from tests.integration.conftest import running_api
from tests.packages import make_package
from tests.photos import jpeg

NFC = "Löwenzahn"
NFD = unicodedata.normalize("NFD", NFC)
CLASSES = [NFC, "Wiese"]


@pytest.fixture(scope="module")
def http(make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Of a server whose model was trained on a Mac."""
    package = make_package(tmp_path_factory.mktemp("model") / "package", classes=[NFD, "Wiese"])
    with (
        running_api(make_settings(model={"path": package})) as running,
        httpx.Client(base_url=running.url, timeout=30) as client,
    ):
        yield client


def test_predictions_and_the_model_name_it_in_one_form(http: httpx.Client) -> None:
    assert http.get("/model").json()["classes"] == CLASSES
    found = http.post("/predict", files={"file": jpeg()}).json()
    assert sorted(found["probabilities"]) == CLASSES


@pytest.mark.parametrize("form", [NFC, NFD])
def test_labels_explanations_and_history_take_both_forms(http: httpx.Client, form: str) -> None:
    given = http.post("/predict", files={"file": jpeg()}).json()
    identity, correct = given["prediction_id"], given["label"] == NFC
    labelled = http.post("/feedback", json={"prediction_id": identity, "label": form})
    assert labelled.status_code == 200, labelled.text
    assert labelled.json() == {"prediction_id": identity, "label": NFC, "correct": correct}
    assert http.get(f"/predictions/{identity}").json()["true_label"] == NFC
    lines = f"prediction_id,label\n{identity},{form}\n"
    many = http.post("/feedback/bulk", content=lines.encode(), headers={"Content-Type": "text/csv"}).json()
    assert (many["right"], many["wrong"], many["refused"]) == (int(correct), int(not correct), 0)
    assert http.post("/explain", params={"label": form}, files={"file": jpeg()}).status_code == 200
    assert http.get("/predictions", params={"label": unicodedata.normalize("NFD", "ö" * 60)}).status_code == 200
    listed = http.get("/predictions", params={"label": form}).json()["predictions"]
    assert {each["label"] for each in listed} == ({NFC} if correct else set())
