"""What the Open Inference Protocol costs: a binary `infer` of a thumbnail against the same photo to `/predict`.

    python -m benchmarks.protocol --requests 3000

Both go to one server over one connection, in turns, so that a noisy neighbour hits both. The response is in binary as
Triton's client requests it. The ratio of the medians is what counts; the quartiles of the ratios of neighbours say how
much it is worth.
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
from pathlib import Path

from benchmarks.photos import make_photos
from benchmarks.servers import running, servers
from dandelion.package.starter import starter_path

Call = tuple[str, bytes, dict[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=3000)
    requests = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo = make_photos(folder)["thumbnail"].read_bytes()
        (server,) = servers("starter", starter_path(), folder, None, 2)
        calls = {"/predict": predict(photo), "/v2, binary": infer(photo), "/v2, base64": infer_base64(photo)}
        with running(server, folder):
            connection = http.client.HTTPConnection(server.health.split("/")[2])
            for _ in range(200):  # until the processor's caches and clock are warm
                for call in calls.values():
                    measure(connection, call)
            rows = [[measure(connection, call) for call in calls.values()] for _ in range(requests)]
    columns = list(zip(*rows, strict=True))
    for name, column in zip(calls, columns, strict=True):
        ratios = [each / base for each, base in zip(column, columns[0], strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4)
        ratio = statistics.median(column) / statistics.median(columns[0])
        print(f"{name}: {statistics.median(column) * 1000:.3f} ms, ratio {ratio:.3f} (quartiles {low:.3f} {high:.3f})")


def measure(connection: http.client.HTTPConnection, call: Call) -> float:
    """Seconds from the first byte of a request to the last of its response."""
    path, body, headers = call
    started = time.perf_counter()
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    content = response.read()
    seconds = time.perf_counter() - started
    if response.status != http.client.OK:
        raise SystemExit(f"{path}: {response.status} {content[:200]!r}")
    return seconds


def predict(photo: bytes) -> Call:
    return "/predict", photo, {"Content-Type": "image/jpeg"}


def infer(photo: bytes) -> Call:
    element = struct.pack("<I", len(photo)) + photo
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(element)}}
    front = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(front)), "Content-Type": "application/octet-stream"}
    return "/v2/models/dandelion/infer", front + element, headers


def infer_base64(photo: bytes) -> Call:
    data = [base64.b64encode(photo).decode()]
    body = json.dumps({"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": data}]}).encode()
    return "/v2/models/dandelion/infer", body, {"Content-Type": "application/json"}


if __name__ == "__main__":
    main()
