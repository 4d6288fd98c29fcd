"""A release of the chart on the node, made of the images that were built here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.chart.chart import ROOT
from tests.cluster.clients import Helm
from tests.cluster.fixtures import RESTRICTED
from tests.cluster.load import NodeLoad
from tests.cluster.namespace import quick
from tests.cluster.node import Node
from tests.servers import tools
from tests.waiting import wait_until

NAME = "dandelion"
# A step takes one or two minutes; the machine may be busy with other tests.
LONGEST = "10m"
SCRIPT = ROOT / "docker" / "kind.sh"
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

    Attributes:
        installed_in_seconds: From `helm install` until all was ready.
    """

    installed_in_seconds: int

    def __init__(
        self, node: Node, namespace: str, chart: Path, images: Mapping[str, str], base: Mapping[str, str]
    ) -> None:
        self.node = node
        self.namespace = namespace
        self.kubectl = node.kubectl.within(namespace)
        self.helm = Helm(node.kubeconfig, namespace)
        self._base = base
        self._addresses: dict[str, str] = {}
        values = f"--values={ROOT / 'values' / 'laptop.yaml'}"
        self._images = _options(_image_values(images))
        self._words = [NAME, str(chart), values, *self._images]

    def create_namespace(self) -> None:
        """Have the namespace, empty."""
        metadata = {"name": self.namespace, "labels": RESTRICTED | HOLDS_RELEASE}
        self.node.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def install(self) -> None:
        """Have it, with all of its Jobs done, as a newcomer has it: by the script of docs/install.md."""
        begin = time.monotonic()
        # The node has all images already.
        programs = {"KUBECTL": tools.find("kubectl"), "HELM": tools.find("helm"), "BUILD": "true", "LOAD": "true"}
        env = {**programs, "KUBECONFIG": self.node.kubeconfig, "TIMEOUT": LONGEST}
        where = ["--cluster", "current", "--namespace", self.namespace, "--without-monitoring"]
        given = [*self._images, *_options(self._base)]
        said = quick("env", *(f"{name}={value}" for name, value in env.items()), SCRIPT, *where, "--", *given)
        assert '"label"' in said, said
        assert f"port-forward service/{NAME}-mlflow" in said, said
        self.installed_in_seconds = round(time.monotonic() - begin)

    def upgrade(self, **values: str) -> None:
        """The next step, with these values beside those of the installation; `__` may stand for a dot."""
        dotted = {name if "." in name else name.replace("__", "."): value for name, value in values.items()}
        self.helm("upgrade", *self._words, *_options({**self._base, **dotted}), "--wait", f"--timeout={LONGEST}")

    def upgrade_reusing(self) -> None:
        """A step that gives no values, but keeps those of the step before."""
        name, chart, *_ = self._words
        self.helm("upgrade", name, chart, "--reuse-values", "--wait", f"--timeout={LONGEST}")

    def rollback(self) -> None:
        self.helm("rollback", NAME, "--wait", f"--timeout={LONGEST}")

    def url(self, service: str = "dandelion-api", port: int = 8000) -> str:
        """Where a Service answers inside the node's network."""
        if service not in self._addresses:
            self._addresses[service] = self.kubectl.get("service", service)["spec"]["clusterIP"]
        return f"http://{self._addresses[service]}:{port}"

    def ask(self, method: str, path: str, *, body: bytes | None = None, kind: str = "image/jpeg") -> httpx.Response:
        """An answer of the API, asked from the node's network."""
        return ask(self.node, method, f"{self.url()}{path}", body=body, kind=kind)

    def load(self, url: str = "", *, host: str = "", per_second: int = 10) -> NodeLoad:
        """Photos while a block runs, to the API's Service if no address is given."""
        return NodeLoad(self.node.space, url or self.url(), host=host, per_second=per_second)

    def in_api(self, *words: str) -> str:
        """What a command of ours says in an API pod."""
        return self.kubectl("exec", "deploy/dandelion-api", "--", *words)

    def reaches(self, pod: str, host: str, port: int) -> bool:
        """Whether a pod that holds Python may open a connection."""
        script = f"import socket; socket.create_connection(('{host}', {port}), 3)"
        return self.kubectl.succeeds("exec", pod, "--", "python3", "-c", script)

    def pods(self, component: str = "api") -> list[dict[str, Any]]:
        selector = f"app.kubernetes.io/component={component},app.kubernetes.io/instance={NAME}"
        found = self.kubectl.get("pods", "-l", selector)["items"]
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def wait_for_pods(self, track: str, number: int, seconds: float = 300) -> None:
        """Wait until a track or slot has as many pods, all of them ready: an autoscaler starts them, not Helm."""

        def ready() -> bool:
            selector = f"app.kubernetes.io/component=api,dandelion/track={track}"
            (found,) = self.kubectl.get("deployment", "-l", selector)["items"]
            status = found["status"]
            return [status.get(each, 0) for each in ("readyReplicas", "replicas")] == [number, number]

        wait_until(ready, f"{number} pods of {track} are ready", seconds=seconds, every=0.5)

    def wait_for_job(self, name: str, seconds: float = 360) -> None:
        """Wait until a Job has ended well; what its pods said is printed where it does not.

        Raises:
            AssertionError: It did not within that time.
        """

        def ends() -> set[str]:
            conditions = self.kubectl.get("job", name).get("status", {}).get("conditions", [])
            return {each["type"] for each in conditions if each["status"] == "True"} & {"Complete", "Failed"}

        def logs() -> str:
            job = f"batch.kubernetes.io/job-name={name}"
            return f"{name} has ended: {self.kubectl('logs', '-l', job, '--all-containers', '--tail=50')}"

        wait_until(ends, logs, seconds=seconds, every=0.5)
        assert ends() == {"Complete"}, logs()


def make_room(node: Node) -> None:
    """Have no release of a run that was broken off, or that people have looked at on a node started by hand."""
    selector = ",".join(f"{key}={value}" for key, value in HOLDS_RELEASE.items())
    node.kubectl("delete", "namespace,persistentvolume", "--selector", selector, f"--timeout={LONGEST}")
    node.worker.clear_volumes()


def ask(
    node: Node,
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    kind: str = "application/json",
    host: str = "",
) -> httpx.Response:
    """An answer, asked for from the node's network."""
    headers = {"Content-Type": kind, **({"Host": host} if host else {})}
    return node.space.call(
        httpx.request, method, url, content=body, headers=headers, timeout=30, follow_redirects=True, trust_env=False
    )


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
