"""Labels in bulk, what they make of the model's accuracy, and the history as a file."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select
from uuid_utils import uuid7

from dandelion.client import Client
from dandelion.db import create_engine, feedback, migrate, predictions, transact
from dandelion.db.tables import audit_log
from dandelion.domain import Feedback
from dandelion.errors import FeedbackError, FeedbackFileError
from dandelion.feedback.labels import read_labels, store_labels
from dandelion.monitoring import export_accuracy, measure_accuracy
from dandelion.settings import Settings
from dandelion.telemetry.instruments import expose
from tests.integration.conftest import Api, running_api
from tests.integration.test_database import START, entry
from tests.photos import jpeg
from tests.waiting import wait_until

CSV = {"Content-Type": "text/csv"}


def predict(api: Api, count: int) -> list[tuple[str, str]]:
    """Ids and labels of that many answers."""
    with Client(api.url) as client:
        found = [client.predict(jpeg()) for _ in range(count)]
    return [(each.prediction_id, each.label) for each in found]


def dandelion(settings: Settings, *words: str, url: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DANDELION_HOME": str(settings.home)}
    if url:
        environment["DANDELION_DATABASE__URL"] = url
    argv = [sys.executable, "-m", "dandelion", *words]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)


async def test_a_file_of_labels_keeps_its_good_lines_on_every_database(database_url: str) -> None:
    engine = create_engine(Settings.model_validate({"database": {"url": database_url}}))
    await migrate.upgrade(engine)
    try:
        made = [entry(number) for number in range(1200)]
        await transact(engine, lambda on: predictions.add(on, made), patience_seconds=5)
        ids = [each.prediction.prediction_id for each in made]
        lines = [f"{identity},{'grass' if n % 4 else 'dandelion'}" for n, identity in enumerate(ids)]
        lines += ["nonsense,grass", f"{ids[0]},oak", f"{ids[0]},grass", "00000000-0000-7000-8000-000000000000,grass"]
        text = "prediction_id,label\n" + "\n".join(lines)
        done = await store_labels(engine, read_labels(text.encode(), "csv"), actor="test", ship_seconds=0.5)
        assert (done.right, done.wrong, done.refused) == (901, 300, 3)
        assert [each.line for each in done.refused_lines] == [1202, 1203, 1205]
        first = await transact(engine, lambda on: predictions.find(on, ids[0]), patience_seconds=5)
        assert first is not None
        assert (first.true_label, first.verdict) == ("grass", "right")  # the last word
        heard = await transact(
            engine,
            lambda on: on.scalars(select(audit_log.c.detail).where(audit_log.c.subject == ids[0])),
            patience_seconds=5,
        )
        assert sorted(each["label"] for each in heard) == ["dandelion", "grass"]  # both kept
        (figure,) = await measure_accuracy(engine, ["1h"])
        assert (figure.labelled, figure.right) == (1200, 901)
    finally:
        await migrate.downgrade(engine, "base")
        await engine.dispose()


async def test_a_label_from_the_future_is_refused(tmp_path: Path) -> None:
    engine = create_engine(Settings(home=tmp_path))
    await migrate.upgrade(engine)
    made = entry(1)
    await transact(engine, lambda on: predictions.add(on, [made]), patience_seconds=5)
    told = Feedback(
        prediction_id=made.prediction.prediction_id, label="grass", at=datetime.now(UTC) + timedelta(hours=1)
    )
    with pytest.raises(FeedbackError, match="future"):
        await transact(engine, lambda on: feedback.give(on, told, actor="test"), patience_seconds=0)
    await engine.dispose()


def test_over_http_a_label_from_the_future_is_refused_and_spoils_no_other(api: Api, http: httpx.Client) -> None:
    (first, label), (second, _) = predict(api, 2)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    said = f"{tomorrow:%Y-%m-%d %H:%M:%S} UTC is in the future"
    told = {"prediction_id": first, "label": label, "at": tomorrow.isoformat()}
    refused = http.post("/feedback", json=told)
    assert (refused.status_code, refused.json()["reason"]) == (422, "feedback")
    assert said in refused.json()["detail"]
    lines = ["prediction_id,label,at", f"{first},{label},{tomorrow.isoformat()}", f"{second},{label},"]
    done = http.post("/feedback/bulk", content="\n".join(lines), headers=CSV).raise_for_status().json()
    assert (done["right"], done["refused"]) == (1, 1)
    assert [(each["line"], said in each["reason"]) for each in done["refused_lines"]] == [(2, True)]
    assert http.get(f"/predictions/{first}").json()["verdict"] is None
    assert http.get(f"/predictions/{second}").json()["verdict"] == "right"


def test_over_http_a_time_that_utc_does_not_have_is_refused_and_spoils_no_other(api: Api, http: httpx.Client) -> None:
    (first, label), (second, _) = predict(api, 2)
    told = {"prediction_id": first, "label": label, "at": "0001-01-01T00:00:00+14:00"}
    refused = http.post("/feedback", json=told)
    assert (refused.status_code, refused.json()["reason"]) == (422, "feedback")
    lines = ["prediction_id,label,at", f"{first},{label},{told['at']}", f"{second},{label},"]
    done = http.post("/feedback/bulk", content="\n".join(lines), headers=CSV).raise_for_status().json()
    assert (done["right"], [each["line"] for each in done["refused_lines"]]) == (1, [2])


def test_a_time_from_the_future_is_told_in_utc(api: Api, http: httpx.Client) -> None:
    ((first, label),) = predict(api, 1)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    elsewhere = tomorrow.astimezone(timezone(timedelta(hours=-5)))
    refused = http.post("/feedback", json={"prediction_id": first, "label": label, "at": elsewhere.isoformat()})
    assert f"{tomorrow:%Y-%m-%d %H:%M:%S} UTC is in the future" in refused.json()["detail"]


async def test_accuracy_is_of_the_version_that_serves_and_goes_with_the_database(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    engine = create_engine(settings)
    await migrate.upgrade(engine)
    made = [entry(number, version="1" if number < 10 else "2") for number in range(14)]
    await transact(engine, lambda on: predictions.add(on, made), patience_seconds=5)
    told = [
        Feedback(prediction_id=each.prediction.prediction_id, label="grass" if number % 2 else "dandelion", at=at)
        for number, each in enumerate(made)
        for at in [None if number != 13 else START]
    ]
    await transact(engine, lambda on: feedback.give_all(on, told, actor="test"), patience_seconds=5)
    await export_accuracy(engine, ["1h"], lambda: "2")
    assert 'model_accuracy{window="1h"} 0.3333' in expose()[0].decode()  # of 10, 11, 12; 13 was told long ago
    assert 'model_accuracy_samples{window="1h"} 3.0' in expose()[0].decode()
    await engine.dispose()
    down = create_engine(Settings.model_validate({"home": tmp_path, "database": {"url": "mysql://x@127.0.0.1:9/x"}}))
    await export_accuracy(down, ["1h"], lambda: "2")
    assert 'window="1h"' not in expose()[0].decode()
    await down.dispose()


def test_labels_over_http_count_at_once(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    settings = make_settings(monitoring={"refresh_seconds": 0.2})
    with running_api(settings) as api:
        answers = predict(api, 4)
        body = "prediction_id,label\n" + "\n".join(f"{identity},{label}" for identity, label in answers[:3])
        done = httpx.post(f"{api.url}/feedback/bulk", content=body, headers=CSV).raise_for_status().json()
        assert done == {"right": 3, "wrong": 0, "refused": 0, "refused_lines": []}
        with Client(api.url) as client:
            wrong = json.dumps(
                {"prediction_id": answers[3][0], "label": "grass" if answers[3][1] != "grass" else "dandelion"}
            )
            assert client.feedback_file(wrong.encode(), "jsonl").wrong == 1
            figure = client.accuracy()[0]
            assert (figure["labelled"], figure["right"], figure["window"]) == (4, 3, "1h")
            assert figure["low"] < 0.75 < figure["high"]
            with pytest.raises(FeedbackFileError):
                client.feedback_file(b"nothing,here\n", "csv")
        figure_of_a_day = 'model_accuracy{window="24h"} 0.75'
        wait_until(lambda: figure_of_a_day in httpx.get(f"{api.url}/metrics").text, figure_of_a_day)
        file = tmp_path / "labels.csv"
        file.write_text(f"{body}\nnonsense,grass\n")
        told = dandelion(settings, "feedback", str(file), "--url", api.url, "--json")
        assert (told.returncode, json.loads(told.stdout)["refused"]) == (1, 1)
    local = dandelion(settings, "feedback", str(file))
    assert local.returncode == 1
    assert "line 5" in local.stdout


def test_a_label_told_to_one_replica_about_an_answer_of_another_counts(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """A Service sends each request where it likes, and a person's click comes sooner than the other ships."""
    both: dict[str, Any] = {"database": {"url": f"sqlite:///{tmp_path}/both.db"}, "journal": {"ship_seconds": 3.0}}
    with running_api(make_settings(**both)) as answers, running_api(make_settings(**both)) as listens:
        for _ in range(3):
            ((identity, label),) = predict(answers, 1)
            assert httpx.get(f"{listens.url}/predictions/{identity}").raise_for_status().json()["label"] == label
            ((identity, label),) = predict(answers, 1)
            told = {"prediction_id": identity, "label": label}
            assert httpx.post(f"{listens.url}/feedback", json=told).raise_for_status().json()["correct"]
        ((identity, label),) = predict(answers, 1)
        body = f"prediction_id,label\n{identity},{label}\n{uuid7()},{label}"
        done = httpx.post(f"{listens.url}/feedback/bulk", content=body, headers=CSV).raise_for_status().json()
        assert (done["right"], done["refused"]) == (1, 1)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "text/csv", 422),
        (b"\xff\xfe", "text/csv", 422),
        (b"a,b\n1,2", "text/csv", 422),
        (b"{}", "application/json", 415),
        (b"x" * (8 * 1024 * 1024 + 1), "text/csv", 413),
    ],
)
def test_a_body_that_is_no_file_of_labels_is_refused(
    http: httpx.Client, content: bytes, kind: str, status: int
) -> None:
    answer = http.post("/feedback/bulk", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text


def test_of_many_bad_lines_all_are_counted_and_the_first_are_named(http: httpx.Client) -> None:
    lines = "prediction_id,label\n" + "x,grass\n" * 200_000
    done = http.post("/feedback/bulk", content=lines, headers=CSV).raise_for_status().json()
    assert (done["refused"], len(done["refused_lines"])) == (200_000, 100)


async def test_others_are_answered_while_lines_that_say_nothing_are_read(tmp_path: Path) -> None:
    engine, turns = create_engine(Settings(home=tmp_path)), 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(take_turns())
    true_labels = read_labels(b"prediction_id,label\n" + b",\n" * 200_000, "csv")
    done = await store_labels(engine, true_labels, actor="test", ship_seconds=0.5)
    others.cancel()
    assert (done.refused, turns > 10) == (0, True)
    await engine.dispose()


def test_the_history_becomes_a_parquet_file(
    database_url: str, tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(database={"url": database_url})
    made = [entry(number, label="grass" if number % 3 else "dandelion") for number in range(6000)]

    async def fill() -> None:
        engine = create_engine(settings)
        await migrate.upgrade(engine)
        await transact(engine, lambda on: predictions.add(on, made), patience_seconds=30)
        told = Feedback(prediction_id=made[0].prediction.prediction_id, label="grass")
        await transact(engine, lambda on: feedback.give(on, told, actor="test"), patience_seconds=5)
        await engine.dispose()

    async def empty() -> None:
        engine = create_engine(settings)
        await migrate.downgrade(engine, "base")
        await engine.dispose()

    asyncio.run(fill())
    try:
        file = tmp_path / "all.parquet"
        done = dandelion(settings, "predictions", "export", str(file), "--json", url=database_url)
        assert json.loads(done.stdout)["rows"] == 6000, done.stderr
        table = pq.read_table(file)
        assert table["prediction_id"].to_pylist() == [each.prediction.prediction_id for each in made]
        assert table["created_at"][0].as_py() == START
        assert dict(table["probabilities"][0].as_py()) == made[0].prediction.probabilities
        assert (table["true_label"][0].as_py(), table["verdict"][0].as_py()) == ("grass", "wrong")
        some = tmp_path / "some.parquet"
        dandelion(
            settings,
            "predictions",
            "export",
            str(some),
            "--label",
            "dandelion",
            "--verdict",
            "unknown",
            url=database_url,
        )
        assert pq.read_table(some).num_rows == 1999
        none = tmp_path / "none.parquet"
        dandelion(settings, "predictions", "export", str(none), "--since", "1h", url=database_url)
        assert pq.read_table(none).num_rows == 0
        nowhere = dandelion(settings, "predictions", "export", "/nowhere/x.parquet", url=database_url)
        assert (nowhere.returncode, "/nowhere" in nowhere.stderr) == (2, True)
        assert sorted(path.name for path in tmp_path.glob("*parquet*")) == [
            "all.parquet",
            "none.parquet",
            "some.parquet",
        ]
    finally:
        asyncio.run(empty())
