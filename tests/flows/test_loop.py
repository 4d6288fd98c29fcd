"""The whole loop: a weak model serves, labels come in, its accuracy falls too low, and a better one takes over."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from dandelion.client import Client
from dandelion.domain import FlowRun, Retraining
from dandelion.objects import PROCESSED
from dandelion.orchestration.prefect_api import ENDED, PrefectApi
from dandelion.retraining.lake import upload
from tests.flows.conftest import Stage, Told
from tests.servers.prefect import FlowsProcess, PrefectServer
from tests.waiting import until, wait_until

JPEG = {"Content-Type": "image/jpeg"}
LABELS = 200


@pytest.fixture(scope="module")
def stage(make_stage: Callable[..., Stage], prefect: PrefectServer) -> Stage:
    """A weak champion, the third that it knows in the lake."""
    stage = make_stage("wholeloop", DANDELION_PREFECT__URL=prefect.url)
    upload(stage.store, stage.settings.home / "third", progress=lambda *_: None)
    return stage


@pytest.fixture(scope="module")
def flows(stage: Stage, prefect: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowsProcess]:
    process = FlowsProcess(prefect, tmp_path_factory.mktemp("flows") / "flows.log", stage.env)
    process.start()
    yield process
    process.end()


class Traffic:
    """Some photos a second; remembers what was not answered."""

    def __init__(self, url: str, photo: bytes) -> None:
        self.answered: list[str] = []
        self.failures: list[str] = []
        self._url, self._photo = url, photo
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as http:
            while not self._stop.wait(0.2):
                answer = http.post("/predict", content=self._photo, headers=JPEG)
                if answer.status_code == 200:
                    self.answered.append(answer.json()["model"]["version"])
                else:
                    self.failures.append(answer.text)


def give_labels(stage: Stage, folder: Path) -> int:
    """Send photos that the champion has not seen, tell their classes; how many answers were wrong."""
    seen = {path.name for path in (stage.settings.home / "third").glob("*/*")}
    fresh = [path for path in sorted(folder.glob("*/*.jpg")) if path.name not in seen]
    chosen = fresh[:: max(1, len(fresh) // LABELS)]
    wrong = 0
    with Client(stage.api.url, timeout_seconds=60) as client:
        for path in chosen:
            answer = client.predict(path.read_bytes())
            wrong += not client.feedback(answer.prediction_id, path.parent.name)
        wait_until(
            lambda: all(each.photo_key for each in client.predictions(limit=len(chosen)).predictions),
            "all photos are stored",
            seconds=120,
            every=0.5,
        )
    print(f"\n{len(chosen)} labels given, {wrong} answers were wrong")
    return wrong


def test_a_weak_model_is_noticed_retrained_judged_and_replaced(stage: Stage, flows: FlowsProcess, told: Told) -> None:
    before = stage.champion()
    assert give_labels(stage, stage.photos) > 0
    photo = next(stage.photos.glob("*/*.jpg")).read_bytes()
    with Traffic(stage.api.url, photo) as traffic:
        argv = [sys.executable, "-m", "dandelion", "retrain", "--json", "--reason", "the loop"]
        env = {"PATH": "/usr/bin:/bin", **stage.env}
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=900, check=False)
        answered = len(traffic.answered)
        # One may have been under way; the one after it was sent after the release.
        wait_until(lambda: len(traffic.answered) >= answered + 2, "a photo is answered after the release")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    print(done.stderr)
    assert run["decision"] == "promoted", run
    assert run["reason"] == "the loop"
    assert [step["state"] for step in run["steps"]] == ["completed"] * 7
    assert "lies below 90%" in run["steps"][0]["message"]  # nobody forced it: the figures did
    after = stage.champion()
    assert after != before
    assert stage.version() == after
    assert traffic.failures == []
    assert {before, after} == set(traffic.answered)
    tags = stage.registry.get_version(after).tags
    assert tags["dandelion.gate"] == "promote"
    assert tags["dandelion.gate_against"] == before
    assert tags["dandelion.release"] == "serving"
    page = stage.registry.client.download_artifacts(stage.registry.get_version(after).run_id or "", "gate/report.html")
    assert "Photos whose prediction changed" in Path(page).read_text(encoding="utf-8")
    assert any(f"version {after} is in service" in message["title"] for message in told.messages)


def test_the_api_tells_of_retrainings(stage: Stage, flows: FlowsProcess) -> None:
    with Client(stage.api.url) as client:
        (run,) = (each for each in client.list_retrainings(limit=20) if each.reason == "the loop")
        assert client.get_retraining(run.run_id) == run
    assert run.decision == "promoted"
    assert [step.name for step in run.steps] == [
        *("check_performance", "check_data", "prepare_data", "train_model"),
        *("validate_model", "deploy_model", "notify"),
    ]
    assert run.steps[3].percent == 100


def test_the_next_one_waits_for_the_cooldown(stage: Stage, flows: FlowsProcess) -> None:
    with Client(stage.api.url) as client:
        run = wait_for_end(client, client.retrain(reason="again").run_id)
    assert run.decision == "skipped"
    assert "the next may begin at" in run.message


def test_two_alerts_at_once_start_one_run_and_told_again_none(stage: Stage, flows: FlowsProcess) -> None:
    alert = {
        "status": "firing",
        "labels": {"alertname": "ModelAccuracyDrop", "action": "retrain"},
        "startsAt": "2026-11-25T00:00:00Z",
        "fingerprint": "f1",
    }
    other = {**alert, "labels": {"alertname": "APIHighLatency"}, "fingerprint": "f2"}
    body = {"version": "4", "status": "firing", "alerts": [alert, other]}
    answers: list[httpx.Response] = []

    def send() -> None:
        answers.append(httpx.post(f"{stage.api.url}/hooks/alertmanager", json=body, timeout=60))

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [answer.raise_for_status().json() for answer in answers]
    assert {each["retraining"]["run_id"] for each in found} == {found[0]["retraining"]["run_id"]}
    assert all(each["alerts"] == ["ModelAccuracyDrop"] for each in found)
    with Client(stage.api.url) as client:
        run = wait_for_end(client, found[0]["retraining"]["run_id"])
        assert run.reason == "alert ModelAccuracyDrop"
        send()
        again = answers[-1].raise_for_status().json()["retraining"]
        assert again["run_id"] == run.run_id
        assert not again["is_new"]
    quiet = httpx.post(f"{stage.api.url}/hooks/alertmanager", json={**body, "alerts": [other]}, timeout=60)
    assert quiet.json() == {"alerts": [], "retraining": None}


def test_hourly_monitoring_tells_of_the_labels_and_publishes_its_page(stage: Stage, flows: FlowsProcess) -> None:
    async def monitor() -> FlowRun:
        async with PrefectApi(stage.settings) as prefect:
            run = await prefect.start("monitoring", {"days": 1})

            async def ended() -> bool:
                nonlocal run
                run = await prefect.get_run(run.run_id)
                return run.state in ENDED

            await until(ended, lambda: run, seconds=300, every=0.5)
            return run

    run = asyncio.run(monitor())
    assert run.state == "completed", run
    assert "labels in 1h" in run.message
    page = stage.store.get(PROCESSED, "monitoring/report.html").decode()
    assert page.startswith("<!doctype html>")
    assert "<svg" in page


def wait_for_end(client: Client, run_id: str) -> Retraining:
    wait_until(
        lambda: client.get_retraining(run_id).decision is not None,
        lambda: client.get_retraining(run_id),
        seconds=600,
        every=0.5,
    )
    return client.get_retraining(run_id)
