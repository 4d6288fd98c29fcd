"""The part of kube-prometheus-stack, which no package registry has, played by the programs that it installs.

prometheus-operator and its rights are its module's own; Prometheus is asked for as the stack asks for it with our
chart's values, beside an exporter of the node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlencode

import yaml

from tests.chart.chart import ROOT, read_yaml
from tests.cluster.fixtures import RESTRICTED
from tests.cluster.node import Node
from tests.cluster.release import HOLDS_RELEASE, ask
from tests.servers.tools.charts import OPERATOR, OPERATOR_VERSION
from tests.servers.tools.go import module_folder
from tests.servers.tools.schemas import definitions

IMAGES = ("prometheus", "node-exporter", "prometheus-operator", "prometheus-config-reloader")
NAMESPACE = "monitoring"
# node-exporter sees the host's network and processes, which "restricted" forbids.
NODE_NAMESPACE = "monitoring-node"
KUBELET_NAMESPACE = "kube-system"

_GROUP = "monitoring.coreos.com"

Manifest = dict[str, Any]


class Monitoring:
    """Prometheus over one release.

    Args:
        node: Where.
        release: Whose monitors and rules it takes.
        images: Names of `IMAGES` there.
    """

    def __init__(self, node: Node, release: str, images: Mapping[str, str]) -> None:
        self._node = node
        self._kubectl = node.kubectl.within(NAMESPACE)
        self._release = release
        self._images = images
        self._values = read_yaml(ROOT / "values.yaml")["kube-prometheus-stack"]

    def start(self) -> None:
        """Have its definitions, which the chart needs, the operator, and what the operator is to make."""
        # Some are longer than the annotation that a plain apply keeps.
        self._apply("--server-side", objects=self._definitions())
        every = [f"crd/{each['metadata']['name']}" for each in self._definitions()]
        self._node.kubectl("wait", "--for=condition=Established", "--timeout=60s", *every)
        for name, labels in ((NAMESPACE, RESTRICTED), (NODE_NAMESPACE, {})):
            metadata = {"name": name, "labels": {**labels, **HOLDS_RELEASE}}
            self._node.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        self._apply(objects=self._objects())

    @property
    def is_ready(self) -> bool:
        """Whether the operator has made Prometheus, and it answers."""
        return self._kubectl.succeeds("wait", "--for=condition=Available", "--timeout=1s", "prometheus/prometheus")

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of Prometheus' own API."""
        address = self._kubectl.get("pod", "prometheus-prometheus-0")["status"]["podIP"]
        answer = ask(self._node, "GET", f"http://{address}:9090/api/v1/{path}?{urlencode(parameters)}")
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def value(self, expression: str) -> float | None:
        """What an expression of one series is, or nothing."""
        found = self.ask("query", query=expression)["result"]
        return float(found[0]["value"][1]) if found else None

    def said(self) -> str:
        """The end of what the operator has to say, for when something is missing."""
        return self._kubectl("logs", "deployment/prometheus-operator", "--tail=30")

    def _apply(self, *options: str, objects: list[Manifest]) -> None:
        self._node.kubectl("apply", *options, "-f", "-", given=yaml.safe_dump_all(objects))

    @staticmethod
    def _definitions() -> list[Manifest]:
        return [each for each in definitions() if each["spec"]["group"] == _GROUP]

    def _objects(self) -> list[Manifest]:
        return [*self._rights(), self._operator(), self._prometheus(), *self._node_exporter(), self._kubelet()]

    def _rights(self) -> list[Manifest]:
        """Accounts and roles of the operator and of Prometheus, as the operator's module has them."""
        found = []
        for who in ("prometheus-operator", "prometheus"):
            for what in ("service-account", "cluster-role", "cluster-role-binding"):
                each = _example(f"{who}/{who}-{what}")
                if each["kind"] == "ServiceAccount":
                    each["metadata"]["namespace"] = NAMESPACE
                for subject in each.get("subjects", ()):
                    subject["namespace"] = NAMESPACE
                found.append(each)
        return found

    def _operator(self) -> Manifest:
        deployment = _example("prometheus-operator/prometheus-operator-deployment")
        deployment["metadata"]["namespace"] = NAMESPACE
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        container["image"] = self._images["prometheus-operator"]
        container["command"] = ["/bin/prometheus-operator"]
        container["resources"] = self._values["prometheusOperator"]["resources"]
        container["args"] = [
            f"--kubelet-service={KUBELET_NAMESPACE}/kubelet",
            f"--prometheus-config-reloader={self._images['prometheus-config-reloader']}",
        ]
        return deployment

    def _prometheus(self) -> Manifest:
        """As the stack makes it, with the values that our chart gives to it."""
        given = dict(self._values["prometheus"]["prometheusSpec"])
        given["storage"] = given.pop("storageSpec")
        for kind in ("serviceMonitor", "podMonitor", "probe", "rule", "scrapeConfig"):
            given[f"{kind}Selector"] = {"matchLabels": {"release": self._release}}
            given[f"{kind}NamespaceSelector"] = {}
        own = {"runAsUser": 1000, "runAsGroup": 2000, "fsGroup": 2000, "runAsNonRoot": True}
        spec = {
            "image": self._images["prometheus"],
            # Debian's is older than the one that the operator would install, and knows fewer words of configuration.
            "version": "v3.5.0",
            "serviceAccountName": "prometheus",
            "securityContext": {**own, "seccompProfile": {"type": "RuntimeDefault"}},
            "portName": "http-web",
            **given,
        }
        return {**_named("Prometheus", "prometheus", NAMESPACE), "spec": spec}

    def _node_exporter(self) -> list[Manifest]:
        labels = {"app.kubernetes.io/name": "node-exporter"}
        container = {
            "name": "node-exporter",
            "image": self._images["node-exporter"],
            "args": ["--path.rootfs=/host"],
            "ports": [{"name": "metrics", "containerPort": 9100}],
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
            "securityContext": {"readOnlyRootFilesystem": True, "runAsNonRoot": True, "runAsUser": 65534},
            "volumeMounts": [{"name": "root", "mountPath": "/host", "readOnly": True}],
        }
        pod = {
            "hostNetwork": True,
            "hostPID": True,
            "automountServiceAccountToken": False,
            "containers": [container],
            "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
        }
        template = {"metadata": {"labels": labels}, "spec": pod}
        selector = {"matchLabels": labels}
        port = {"name": "metrics", "port": 9100, "targetPort": "metrics"}
        service = _named("Service", "node-exporter", NODE_NAMESPACE, labels)
        service["spec"] = {"clusterIP": "None", "selector": labels, "ports": [port]}
        daemon = _named("DaemonSet", "node-exporter", NODE_NAMESPACE, labels)
        return [
            {**daemon, "spec": {"selector": selector, "template": template}},
            service,
            self._monitor("node-exporter", NODE_NAMESPACE, selector, [{"port": "metrics"}]),
        ]

    def _kubelet(self) -> Manifest:
        """The kubelet's own figures and its containers', behind the Service that the operator keeps for it."""
        endpoint = {
            "port": "https-metrics",
            "scheme": "https",
            "bearerTokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token",
            "tlsConfig": {"insecureSkipVerify": True},
            "honorLabels": True,
            # Both paths of one address are told apart by nothing else.
            "relabelings": [{"sourceLabels": ["__metrics_path__"], "targetLabel": "metrics_path"}],
        }
        endpoints = [endpoint, {**endpoint, "path": "/metrics/cadvisor"}]
        selector = {"matchLabels": {"app.kubernetes.io/name": "kubelet"}}
        monitor = self._monitor("kubelet", NAMESPACE, selector, endpoints)
        monitor["spec"]["namespaceSelector"] = {"matchNames": [KUBELET_NAMESPACE]}
        return monitor

    def _monitor(self, name: str, namespace: str, selector: Manifest, endpoints: list[Manifest]) -> Manifest:
        monitor = _named("ServiceMonitor", name, namespace, {"release": self._release})
        return {**monitor, "spec": {"jobLabel": "app.kubernetes.io/name", "selector": selector, "endpoints": endpoints}}


_VERSIONS = {"Service": "v1", "DaemonSet": "apps/v1"}


def _named(kind: str, name: str, namespace: str, labels: Mapping[str, str] | None = None) -> Manifest:
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
    return {"apiVersion": _VERSIONS.get(kind, f"{_GROUP}/v1"), "kind": kind, "metadata": metadata}


def _example(name: str) -> Manifest:
    """One of the manifests that the operator's module shows."""
    return cast(Manifest, read_yaml(module_folder(OPERATOR, OPERATOR_VERSION) / f"example/rbac/{name}.yaml"))
