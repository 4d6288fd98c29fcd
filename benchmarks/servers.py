"""Who answers: dandelion, and others as their documentation shows; started and ended."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.model import MODELS

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Server:
    name: str
    argv: list[str]
    env: Mapping[str, str]
    health: str
    field: str


def servers(model: str, package: Path, weights: Path, peers: Path | None, cores: int) -> list[Server]:
    def environment(port: int, **more: str) -> dict[str, str]:
        return {
            "BENCH_PORT": str(port),
            "BENCH_MODEL": model,
            "BENCH_SIZE": str(MODELS.get(model, 224)),
            "BENCH_WEIGHTS": str(weights),
            "BENCH_PACKAGE": str(package),
            "BENCH_CORES": str(cores),
            "PYTHONPATH": str(HERE.parent / "src"),
            **more,
        }

    port = free_port()
    ours = Server(
        "dandelion",
        [sys.executable, "-m", "dandelion", "serve", "--model", str(package), "--port", str(port)],
        {},
        f"http://127.0.0.1:{port}/readyz",
        "file",
    )
    if peers is None:
        return [ours]
    python = str(peers)
    # One thread a worker where there is a worker a core: torch would otherwise start two each and lose to itself.
    single = {"OMP_NUM_THREADS": "1"}
    found = [ours]
    for name, script, more in (
        ("LitServe", "peer_litserve.py", single),
        ("LitServe, our runtime", "peer_litserve.py", {**single, "BENCH_RUNTIME": "openvino"}),
        ("FastAPI", "peer_fastapi.py", {}),
    ):
        port = free_port()
        url = f"http://127.0.0.1:{port}/health"
        found.append(Server(name, [python, str(HERE / script)], environment(port, **more), url, "file"))
    port = free_port()
    argv = [python, "-m", "bentoml", "serve", "peer_bentoml:Classifier", "--port", str(port), "--host", "127.0.0.1"]
    health = f"http://127.0.0.1:{port}/readyz"
    found.append(Server("BentoML", argv, environment(port, BENTOML_DO_NOT_TRACK="true", **single), health, "images"))
    return found


class DidNotStartError(Exception):
    """A server ended, or was not healthy in time; the message is the end of its log."""


@contextmanager
def running(server: Server, folder: Path) -> Iterator[None]:
    log = folder / "server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            server.argv,
            env={**os.environ, "DANDELION_HOME": str(folder / "home"), **server.env},
            stdout=stream,
            stderr=stream,
            cwd=HERE,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                if httpx.get(server.health, timeout=2).is_success:
                    break
            except httpx.HTTPError:
                time.sleep(0.2)
            if process.poll() is not None or time.monotonic() > deadline:
                raise DidNotStartError(f"{server.name} did not start:\n{log.read_text()[-3000:]}")
        yield
    finally:
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def measure_start(package: Path) -> dict[str, float]:
    """Seconds from the command to ready, and resident memory then, MB."""
    port = free_port()
    started = time.perf_counter()
    argv = [sys.executable, "-m", "dandelion", "serve", "--model", str(package), "--port", str(port)]
    process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz").is_success:
                    break
            except httpx.HTTPError:
                time.sleep(0.01)
        seconds = time.perf_counter() - started
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident = int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024  # type: ignore[union-attr]
    finally:
        process.terminate()
        process.wait()
    return {"seconds to ready": seconds, "resident MiB when ready": resident}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
