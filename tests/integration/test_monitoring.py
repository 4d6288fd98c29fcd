"""Drift over the API, by command and as a page; labels that nobody can make up."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from dandelion.client import Client
from dandelion.db import audit, create_engine, transact
from dandelion.monitoring import run_monitoring
from dandelion.package.starter import starter_path
from dandelion.settings import Settings
from dandelion.telemetry import instruments
from tests.integration.conftest import running_api
from tests.photos import labelled_photos
from tests.pictures import encode, unrelated
from tests.servers.mysql import MySqlServer
from tests.waiting import wait_until

JPEG = {"Content-Type": "image/jpeg"}
WINDOW = 50


@pytest.fixture(scope="module")
def seen(make_settings: Callable[..., Settings], mysql: MySqlServer) -> tuple[Settings, Path]:
    """Settings of a server, stopped by now, that answered 60 pictures of other things; and a folder."""
    mysql.create("watch_api")
    settings = make_settings(
        database={"url": mysql.url("watch_api")},
        monitoring={"drift_window_photos": WINDOW, "photos_per_second": 1000, "save_seconds": 1},
        journal={"photos": "all"},
    )
    with running_api(settings) as api, Client(api.url) as client:
        assert client.drift().features == []
        for picture in unrelated(60, 5):
            given = client.predict(encode(picture))
            client.feedback(given.prediction_id, given.label)
        drift = client.drift()
        assert drift.photos == WINDOW
        assert "red_green" in [each.feature for each in drift.features if each.score >= 1]
        assert drift.merged == []
    return settings, settings.home


def test_monitoring_over_all_processes_finds_what_one_saw(seen: tuple[Settings, Path]) -> None:
    settings, _ = seen
    found = asyncio.run(run_monitoring(settings))
    assert found.drift[0].photos == 60
    assert "red_green" in found.drifted
    assert found.accuracy[0].accuracy == 1
    with running_api(settings) as api, Client(api.url) as client:
        (merged,) = client.drift().merged
        assert merged.features == found.drift[0].features


def test_the_commands_tell_the_same_and_draw_a_page(seen: tuple[Settings, Path]) -> None:
    settings, folder = seen
    assert settings.database.url is not None
    env = {
        **os.environ,
        "DANDELION_HOME": str(settings.home),
        "DANDELION_DATABASE__URL": settings.database.url.get_secret_value(),
        "DANDELION_MONITORING__DRIFT_WINDOW_PHOTOS": str(WINDOW),
    }

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "dandelion", "monitoring", *words]
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)

    ran = command("run")
    assert ran.returncode == 1, ran.stderr
    assert "red_green" in ran.stdout
    page = folder / "report.html"
    drawn = command("report", "--output", str(page), "--since", "1h")
    assert drawn.returncode == 0, drawn.stderr
    text = page.read_text()
    assert "Drifted:" in text
    assert text.count("data:image/jpeg;base64,") >= 8
    assert text.count("<svg") == 3
    assert "http://" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    refused = command("report", "--output", "/nowhere/report.html")
    assert refused.returncode == 2
    assert "/nowhere/report.html" in refused.stderr


def test_runs_that_ended_are_told_by_every_process(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(monitoring={"refresh_seconds": 0.2})
    detail = {"outcome": "failed", "reason": "no photos", "seconds": 3}

    async def record() -> None:
        engine = create_engine(settings)
        await transact(
            engine,
            lambda on: audit.record(on, actor="flows", action="retrain", subject="run", detail=detail),
            patience_seconds=5,
        )
        await engine.dispose()

    with running_api(settings) as api, httpx.Client(base_url=api.url, timeout=30) as http:
        http.get("/drift").raise_for_status()
        asyncio.run(record())
        wanted = 'retraining_runs_total{decision="",outcome="failed"} 1.0'
        wait_until(lambda: wanted in http.get("/metrics").text, wanted, every=0.1)
        text = http.get("/metrics").text
        assert 'retraining_runs_total{decision="",outcome="succeeded"} 0.0' in text
        assert not any(line.startswith("retraining_last_success_timestamp_seconds ") for line in text.splitlines())


def test_nobody_can_make_up_labels(http: httpx.Client) -> None:
    http.get("/no/such/path")
    before = len(http.get("/metrics").text.splitlines())
    for number in range(200):
        http.get(f"/no/such/path/{number}")
        http.request(f"VERB{number}", "/predict")
        http.post("/predict", content=b"x", headers={"Content-Type": f"image/{number}"})
        http.get(f"/predictions/{number:032x}")
        http.post("/feedback", json={"prediction_id": f"{number:032x}", "label": f"label{number}"})
        http.get("/predictions", params={"version": f"v{number}", "label": f"l{number}"})
    after = http.get("/metrics").text
    assert len(after.splitlines()) < before + 40
    assert not any(word in after for word in ("VERB", "such", "label1", "v17"))


def test_monitoring_can_be_turned_off(make_settings: Callable[..., Settings]) -> None:
    with running_api(make_settings(monitoring={"drift": False})) as api, Client(api.url) as client:
        watched = instruments.MONITORED._value.get()
        for _, photo in labelled_photos(3):
            client.predict(photo)
        assert client.drift().features == []
        assert instruments.MONITORED._value.get() == watched


def test_the_starter_says_what_it_is_measured_against() -> None:
    assert (starter_path() / "reference.npz").stat().st_size < 1_000_000
