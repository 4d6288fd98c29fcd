"""Dandelion against the limit and against other servers: one run, same weights, same photos, same cores.

    python -m benchmarks.compare --peers .venv-peers/bin/python --json result.json --markdown result.md

The limit is decoding and batched inference in a loop, one process a core, no HTTP. Load comes from wrk (Debian), on the
same cores as the servers: what it takes, all lose alike. Peers run from their own environment, made with
`pip install -r benchmarks/requirements.txt`.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import multiprocessing
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from benchmarks.report import markdown
from dandelion import __version__
from dandelion.domain import InputSpec
from dandelion.imaging import prepare
from dandelion.imaging.statistics import NAMES as STATISTICS
from dandelion.imaging.statistics import SIZE
from dandelion.inference.openvino_runtime import OpenVinoRuntime
from dandelion.package import Manifest, open_package, seal_package
from dandelion.package.network import Network
from dandelion.training import graphs
from dandelion.training.reference import find_reference

HERE = Path(__file__).resolve().parent
REAL = HERE.parents[1] / "shared" / "data" / "photos"
BOUNDARY = "dandelionbenchmark"
LARGE_CONNECTIONS = 32
PHOTOS = ("thumbnail", "1 megapixel", "12 megapixels")
MODELS = {"tf_efficientnet_lite0": 192, "mobilenetv3_small_100": 224}


@dataclass(frozen=True)
class Row:
    """One measurement; `ratio` is dandelion's requests/s over this row's."""

    model: str
    photo: str
    server: str
    connections: int
    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


@dataclass(frozen=True)
class Server:
    name: str
    argv: list[str]
    env: Mapping[str, str]
    health: str
    field: str


def main() -> None:
    options = parse()
    cores = sorted(os.sched_getaffinity(0))[: options.cores]
    os.sched_setaffinity(0, cores)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = make_photos(folder)
        rows: list[Row] = []
        extra: dict[str, float] = {}
        for model in options.models:
            package, weights = export(model, folder / model, photos["thumbnail"])
            for photo, path in photos.items():
                if photo not in options.photos or (photo != "thumbnail" and model != options.models[0]):
                    continue
                # Large photos come from fewer clients: the slower servers would answer none of 128 within the load.
                connections = [n for n in options.connections if photo == "thumbnail" or n <= LARGE_CONNECTIONS]
                limit = measure_limit(package, path, options.seconds, len(cores))
                rows.append(Row(model, photo, "limit", 0, limit, 0, 0, 0))
                show(rows[-1])
                for server in servers(model, package, weights, options.peers, len(cores)):
                    if options.servers and server.name not in options.servers:
                        continue
                    with running(server, folder):
                        rows += [load(server, model, photo, path, each, options.seconds) for each in connections]
                        for row in rows[-len(connections) :]:
                            show(row)
                        if server.name == "dandelion" and photo == "thumbnail" and model == options.models[0]:
                            extra |= asyncio.run(constant_rate(server, path, 100, 10))
            if model == options.models[0]:
                extra |= measure_start(package)
        extra |= measure_decoding(photos["12 megapixels"])
        result = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": " ".join(["python -m benchmarks.compare", *sys.argv[1:]]),
            "processor": processor(),
            "cores": len(cores),
            "rows": [asdict(row) for row in rows],
            "figures": extra,
        }
    text = markdown(result)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if options.markdown:
        options.markdown.write_text(text)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peers", type=_program, help="Python of the peers' environment; without it only ours is measured"
    )
    parser.add_argument("--seconds", type=float, default=6, help="length of each load")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--connections", type=lambda t: [int(n) for n in t.split(",")], default=[1, 8, 32, 128])
    parser.add_argument("--models", type=lambda t: t.split(","), default=list(MODELS))
    parser.add_argument("--photos", type=lambda t: t.split(","), default=list(PHOTOS))
    parser.add_argument("--servers", type=lambda t: t.split(","), default=[], help="only these")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    return parser.parse_args()


def _program(path: str) -> Path:
    """Where a program is; peers run in folders of their own. A link stays one: Python knows its environment by it."""
    if not (found := Path(path).absolute()).is_file():
        raise argparse.ArgumentTypeError(f"{path} is no program; docs/performance.md says how to make the environment")
    return found


def make_photos(folder: Path) -> dict[str, Path]:
    """A thumbnail as it is, and the same motif as a camera would have stored it at 1 and 12 megapixels."""
    if REAL.is_dir():
        thumbnail = REAL / "dandelion" / "00000001.jpg"
    else:
        from dandelion.training.sample import draw_sample

        thumbnail = draw_sample(folder / "drawn", per_class=1, size=240)[0]
    found = {"thumbnail": thumbnail}
    grain = np.random.default_rng(0)
    for name, size in (("1 megapixel", (1152, 864)), ("12 megapixels", (4000, 3000))):
        large = np.asarray(Image.open(thumbnail).convert("RGB").resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
        noisy = np.clip(large + grain.integers(-6, 7, large.shape), 0, 255).astype(np.uint8)
        found[name] = folder / f"{size[0]}.jpg"
        Image.fromarray(noisy).save(found[name], "JPEG", quality=88)
    return found


def export(name: str, folder: Path, thumbnail: Path) -> tuple[Path, Path]:
    """A package and the same weights for the peers. Speed does not depend on what the weights were trained for."""
    size = MODELS.get(name, 224)
    spec = InputSpec(size, size)
    torch.manual_seed(0)
    classifier = timm.create_model(name, num_classes=2).eval()
    package = folder / "package"
    (package / "openvino").mkdir(parents=True)
    graph = graphs.convert(Network(classifier, spec).eval(), size, size)
    sample = prepare(thumbnail.read_bytes(), spec)
    varied = np.stack([np.roll(sample, shift, axis=1) for shift in range(16)])
    graphs.save(graphs.quantise(graph, varied), package / "openvino" / "int8.xml")
    graphs.save(graph, package / "openvino" / "model.xml")
    width = int(classifier.head_hidden_size if hasattr(classifier, "head_hidden_size") else classifier.num_features)
    embeddings = np.random.default_rng(0).normal(size=(256, width)).astype(np.float32)
    looks = {name: np.linspace(0, 1, 256, dtype=np.float32) for name in (*STATISTICS, SIZE)}
    reference = find_reference(embeddings, np.arange(256) % 2, looks, np.full((256, 2), 0.5, np.float32))
    reference.save(package / "reference.npz")
    manifest = Manifest(
        architecture=name,
        input=spec,
        classes=("dandelion", "grass"),
        temperature=1.0,
        outlier_threshold=1e9,
        dataset_digest="none",
        code_version=__version__,
        precisions=("float32", "int8"),
    )
    (package / "model.json").write_text(manifest.model_dump_json())
    (package / "metrics.json").write_text("{}")
    (package / "MODEL_CARD.md").write_text("# Weights at random, for speed only\n")
    seal_package(package)
    weights = folder / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in classifier.state_dict().items()}, weights)
    return package, weights


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
                raise SystemExit(f"{server.name} did not start:\n{log.read_text()[-3000:]}")
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


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


def measure_limit(package: Path, photo: Path, seconds: float, cores: int) -> float:
    """Photos a second of decoding and batches of 8, one process a core."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(cores) as pool:
        return sum(pool.starmap(loop, [(package, photo, seconds)] * cores))


