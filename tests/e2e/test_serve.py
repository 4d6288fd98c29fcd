"""`dandelion serve`: start-up, memory, the swap of a model under load, and the drain."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from dandelion.package import seal_package
from dandelion.package.starter import starter_path
from tests.photos import jpeg
from tests.servers.product import Running

JPEG = {"Content-Type": "image/jpeg"}


class Load:
    """Clients that send photos without a pause until stopped."""

    def __init__(self, url: str, clients: int = 4) -> None:
        self.statuses: list[int | str] = []
        self.versions: list[str] = []
        self.acknowledged: list[str] = []
        self._url = url
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post("/predict", content=jpeg(), headers=JPEG)
                except httpx.HTTPError as error:
                    self.statuses.append(repr(error))
                    continue
                self.statuses.append(answer.status_code)
                body = answer.json()
                self.versions.append(body["model"]["version"])
                self.acknowledged.append(body["prediction_id"])


@pytest.fixture
def other_package(tmp_path: Path) -> Path:
    """The starter under another digest, as a second model."""
    folder = tmp_path / "other"
    shutil.copytree(starter_path(), folder)
    card = folder / "MODEL_CARD.md"
    card.write_text(card.read_text() + "\nA second one.\n")
    seal_package(folder)
    return folder


def test_promoting_and_rolling_back_under_load_fails_no_request(
    launch: Callable[..., Running], other_package: Path
) -> None:
    serving = launch("serve")
    assert serving.command("models", "register", "--if-empty").returncode == 0
    assert serving.command("models", "register", str(other_package)).returncode == 0
    serving.wait_for("/readyz")

    def wait_for_version(version: str) -> None:
        deadline = time.monotonic() + 60
        while httpx.get(f"{serving.url}/model").json()["version"] != version:
            assert time.monotonic() < deadline, f"version {version} was not swapped in"
            time.sleep(0.1)

    wait_for_version("1")
    with Load(serving.url) as load:
        promoted = serving.command("models", "promote", "2")
        assert promoted.returncode == 0, promoted.stderr
        wait_for_version("2")
        assert serving.command("models", "rollback").returncode == 0
        wait_for_version("1")
    print(
        f"\n{len(load.statuses)} requests while the model was swapped twice, failed: "
        f"{sum(status != 200 for status in load.statuses)}"
    )
    assert set(load.statuses) == {200}
    assert set(load.versions) == {"1", "2"}


def test_a_model_served_before_serves_again_without_a_registry(launch: Callable[..., Running]) -> None:
    first = launch("serve")
    assert first.command("models", "register", "--if-empty").returncode == 0
    first.wait_for("/readyz")
    deadline = time.monotonic() + 60
    while httpx.get(f"{first.url}/model").json()["version"] != "1":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(30) == 0
    orphan = launch("serve", home=first.home, DANDELION_REGISTRY__URI="http://127.0.0.1:9")
    orphan.wait_for("/readyz")
    assert httpx.get(f"{orphan.url}/model").json()["version"] == "1"
    assert httpx.post(f"{orphan.url}/predict", content=jpeg(), headers=JPEG).status_code == 200


def test_killed_under_load_it_has_kept_every_answer_that_it_gave(launch: Callable[..., Running]) -> None:
    first = launch("serve", DANDELION_JOURNAL__SHIP_SECONDS="5")
    first.wait_for("/readyz")
    with Load(first.url) as load:
        time.sleep(1.5)
        first.process.kill()
        first.process.wait()
    acknowledged = load.acknowledged
    assert len(acknowledged) > 10
    second = launch("serve", home=first.home)
    second.wait_for("/readyz")
    deadline = time.monotonic() + 30
    while any((first.home / "spool").glob("*.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.1)
    with contextlib.closing(sqlite3.connect(first.home / "dandelion.db")) as database:
        found = [str(uuid.UUID(bytes=row[0])) for row in database.execute("SELECT id FROM predictions")]
    lost = set(acknowledged) - set(found)
    print(f"\nkill -9 of the API: acknowledged {len(acknowledged)}, stored {len(found)}, lost = {len(lost)}")
    assert lost == set()
    assert len(found) == len(set(found))


def test_start_up_and_memory_are_small(launch: Callable[..., Running]) -> None:
    serving = launch("serve")
    seconds = serving.wait_for("/readyz")
    with Load(serving.url, clients=16):
        time.sleep(2)
    status = Path(f"/proc/{serving.process.pid}/status").read_text()
    resident = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024
    print(f"\nready {seconds:.2f} s after the start (promised: 3 s), {resident:.0f} MiB resident (promised: 400 MB)")
    assert resident < 400e6 / 2**20


def test_sigterm_makes_it_unready_at_once_and_answers_what_is_in_flight(launch: Callable[..., Running]) -> None:
    serving = launch("serve", DANDELION_API__DRAIN_SECONDS="2")
    serving.wait_for("/readyz")
    with Load(serving.url, clients=2) as load:
        time.sleep(0.5)
        serving.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert httpx.get(f"{serving.url}/readyz").status_code == 503
        assert httpx.post(f"{serving.url}/predict", content=jpeg(), headers=JPEG).status_code == 200
    assert set(load.statuses) == {200}
    assert serving.process.wait(15) == 0


def test_a_package_with_a_wrong_checksum_is_refused_by_name(
    launch: Callable[..., Running], other_package: Path
) -> None:
    (other_package / "metrics.json").write_text(json.dumps({"accuracy": 1.0}))
    serving = launch("serve", "--model", str(other_package))
    assert serving.process.wait(30) != 0
    assert "metrics.json" in serving.output.read_text()
