"""Drills: something breaks under 50 photos a second, and what was acknowledged is stored exactly once.

`tox -e soak` lets every fault last a minute and asks for the promised p95 as well.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from dandelion.package import seal_package
from dandelion.package.starter import starter_path
from tests.faults.conftest import FAULT_SECONDS, Stack
from tests.photos import jpeg
from tests.servers.process import START_SECONDS
from tests.waiting import wait_until

GONE = ("ConnectError", "ReadError", "RemoteProtocolError", "WriteError")
FULL = ("journal_full",)


def for_a_while(breaks: Callable[[], None], mends: Callable[[], None]) -> Callable[[], None]:
    def fault() -> None:
        breaks()
        time.sleep(FAULT_SECONDS)
        mends()

    return fault


def another_model(folder: Path) -> Path:
    """The starter under other words, so that it is another version to download."""
    package = folder / "other"
    shutil.copytree(starter_path(), package)
    (package / "MODEL_CARD.md").write_text("# Another\n")
    seal_package(package)
    return package


def test_mysql_killed(stack: Stack) -> None:
    stack.drill("MySQL kill -9 and restart", for_a_while(stack.mysql.kill, stack.mysql.start))


def test_mysql_stopped(stack: Stack) -> None:
    stack.drill("MySQL stopped", for_a_while(stack.mysql.stop, stack.mysql.start))


def test_mysql_down_at_the_start_of_a_pod_that_served_before(stack: Stack) -> None:
    # MLflow keeps its tables there as well, so that neither can be asked.
    stack.served()
    fault = for_a_while(lambda: None, stack.mysql.start)
    stack.drill("MySQL down at the start", fault, before=stack.mysql.stop)


@pytest.mark.parametrize("part", ["mysql", "minio", "mlflow"])
@pytest.mark.parametrize("kind", ["delayed by 0.5 s", "cut", "held"])
def test_the_network_fails(stack: Stack, part: str, kind: str) -> None:
    proxy = getattr(stack, f"to_{part}")
    breaks = {"delayed by 0.5 s": lambda: proxy.delay(0.5), "cut": proxy.cut, "held": proxy.hold}[kind]
    stack.drill(f"network to {part} {kind}", for_a_while(breaks, proxy.heal))


def test_minio_killed(stack: Stack) -> None:
    stack.drill("MinIO kill -9 and restart", for_a_while(stack.minio.kill, stack.minio.start))


def test_mlflow_down_at_the_start_of_a_pod_that_served_before(stack: Stack) -> None:
    served = stack.served()

    def fault() -> None:
        assert stack.version() == served
        time.sleep(FAULT_SECONDS)
        stack.to_mlflow.heal()

    stack.drill("MLflow down at the start", fault, before=stack.to_mlflow.cut)


def test_mlflow_down_at_the_first_start_is_waited_for_and_nobody_gets_another_model(stack: Stack) -> None:
    def ask(method: str, path: str) -> httpx.Response:
        content = jpeg() if method == "POST" else None
        headers = {"Content-Type": "image/jpeg"}
        return httpx.request(method, stack.api.url + path, content=content, headers=headers, timeout=10)

    stack.to_mlflow.cut()
    with ThreadPoolExecutor() as threads:
        ready = threads.submit(stack.api.start)

        def lives() -> bool:
            assert not ready.done(), ready.result()
            return ask("GET", "/livez").is_success

        wait_until(lives, "it lives", seconds=START_SECONDS, every=0.2, not_yet=(httpx.HTTPError,))
        assert ask("GET", "/metrics").status_code == 200
        for method, path in (("GET", "/readyz"), ("GET", "/model"), ("POST", "/predict")):
            answer = ask(method, path)
            assert (answer.status_code, answer.json()["reason"]) == (503, "not_ready"), path
        stack.to_mlflow.heal()
        ready.result()
    assert ask("POST", "/predict").json()["model"]["alias"] == "champion"


def test_mlflow_killed_while_a_model_is_fetched(stack: Stack, tmp_path: Path) -> None:
    version = stack.registry.register_package(another_model(tmp_path)).version

    def fault() -> None:
        stack.to_mlflow.throttle(200 * 1024)
        before = stack.version()
        stack.registry.promote(version)
        # 12 MB come drop by drop.
        wait_until(lambda: any(stack.settings.cache.glob(".fetching-*/**/*")), "a file of the model begins to come")
        stack.mlflow.kill()
        stack.to_mlflow.cut()  # the proxy would go on with what it had of the file
        time.sleep(FAULT_SECONDS)
        assert stack.version() == before
        cached = [path.name for path in stack.settings.cache.iterdir() if path.is_dir()]
        assert len([name for name in cached if not name.startswith(".")]) == 1
        stack.to_mlflow.heal()
        stack.mlflow.start()
        wait_until(lambda: stack.version() == version, "the new model is in service", seconds=60, every=0.2)

    stack.drill("MLflow killed during a reload", fault)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True, capture_output=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_disk_full_for_the_spool(stack: Stack, small_disk: Path) -> None:
    (stack.settings.home).mkdir()
    stack.settings.spool.symlink_to(small_disk)

    def fault() -> None:
        stack.to_mysql.cut()
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"\0" * 4096):
                pass
        time.sleep(FAULT_SECONDS)
        refused = httpx.post(f"{stack.api.url}/predict", content=jpeg(), headers={"Content-Type": "image/jpeg"})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
        ballast.unlink()
        stack.to_mysql.heal()

    load = stack.drill("disk full for the spool", fault, refusals=FULL, photos=False)
    assert load.failures


def test_api_killed(stack: Stack) -> None:
    def fault() -> None:
        stack.to_mysql.cut()  # so that what was acknowledged is on disk only
        time.sleep(FAULT_SECONDS / 2)
        begin = time.perf_counter()
        stack.api.kill()
        stack.to_mysql.heal()
        time.sleep(0.5)
        stack.api.start()
        stack.away = begin, time.perf_counter()

    stack.drill("API kill -9 and restart", fault, refusals=GONE)
