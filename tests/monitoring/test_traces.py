"""Spans arrive at a collector that speaks OTLP; logs and exemplars name the same trace."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dandelion.package.starter import starter_path
from tests.photos import jpeg
from tests.servers.api import ApiProcess
from tests.waiting import wait_until

JPEG = {"Content-Type": "image/jpeg"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


class Collector:
    """Remembers every span that it is sent."""

    def __init__(self) -> None:
        spans = self.spans = list[Span]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                sent = ExportTraceServiceRequest.FromString(body)
                spans.extend(span for r in sent.resource_spans for s in r.scope_spans for span in s.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def of(self, trace: str) -> dict[str, Span]:
        return {span.name: span for span in self.spans if span.trace_id.hex() == trace}

    def close(self) -> None:
        self._server.shutdown()


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.close()


@pytest.fixture
def api(collector: Collector, tmp_path: Path) -> Iterator[ApiProcess]:
    env = {
        "DANDELION_MODEL__PATH": str(starter_path()),
        "DANDELION_TRACING__URL": collector.url,
        "DANDELION_TRACING__SHARE": "0",
        "DANDELION_LOG__ACCESS": "true",
        "DANDELION_LOG__FORMAT": "json",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    running = ApiProcess(tmp_path / "home", env)
    running.start()
    yield running
    running.end()


def test_a_traced_request_shows_the_stages_of_its_prediction(
    collector: Collector, api: ApiProcess, tmp_path: Path
) -> None:
    parent = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    answer = httpx.post(f"{api.url}/predict", content=jpeg(), headers={**JPEG, **parent}, timeout=30)
    assert answer.status_code == 200
    wait_until(lambda: "POST /predict" in collector.of(TRACE), "the request's span arrives")
    spans = collector.of(TRACE)
    root = spans["POST /predict"]
    assert root.parent_span_id.hex() == "00f067aa0ba902b7"
    stages = ["read upload", "queue", "decode", "inference", "store"]
    assert spans.keys() == {"POST /predict", *stages}
    for name in stages:
        assert spans[name].parent_span_id == root.span_id, name
        assert root.start_time_unix_nano <= spans[name].start_time_unix_nano <= spans[name].end_time_unix_nano
    starts = [spans[name].start_time_unix_nano for name in stages]
    assert starts == sorted(starts)
    logged = [json.loads(line) for line in (tmp_path / "home.log").read_text().splitlines() if TRACE in line]
    assert [line["request_id"] for line in logged] == [answer.headers["X-Request-ID"]]
    figures = httpx.get(f"{api.url}/metrics", headers=OPENMETRICS, timeout=10)
    assert figures.headers["content-type"].startswith("application/openmetrics-text")
    assert re.search(rf'prediction_duration_seconds_bucket.* # {{trace_id="{TRACE}"}}', figures.text)
    plain = httpx.get(f"{api.url}/metrics", timeout=10)
    assert TRACE not in plain.text


def test_requests_that_nobody_traces_send_nothing(collector: Collector, api: ApiProcess) -> None:
    httpx.post(f"{api.url}/predict", content=jpeg(), headers=JPEG, timeout=30).raise_for_status()
    api.stop()
    assert collector.spans == []


def test_a_collector_that_is_down_holds_up_no_answer(collector: Collector, api: ApiProcess) -> None:
    collector.close()
    parent = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    for _ in range(5):
        answer = httpx.post(f"{api.url}/predict", content=jpeg(), headers={**JPEG, **parent}, timeout=5)
        assert answer.status_code == 200
