"""What is asked of a server: photos from wrk, as many as it answers, or a constant rate."""

from __future__ import annotations

import asyncio
import re
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.servers import Server

BOUNDARY = "dandelionbenchmark"


@dataclass(frozen=True)
class Row:
    """One measurement: predictions a second, and how long a response took; `note` says why there is none."""

    model: str
    photo: str
    server: str
    connections: int
    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    note: str = ""


def load(server: Server, model: str, photo: str, path: Path, connections: int, seconds: float) -> Row:
    """Wrk with a form of one photo, after a second and a half of warm-up."""
    url = re.sub(r"/[a-z]+$", "/predict", server.health)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        body = form(server.field, path.read_bytes())
        data = Path(script.name + ".body")
        data.write_bytes(body)
        script.write(
            f'local f = io.open("{data}", "rb")\nwrk.body = f:read("*a")\nf:close()\nwrk.method = "POST"\n'
            f'wrk.headers["Content-Type"] = "multipart/form-data; boundary={BOUNDARY}"\n'
            "done = function(summary, latency)\n"
            '  io.write(string.format("RESULT %d %d %f %f %d\\n", summary.requests, summary.duration,\n'
            "    latency:percentile(50), latency:percentile(99), summary.errors.status))\nend\n"
        )
        script.flush()
        argv = ["wrk", "-t1", f"-c{connections}", "--timeout", "30s", "-s", script.name, url]
        subprocess.run([*argv, "-d2s"], capture_output=True, check=True)
        text = subprocess.run([*argv, f"-d{seconds:g}s"], capture_output=True, text=True, check=True).stdout
        data.unlink()
    found = re.search(r"RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+)", text)
    if found is None:
        raise SystemExit(f"wrk said nothing of {server.name}: {text}")
    requests, duration, p50, p99, errors = (float(group) for group in found.groups())
    good = (requests - errors) / (duration / 1e6)
    return Row(model, photo, server.name, connections, good, p50 / 1000, p99 / 1000, int(errors))


def form(field: str, photo: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="photo.jpg"\r\n'
    return head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


async def constant_rate(server: Server, path: Path, per_second: int, seconds: int) -> dict[str, float]:
    """Latency at a constant rate, whether or not earlier answers have come (open loop), milliseconds."""
    url = re.sub(r"/[a-z]+$", "/predict", server.health)
    body = form(server.field, path.read_bytes())
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    latencies: list[float] = []
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(timeout=30, limits=limits) as client:

        async def send() -> None:
            started = time.perf_counter()
            (await client.post(url, content=body, headers=headers)).raise_for_status()
            latencies.append((time.perf_counter() - started) * 1000)

        started = time.perf_counter()
        tasks = []
        for number in range(per_second * seconds):
            await asyncio.sleep(max(0.0, started + number / per_second - time.perf_counter()))
            tasks.append(asyncio.create_task(send()))
        await asyncio.gather(*tasks)
    cuts = statistics.quantiles(latencies, n=100)
    return {f"p{q} at {per_second} requests/s, ms": cuts[q - 1] for q in (50, 95, 99)}
