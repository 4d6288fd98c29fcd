"""MLflow's way to an S3 server that knows none of the checksums which boto3 sends by default."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.chart.chart import Helm

PUT = """
import boto3, io, os
client = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
client.put_object(Bucket="mlflow-artifacts", Key="model", Body=io.BytesIO(b"model"))
"""


class OldServer(ThreadingHTTPServer):
    """An S3 server of before 2025: it refuses what it does not know."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                news = ("x-amz-checksum-", "x-amz-sdk-checksum-", "x-amz-trailer")
                unknown = [name for name in self.headers if name.lower().startswith(news)]
                self.send_response(501 if unknown else 200)
                self.send_header("ETag", '"1"')
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def server() -> Iterator[OldServer]:
    found = OldServer()
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture(scope="module")
def variables(helm: Helm) -> dict[str, str]:
    """The environment of MLflow's pod, as far as no Secret holds it."""
    (pod,) = helm.template(only="charts/mlflow/templates/deployment.yaml")
    (container,) = pod["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def put(server: OldServer, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in variables.items() if name.startswith("AWS_")}
    account = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_MAX_ATTEMPTS": "1"}
    address = {"MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "AWS_DEFAULT_REGION": "us-east-1"}
    env = {"PATH": os.environ["PATH"], **account, **address, **own}
    return subprocess.run([sys.executable, "-c", PUT], env=env, capture_output=True, text=True, check=False)


def test_it_stores_on_a_server_that_knows_no_checksums(server: OldServer, variables: dict[str, str]) -> None:
    done = put(server, variables)
    assert done.returncode == 0, done.stderr
    assert put(server, {}).returncode != 0, "boto3 sends no checksums by itself: this setting has become needless"
