"""Who asked for a retraining is written down, also where Prefect's answer was lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import msgspec
import pytest

from dandelion.cli.audit import actor
from dandelion.db.tables import audit_log
from dandelion.settings import Settings
from tests.integration.conftest import running_api
from tests.integration.test_photos import rows
from tests.servers.ports import free_ports
from tests.servers.scripted import Handler, listening

ALERT = {"status": "firing", "labels": {"alertname": "ModelDrift", "action": "retrain"}}


@contextmanager
def prefect(status: int, made: bytes) -> Iterator[str]:
    """One that knows the deployment, and what it says when it should begin a run."""

    class Prefect(Handler):
        def do_GET(self) -> None:
            self.answer(200, msgspec.json.encode({"id": "d1"}))

        def do_POST(self) -> None:
            self.read_body()
            if "create_flow_run" in self.path:
                self.answer(status, made)
            else:
                self.answer(200, b"[]")

    with listening(Prefect) as url:
        yield url


def test_a_wish_on_the_terminal_is_in_the_audit_log(make_settings: Callable[..., Settings]) -> None:
    with prefect(201, msgspec.json.encode({"id": "r1", "name": "brave-finch"})) as url:
        settings = make_settings(prefect={"url": url})
        env = {"DANDELION_HOME": str(settings.home), "DANDELION_PREFECT__URL": url}
        argv = [sys.executable, "-m", "dandelion", "retrain", "--no-wait", "--reason", "new camera"]
        done = subprocess.run(argv, env={**os.environ, **env}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    written = rows(settings, audit_log.c.actor, audit_log.c.action, audit_log.c.subject, audit_log.c.detail)
    detail = {"force": False, "reason": "new camera", "is_new": True}
    assert written == [(actor(), "ask_retraining", "r1", detail)]


@pytest.mark.parametrize(("status", "answer"), [(201, 202), (500, 503)])
def test_a_database_that_is_down_keeps_nobody_from_asking(
    status: int, answer: int, make_settings: Callable[..., Settings], capfd: pytest.CaptureFixture[str]
) -> None:
    (nowhere,) = free_ports(1)
    with prefect(status, msgspec.json.encode({"id": "r1", "name": "brave-finch"})) as url:
        settings = make_settings(prefect={"url": url}, database={"url": f"mysql://nobody@127.0.0.1:{nowhere}/none"})
        with running_api(settings) as api:
            asked = httpx.post(f"{api.url}/admin/retrainings", json={"reason": "new camera"}, timeout=30)
    assert asked.status_code == answer, asked.text
    (line,) = (json.loads(each) for each in "".join(capfd.readouterr()).splitlines() if "not_in_audit_log" in each)
    assert (line["action"], line["detail"]["reason"]) == ("ask_retraining", "new camera")


def test_a_wish_whose_answer_was_lost_is_in_the_audit_log(make_settings: Callable[..., Settings]) -> None:
    with prefect(500, b"out of memory") as url:
        settings = make_settings(prefect={"url": url})
        with running_api(settings) as api, httpx.Client(base_url=api.url, timeout=30) as client:
            asked = client.post("/admin/retrainings", json={"force": True, "reason": "new camera"})
            told = client.post("/hooks/alertmanager", json={"alerts": [ALERT]})
    assert (asked.status_code, told.status_code) == (503, 503)
    written = sorted(rows(settings, audit_log.c.action, audit_log.c.subject, audit_log.c.detail), key=str)
    failed = {"failed": written[0][2]["failed"]}
    assert "returned 500" in failed["failed"]
    assert written == [
        ("ask_retraining", "retrain", {"alerts": ["ModelDrift"], **failed}),
        ("ask_retraining", "retrain", {"force": True, "reason": "new camera", **failed}),
    ]
