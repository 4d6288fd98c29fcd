"""Programs that tests use: those on PATH, else installed once into a cache outside the tree.

python -m tests.servers.tools [NAME...]       # installs what is missing, and says where it is
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.servers.tools import charts, clients, debian, go, java, kubernetes, python, schemas
from tests.servers.tools.install import CACHE, ToolMissingError, alone, on_path

__all__ = ["CACHE", "TOOLS", "ToolMissingError", "find", "on_path"]

TOOLS: dict[str, Callable[[], Path]] = {
    # Servers.
    "mariadb": debian.mariadb,
    "mysql": debian.mysql_root,
    "chromium": debian.chromium,
    "minio": go.MINIO.find,
    "versitygw": go.VERSITYGW.find,
    "toxiproxy": go.TOXIPROXY.find,
    "nginx": partial(debian.by_unpacking, "nginx", "nginx"),
    "prometheus": partial(debian.by_unpacking, "prometheus", "prometheus"),
    "promtool": partial(debian.by_unpacking, "prometheus", "promtool"),
    "alertmanager": debian.alertmanager,
    "amtool": partial(debian.by_unpacking, "prometheus-alertmanager", "amtool"),
    "node-exporter": partial(debian.by_unpacking, "prometheus-node-exporter", "prometheus-node-exporter"),
    "mysqld-exporter": partial(debian.by_unpacking, "prometheus-mysqld-exporter", "prometheus-mysqld-exporter"),
    "envoy": python.envoy,
    # Clients.
    "curl": partial(debian.by_apt, "curl", "curl"),
    "open-inference-clients": clients.open_inference_clients,
    "perf-analyzer": clients.perf_analyzer,
    # Languages.
    "java": partial(debian.by_apt, "default-jdk-headless", "java"),
    "node": python.node,
    "go": partial(debian.by_apt, "golang-go", "go"),
    "mcs": partial(debian.by_apt, "mono-mcs", "mcs"),
    "dotnet": python.dotnet,
    "okhttp": java.okhttp,
    # Charts.
    "helm": charts.HELM.find,
    "helm3": charts.HELM3.find,
    "helm-unittest": charts.HELM_UNITTEST.find,
    "kubeconform": charts.KUBECONFORM.find,
    "kube-score": charts.KUBE_SCORE.find,
    "helm-docs": charts.HELM_DOCS.find,
    "helm-values-schema-json": charts.HELM_SCHEMA.find,
    "schemas": schemas.schemas,
    "shellcheck": partial(debian.by_unpacking, "shellcheck", "shellcheck"),
    # Clusters.
    **{name: program.find for name, program in kubernetes.KUBERNETES.items()},
    "etcd": kubernetes.ETCD.find,
    "coredns": kubernetes.COREDNS.find,
    "metrics-server": kubernetes.METRICS_SERVER.find,
    "netpol": kubernetes.NETPOL.find,
    "kwok": kubernetes.KWOK.find,
    "contour": kubernetes.CONTOUR.find,
    "prometheus-operator": charts.PROMETHEUS_OPERATOR.find,
    "prometheus-config-reloader": charts.CONFIG_RELOADER.find,
}


def find(name: str) -> Path:
    """Where the tool is, installed if it was missing.

    Raises:
        ToolMissingError: It cannot be had on this machine; says what to do.
    """
    if os.environ.get("TESTS_TIER") == "quick":
        raise ToolMissingError(f"a quick test asks for {name}, which tests/tiers.py did not foresee: mark it `proof`")
    with alone(name):
        return TOOLS[name]()
