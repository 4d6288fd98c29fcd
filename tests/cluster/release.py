"""A release of the chart on the node, made of the images that were built here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.chart.chart import ROOT
from tests.cluster.clients import Helm
from tests.cluster.fixtures import RESTRICTED
from tests.cluster.node import Node

NAME = "dandelion"
# By which namespaces of releases are known.
HOLDS_RELEASE = {"tests/release": NAME}


class Release:
    """A release in a namespace of its own that takes only "restricted" pods.

    Args:
        node: Where.
        namespace: In which namespace.
        chart: What.
        images: Names of the images there.
        base: Values that every step has.
    """

    def __init__(
        self, node: Node, namespace: str, chart: Path, images: Mapping[str, str], base: Mapping[str, str]
    ) -> None:
        self.node = node
        self.namespace = namespace
        self.kubectl = node.kubectl.within(namespace)
        self.helm = Helm(node.kubeconfig, namespace)
        self._base = base
        values = f"--values={ROOT / 'values' / 'laptop.yaml'}"
        self._words = [NAME, str(chart), values, *_options(_image_values(images))]

    def make_room(self) -> None:
        """Have an empty namespace, and none of a run that was broken off or of one that people have looked at."""
        selector = ",".join(f"{key}={value}" for key, value in HOLDS_RELEASE.items())
        self.node.kubectl("delete", "namespace", "--selector", selector, "--timeout=180s")
        self.node.worker.clear_volumes()
        metadata = {"name": self.namespace, "labels": RESTRICTED | HOLDS_RELEASE}
        self.node.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def leave(self) -> None:
        """Take all of it away; on a node that was started by hand people may look at what went wrong."""
        if not self.node.is_kept:
            self.node.kubectl("delete", "namespace", self.namespace, "--timeout=180s")
            self.node.worker.clear_volumes()

    def install(self) -> None:
        self.helm("install", *self._words, *_options(self._base), "--wait", "--wait-for-jobs", "--timeout=10m")

    def upgrade(self, **values: str) -> None:
        """The next step, with these values beside those of the installation; `__` may stand for a dot."""
        dotted = {name if "." in name else name.replace("__", "."): value for name, value in values.items()}
        self.helm("upgrade", *self._words, *_options({**self._base, **dotted}), "--wait", "--timeout=5m")

    def rollback(self) -> None:
        self.helm("rollback", NAME, "--wait", "--timeout=5m")

    def url(self, service: str = "dandelion-api", port: int = 8000) -> str:
        """Where a Service answers inside the node's network."""
        return f"http://{self.kubectl.get('service', service)['spec']['clusterIP']}:{port}"

    def ask(
        self,
        method: str,
        path: str,
        *,
        service: str = "dandelion-api",
        body: bytes | None = None,
        kind: str = "image/jpeg",
    ) -> httpx.Response:
        """An answer of the API, asked from the node's network."""
        return ask(self.node, method, f"{self.url(service)}{path}", body=body, kind=kind)

    def in_api(self, *words: str) -> str:
        """What a command of ours says in an API pod."""
        return self.kubectl("exec", "deploy/dandelion-api", "--", *words)

    def pods(self, component: str = "api") -> list[dict[str, Any]]:
        selector = f"app.kubernetes.io/component={component},app.kubernetes.io/instance={NAME}"
        found = self.kubectl.get("pods", "-l", selector)["items"]
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]


def ask(
    node: Node, method: str, url: str, *, body: bytes | None = None, kind: str = "application/json"
) -> httpx.Response:
    """An answer, asked for from the node's network."""
    script = (
        "import httpx, sys; a = httpx.request(sys.argv[1], sys.argv[2], content=sys.stdin.buffer.read() or None, "
        "headers={'Content-Type': sys.argv[3]}, timeout=30); "
        "sys.stdout.buffer.write(str(a.status_code).encode() + b'\\n' + a.content)"
    )
    said = node.space.run_inside(script, method, url, kind, given=body or b"")
    status, _, content = said.partition(b"\n")
    return httpx.Response(int(status), content=content)


def within(seconds: float, happens: Callable[[], object]) -> bool:
    deadline = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True


def _options(values: Mapping[str, str]) -> list[str]:
    return [
        word
        for key, value in values.items()
        for word in ("--set-string" if "settings" in key else "--set", f"{key}={value}")
    ]


def _image_values(images: Mapping[str, str]) -> dict[str, str]:
    """Values that name the images of this node in the place of published ones."""
    values = {"global.image.registry": "localhost", "global.image.repository": "dandelion"}
    values["global.image.tag"] = images["api"].rpartition(":")[2]
    ours = {"api": "api.image", "ui": "ui.image", "worker": "prefect.worker.image", "mlflow": "mlflow.image"}
    others = {
        "mysql": "mysql.image",
        "mysqld-exporter": "mysql.metrics.image",
        "minio": "minio.image",
        "prefect": "prefect.server.image",
    }
    for part, path in {**ours, **others}.items():
        name, _, tag = images[part].rpartition(":")
        values |= {f"{path}.repository": name.removeprefix("localhost/"), f"{path}.tag": tag}
        if part in others:
            values[f"{path}.registry"] = "localhost"
    return values
