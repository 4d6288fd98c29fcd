"""`dandelion up` on an empty machine."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.photos import REAL, labelled_photos
from tests.servers.ports import free_ports
from tests.servers.product import Running, processes_of
from tests.waiting import wait_until


@pytest.mark.quick  # what the README promises first
def test_up_answers_real_photos_then_stops_cleanly(launch: Callable[..., Running]) -> None:
    up = launch("up")
    up.wait_for("/readyz", seconds=60)
    photos = labelled_photos(per_class=5)
    labels = [httpx.post(f"{up.url}/predict", files={"file": data}, timeout=10).json()["label"] for _, data in photos]
    right = sum(label == true_label for label, (true_label, _) in zip(labels, photos, strict=True))
    assert right >= 8 or not REAL.is_dir()  # drawn photos show neither plant

    up.wait_for_output("Dandelion is up")
    up.wait_for_output("All parts answer")
    printed = up.output.read_text()
    assert f"{up.url}/docs" in printed
    prefect = f"http://127.0.0.1:{up.env['DANDELION_PREFECT__PORT']}"
    assert prefect in printed
    assert "Prefect" in httpx.get(prefect, follow_redirects=True).text
    (schedule,) = httpx.get(f"{prefect}/api/deployments/name/retrain/retrain").json()["schedules"]
    assert schedule["active"]
    waiting = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    wait_until(
        lambda: httpx.post(f"{prefect}/api/flow_runs/filter", json=waiting).json(),
        "Prefect has planned the next runs of the schedules",
        seconds=60,
    )
    assert f"http://127.0.0.1:{up.env['DANDELION_REGISTRY__PORT']}" in printed
    page = f"http://127.0.0.1:{up.env['DANDELION_UI__PORT']}"
    assert page in printed
    assert "Dandelion" in httpx.get(page, follow_redirects=True).text

    wait_until(lambda: httpx.get(f"{up.url}/model").json()["version"] == "1", "the registered starter is in service")
    assert httpx.get(f"{up.url}/model").json()["alias"] == "champion"

    children = processes_of(up.home)
    assert len(children) >= 6  # up itself, page, API, MLflow, Prefect, flows
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(10) == 0
    assert processes_of(up.home) == []
    told = [line for log in (up.home / "logs").glob("*.log") for line in log.read_text().splitlines()]
    assert told
    assert [line for line in told if "ERROR" in line] == []


def test_up_looks_at_the_port_that_is_for_monitoring(launch: Callable[..., Running]) -> None:
    (port,) = free_ports(1)
    up = launch("up", DANDELION_API__MONITORING_PORT=str(port))
    up.wait_for_output("Dandelion is up")
    assert httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
    assert httpx.get(f"{up.url}/livez").status_code == 404


def test_a_second_up_on_the_same_folder_is_refused(launch: Callable[..., Running]) -> None:
    first = launch("up")
    first.wait_for("/livez")
    second = launch("up", home=first.home)
    assert second.process.wait(30) == 2
    said = second.output.read_text()
    assert f"process {first.process.pid}" in said
    assert "DANDELION_HOME" in said
    assert httpx.get(f"{first.url}/livez").status_code == 200


def test_a_port_in_use_is_named_with_its_setting(launch: Callable[..., Running]) -> None:
    parts = ("API__PORT", "API__MONITORING_PORT", "REGISTRY__PORT", "UI__PORT", "PREFECT__PORT")
    for setting in (f"DANDELION_{part}" for part in parts):
        (port,) = free_ports(1)
        with socket.create_server(("127.0.0.1", port)):
            up = launch("up", **{setting: str(port)})
            assert up.process.wait(30) == 2
        said = up.output.read_text()
        assert str(port) in said
        assert setting in said


def test_a_part_that_dies_is_started_again_and_said_so(launch: Callable[..., Running]) -> None:
    up = launch("up")
    up.wait_for_output("Dandelion is up")
    api = next(
        pid for pid in processes_of(up.home) if b"serve" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    )
    os.kill(api, signal.SIGKILL)
    up.wait_for_output("API ended (killed by SIGKILL)")
    up.wait_for_output("API restarts")
    up.wait_for("/readyz")


def test_no_part_outlives_an_up_that_was_killed(launch: Callable[..., Running]) -> None:
    up = launch("up")
    up.wait_for_output("Dandelion is up")
    up.process.kill()
    up.process.wait()
    wait_until(lambda: not processes_of(up.home), "every part has ended", seconds=15, every=0.1)
