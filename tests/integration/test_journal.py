"""History and feedback over HTTP, and what the journal bears: servers that die, a bound that is full, torn records."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils import uuid7

from dandelion.db import create_engine, predictions, transact
from dandelion.domain import StoredPrediction
from dandelion.errors import DatabaseError
from dandelion.settings import Settings
from dandelion.telemetry import instruments
from tests.integration.conftest import Api, running_api
from tests.photos import jpeg
from tests.predictions import make_entry
from tests.waiting import wait_until

JPEG = {"Content-Type": "image/jpeg"}


def stored(settings: Settings, wanted: set[str]) -> list[str]:
    """Ids in the table, once all that are wanted are there."""

    async def look() -> list[str]:
        engine = create_engine(settings)
        try:
            return [each.prediction_id for each in await transact(engine, _all, patience_seconds=30)]
        finally:
            await engine.dispose()

    found: list[str] = []

    def are_there() -> bool:
        found[:] = asyncio.run(look())
        return wanted <= set(found)

    # The database may be without tables yet.
    wait_until(are_there, lambda: f"{wanted} of {found}", seconds=40, every=0.3, not_yet=(DatabaseError,))
    return found


async def _all(connection: AsyncConnection) -> list[StoredPrediction]:
    found: list[StoredPrediction] = []
    before = None
    while page := await predictions.page(connection, predictions.Filter(), before=before, limit=500):
        found += page
        before = page[-1].prediction_id
    return found


def test_a_prediction_is_in_the_history_and_takes_its_label(api: Api, http: httpx.Client) -> None:
    answer = http.post("/predict", content=jpeg(), headers=JPEG).json()
    path = f"/predictions/{answer['prediction_id']}"
    kept = http.get(path).json()
    assert {name: kept[name] for name in ("label", "confidence", "probabilities")} == {
        name: answer[name] for name in ("label", "confidence", "probabilities")
    }
    told = {"prediction_id": answer["prediction_id"], "label": answer["label"]}
    assert http.post("/feedback", json=told).json() == {**told, "correct": True}
    assert http.get(path).json()["verdict"] == "right"
    newest = http.get("/predictions", params={"limit": 1, "verdict": "right"}).json()
    assert newest["predictions"][0]["prediction_id"] == answer["prediction_id"] == newest["next"]


def test_pages_follow_each_other_by_cursor(api: Api, http: httpx.Client) -> None:
    ids = [http.post("/predict", content=jpeg(), headers=JPEG).json()["prediction_id"] for _ in range(5)]
    http.get(f"/predictions/{ids[-1]}").raise_for_status()
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        page = http.get("/predictions", params={"limit": 2, **cursor}).json()
        seen += [each["prediction_id"] for each in page["predictions"]]
        cursor = {"cursor": page["next"]}
    assert seen[:5] == ids[::-1]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"prediction_id": str(uuid.UUID(int=7)), "label": "grass"}, 404),
        ({"prediction_id": str(uuid.UUID(int=2**128 - 1)), "label": "grass"}, 404),
        ({"prediction_id": "7", "label": "grass"}, 400),
        ({"prediction_id": str(uuid.UUID(int=7)), "label": ""}, 400),
        ({"prediction_id": str(uuid.UUID(int=7)), "label": "x" * 101}, 400),
        ({"label": "grass"}, 400),
        ([], 400),
    ],
)
def test_feedback_that_cannot_be_meant_is_refused(http: httpx.Client, body: object, status: int) -> None:
    answer = http.post("/feedback", json=body)
    assert answer.status_code == status
    assert answer.json()["status"] == status


def test_feedback_of_a_class_that_the_model_has_not_names_those_it_has(http: httpx.Client) -> None:
    identity = http.post("/predict", content=jpeg(), headers=JPEG).json()["prediction_id"]
    answer = http.post("/feedback", json={"prediction_id": identity, "label": "oak"})
    assert answer.status_code == 422
    assert "dandelion, grass" in answer.json()["detail"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=10000000", "limit=0", "limit=x", "cursor=1", "since=yesterday", "min_confidence=2", "verdict=perhaps",
        "label=" + "x" * 200,
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_read_is_named(http: httpx.Client, query: str) -> None:
    answer = http.get(f"/predictions?{query}")
    assert answer.status_code == 400
    assert query.split("=", maxsplit=1)[0] in answer.json()["detail"]


def test_hostile_filters_find_nothing_and_break_nothing(http: httpx.Client) -> None:
    for hostile in ("' OR 1=1 --", "'; DROP TABLE predictions; --", "\\", "%", "\x00"):
        assert http.get("/predictions", params={"label": hostile}).json()["predictions"] == []
    assert http.get("/predictions").status_code == 200


def almost_full(make_settings: Callable[..., Settings], **journal: object) -> Settings:
    """The database is away, and the spool has room for two answers or three."""
    down = {"url": "mysql://root@127.0.0.1:9/mlops_db", "connect_timeout_seconds": 0.2}
    settings = make_settings(database=down, journal={"max_bytes": 1024 * 1024, **journal})
    settings.spool.mkdir(parents=True)
    (settings.spool / f"{uuid7()}.jsonl").write_bytes(b"x" * (1024 * 1024 - 1000) + b"\n")
    return settings


def test_a_full_spool_refuses_rather_than_loses(make_settings: Callable[..., Settings]) -> None:
    settings = almost_full(make_settings)
    with running_api(settings) as api, httpx.Client(base_url=api.url) as http:
        statuses = [http.post("/predict", content=jpeg(), headers=JPEG).status_code for _ in range(5)]
        refused = http.post("/predict", content=jpeg(), headers=JPEG)
        assert statuses[0] == 200
        assert statuses[-1] == refused.status_code == 503
        assert refused.json()["reason"] == "journal_full"
        assert refused.headers["Retry-After"] == "10"
        assert http.get("/predictions").json()["reason"] == "database"


def test_a_full_spool_that_may_drop_goes_on_to_answer_and_counts_what_it_lost(
    make_settings: Callable[..., Settings],
) -> None:
    settings = almost_full(make_settings, when_full="drop")
    before = instruments.JOURNAL_LOST.labels("full")._value.get()
    with running_api(settings) as api, httpx.Client(base_url=api.url) as http:
        statuses = [http.post("/predict", content=jpeg(), headers=JPEG).status_code for _ in range(6)]
        figures = http.get("/metrics").text
    kept = b"".join(path.read_bytes() for path in settings.spool.glob("*.jsonl")).count(b"prediction_id")
    assert statuses == [200] * 6
    assert 0 < kept < 6
    assert f'journal_lost_total{{reason="full"}} {before + 6 - kept}' in figures


def test_a_photo_whose_prediction_was_dropped_is_not_kept(make_settings: Callable[..., Settings]) -> None:
    settings = almost_full(make_settings, when_full="drop", photos="all")
    with running_api(settings) as api, httpx.Client(base_url=api.url) as http:
        answers = [http.post("/predict", content=jpeg(), headers=JPEG).json()["prediction_id"] for _ in range(6)]
        photos = {path.stem for path in settings.photo_spool.iterdir()}
    rows = b"".join(path.read_bytes() for path in settings.spool.glob("*.jsonl")).decode()
    assert 0 < len(photos) < 6
    assert photos == {each for each in answers if each in rows}


def test_a_torn_record_is_set_aside_and_the_rest_is_stored(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    with running_api(settings) as api:
        whole = httpx.post(f"{api.url}/predict", content=jpeg(), headers=JPEG).json()["prediction_id"]
    entry = make_entry()
    line = msgspec.json.encode(entry)
    (settings.spool / f"{uuid7()}.jsonl").write_bytes(line + b"\n" + line[: len(line) // 2])
    with running_api(settings):
        found = stored(settings, {whole, entry.prediction.prediction_id})
    assert sorted(found) == sorted([whole, entry.prediction.prediction_id])
    assert (settings.spool / "refused.jsonl.kept").read_bytes() == line[: len(line) // 2] + b"\n"
