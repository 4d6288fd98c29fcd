"""What the Open Inference Protocol costs: a binary `infer` of a thumbnail against the same photo to `/predict`.

    python -m benchmarks.protocol --requests 3000

All go to one server, each way over one connection, in turns, so that a noisy neighbour hits all. The response is in
binary as Triton's client requests it. The ratio of the medians is what counts; the quartiles of the ratios of
neighbours say how much it is worth. These times hold the client's share, which differs between HTTP and gRPC; so blocks
of requests follow, in turns too, for which the server counts its own CPU time.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import statistics
import struct
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.photos import make_photos
from benchmarks.servers import free_port, running, servers
from dandelion.api.grpc import open_inference_pb2 as pb
from dandelion.package.starter import starter_path

Call = Callable[[], object]
MODEL = "/v2/models/dandelion/infer"
BLOCKS = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=3000)
    requests = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo = make_photos(folder)["thumbnail"].read_bytes()
        (server,) = servers("starter", starter_path(), folder, None, 2)
        port = free_port()
        server = replace(server, env={"DANDELION_GRPC__PORT": str(port)})
        connection = http.client.HTTPConnection(server.health.split("/")[2])
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        calls = {
            "/predict": over_http(connection, *predict(photo)),
            "/v2, binary": over_http(connection, *infer(photo)),
            "/v2, base64": over_http(connection, *infer_base64(photo)),
            "gRPC": over_grpc(channel, photo),
        }
        with running(server, folder), channel:
            for _ in range(200):  # until the processor's caches and clock are warm
                for call in calls.values():
                    call()
            rows = [[seconds_of(call) for call in calls.values()] for _ in range(requests)]
            size = max(1, requests // BLOCKS)
            metrics = server.health.replace("/readyz", "/metrics")
            blocks = [[cpu_of(call, size, metrics) for call in calls.values()] for _ in range(BLOCKS)]
    report("time", list(calls), rows)
    report("CPU time of the server", list(calls), blocks)


def report(what: str, names: list[str], rows: list[list[float]]) -> None:
    """Print medians in ms, and how they compare with the first column."""
    columns = list(zip(*rows, strict=True))
    for name, column in zip(names, columns, strict=True):
        ratios = [each / base for each, base in zip(column, columns[0], strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4)
        middle = statistics.median(column)
        ratio = middle / statistics.median(columns[0])
        print(f"{what}, {name}: {middle * 1000:.3f} ms, ratio {ratio:.3f} (quartiles {low:.3f} {high:.3f})")


def seconds_of(call: Call) -> float:
    """Seconds from the first byte of a request to the last of its response."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def cpu_of(call: Call, count: int, metrics: str) -> float:
    """Seconds of CPU that the server takes for one request, over `count` of them."""
    before = cpu_seconds(metrics)
    for _ in range(count):
        call()
    return (cpu_seconds(metrics) - before) / count


def cpu_seconds(metrics: str) -> float:
    families = text_string_to_metric_families(httpx.get(metrics).text)
    return next(family.samples[0].value for family in families if family.name == "process_cpu_seconds")


def over_http(connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]) -> Call:
    def call() -> None:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status != http.client.OK:
            raise SystemExit(f"{path}: {response.status} {content[:200]!r}")

    return call


def over_grpc(channel: grpc.Channel, photo: bytes) -> Call:
    request = pb.ModelInferRequest(model_name="dandelion", raw_input_contents=[struct.pack("<I", len(photo)) + photo])
    request.inputs.add(name="image", datatype="BYTES", shape=[1])
    body = request.SerializeToString()
    call: Any = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")  # of bytes, as HTTP's
    return lambda: call(body, wait_for_ready=True)


def predict(photo: bytes) -> tuple[str, bytes, dict[str, str]]:
    return "/predict", photo, {"Content-Type": "image/jpeg"}


def infer(photo: bytes) -> tuple[str, bytes, dict[str, str]]:
    element = struct.pack("<I", len(photo)) + photo
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(element)}}
    front = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(front)), "Content-Type": "application/octet-stream"}
    return MODEL, front + element, headers


def infer_base64(photo: bytes) -> tuple[str, bytes, dict[str, str]]:
    data = [base64.b64encode(photo).decode()]
    body = json.dumps({"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": data}]}).encode()
    return MODEL, body, {"Content-Type": "application/json"}


if __name__ == "__main__":
    main()