def loop(package: Path, photo: Path, seconds: float) -> float:
    opened = open_package(package)
    runtime = OpenVinoRuntime(opened, "auto", 1)
    data, spec = photo.read_bytes(), opened.manifest.input

    def batch() -> None:
        runtime.run(np.stack([prepare(data, spec) for _ in range(8)]))

    for _ in range(5):
        batch()
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        batch()
        done += 8
    return done / (time.perf_counter() - started)


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


def measure_decoding(photo: Path) -> dict[str, float]:
    """A 12-megapixel JPEG to the model's input, against Pillow's full decode and resize."""
    data, spec = photo.read_bytes(), InputSpec(160, 160)

    def full() -> None:
        Image.open(io.BytesIO(data)).convert("RGB").resize((160, 160), Image.Resampling.BICUBIC)

    def median(call: object) -> float:
        times = []
        for _ in range(9):
            started = time.perf_counter()
            call()  # type: ignore[operator]
            times.append((time.perf_counter() - started) * 1000)
        return statistics.median(times)

    ours, theirs = median(lambda: prepare(data, spec)), median(full)
    return {"12-megapixel JPEG, ms": ours, "the same by Pillow in full, ms": theirs, "decoding ratio": theirs / ours}


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


def show(row: Row) -> None:
    print(
        f"{row.model}, {row.photo}, {row.connections}: {row.server} {row.per_second:.0f}/s, {row.errors} errors",
        flush=True,
    )


def processor() -> str:
    text = Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*: (.*)", text)
    flags = [flag for flag in ("amx_int8", "amx_bf16", "avx512_vnni", "avx_vnni", "avx512f") if f" {flag}" in text]
    return f"{name.group(1) if name else 'unknown processor'} ({', '.join(flags)})"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
