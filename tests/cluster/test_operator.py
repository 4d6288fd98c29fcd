"""The chart's monitors and rules as a real prometheus-operator takes them up, and what its Prometheus then sees."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.chart import copy_chart
from tests.cluster import monitoring
from tests.cluster.control_plane import NODE
from tests.cluster.monitoring import Monitoring
from tests.cluster.node import Node
from tests.cluster.release import NAME, Release, within
from tests.photos import labelled_photos
from tests.watch.files import queries, rules

NAMESPACE = "watched"
# One API pod more than one, so that each is seen to be asked; the page tells Prometheus nothing.
# Policies let Prometheus in from the namespace that is named alone.
VALUES = {
    "global.monitoring.enabled": "true",
    "global.monitoring.namespaces[0]": monitoring.NAMESPACE,
    "mysql.metrics.enabled": "true",
    "ui.enabled": "false",
    "api.autoscaling.minReplicas": "2",
    "api.resources.requests.cpu": "150m",
    "quota.enabled": "false",
}
JOBS = {"dandelion": 2, "mysql": 1, "minio": 1, "mlflow": 1, "prefect-server": 1}
# What is only there in a cluster, or with a server that other tests do without.
OF_A_CLUSTER = re.compile(r'\bkubelet_|\bcontainer_|\bmlflow_|job=~"prefect|\bmysql_|\bminio_')
SILENT = {
    r"minio_s3_requests_errors": "nothing failed",
    r"minio_bucket_usage": "MinIO counts its buckets once in a while",
    r"\bkube_": "kube-state-metrics is not there",
    r'container!=""': "cAdvisor looks for containerd at its usual socket, and this node's lies elsewhere",
}


@pytest.fixture(scope="module")
def release(
    node: Node, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Release, Monitoring]]:
    """A release that is watched, and what watches it from another namespace."""
    found = Release(node, NAMESPACE, copy_chart(tmp_path_factory.mktemp("watched") / "dandelion"), images, VALUES)
    stack = Monitoring(node, NAME, {name: images[name] for name in monitoring.IMAGES})
    begin = time.monotonic()
    found.make_room()
    stack.start()
    found.install()
    assert within(120, lambda: stack.is_ready), stack.said()
    print(f"\noperator, release and Prometheus are there after {time.monotonic() - begin:.0f} s")
    yield found, stack
    found.leave()
    stack.leave()


@pytest.fixture(scope="module")
def watched(release: tuple[Release, Monitoring]) -> Release:
    return release[0]


@pytest.fixture(scope="module")
def stack(release: tuple[Release, Monitoring]) -> Monitoring:
    return release[1]


def test_every_monitor_becomes_a_pool_whose_targets_are_up(watched: Release, stack: Monitoring) -> None:
    monitors = watched.kubectl.get("servicemonitors")["items"]
    wanted = {
        f"serviceMonitor/{NAMESPACE}/{each['metadata']['name']}/{number}"
        for each in monitors
        for number in range(len(each["spec"]["endpoints"]))
    }
    assert len(wanted) == len(JOBS)
    assert set(stack.ask("scrape_pools")["scrapePools"]) >= wanted, stack.said()

    def targets() -> list[dict[str, Any]]:
        found = stack.ask("targets", state="active")["activeTargets"]
        return [each for each in found if each["scrapePool"] in wanted]

    def up() -> dict[str, int]:
        jobs = [each["labels"]["job"] for each in targets() if each["health"] == "up"]
        return {job: jobs.count(job) for job in jobs}

    assert within(120, lambda: up() == JOBS), [(each["scrapeUrl"], each["lastError"]) for each in targets()]
    assert len(targets()) == sum(JOBS.values())
    print(f"\n{len(wanted)} monitors of the chart, {len(targets())} targets up: {up()}")


def test_the_node_and_its_kubelet_are_up(stack: Monitoring) -> None:
    assert within(90, lambda: stack.value('min(up{job="node-exporter"})') == 1)
    assert within(90, lambda: stack.value('count(up{job="kubelet"} == 1)') == 2)
    assert stack.value("count(node_uname_info)") == 1
    assert stack.value(f'kubelet_node_name{{node="{NODE}"}}') == 1


def test_every_alert_is_loaded_and_evaluated_without_an_error(watched: Release, stack: Monitoring) -> None:
    (resource,) = watched.kubectl.get("prometheusrules")["items"]
    wanted = sorted(
        (group["name"], rule.get("alert") or rule["record"])
        for group in resource["spec"]["groups"]
        for rule in group["rules"]
    )
    assert len(wanted) == len(rules())

    def loaded() -> list[tuple[str, dict[str, Any]]]:
        return [(group["name"], rule) for group in stack.ask("rules")["groups"] for rule in group["rules"]]

    assert within(90, lambda: sorted((group, rule["name"]) for group, rule in loaded()) == wanted), stack.said()
    assert within(120, lambda: all(rule["health"] != "unknown" for _, rule in loaded()))
    bad = {
        rule["name"]: rule.get("lastError") for _, rule in loaded() if rule["health"] != "ok" or rule.get("lastError")
    }
    assert bad == {}
    alerts = [rule for _, rule in loaded() if rule["type"] == "alerting"]
    firing = sorted(rule["name"] for rule in alerts if rule["state"] == "firing")
    print(f"\n{len(loaded())} rules evaluated, {len(alerts)} of them alerts; firing: {firing}")
    assert "APIDown" not in firing
    assert "DatabaseDown" not in firing


def test_a_photo_that_was_answered_is_counted(watched: Release, stack: Monitoring) -> None:
    (label, photo), *_ = labelled_photos(1)
    for _ in range(4):
        assert watched.ask("POST", "/predict", body=photo).status_code == 200
    expression = f'sum(predictions_total{{namespace="{NAMESPACE}", label="{label}"}})'
    assert within(60, lambda: (stack.value(expression) or 0) >= 4)
    assert stack.value(f'min(mysql_up{{namespace="{NAMESPACE}"}})') == 1


def test_what_dashboards_ask_of_a_cluster_is_there(stack: Monitoring) -> None:
    asked = [(where, expr) for where, expr in queries() if OF_A_CLUSTER.search(expr)]
    silent: dict[str, str] = {}

    def unanswered() -> dict[str, str]:
        silent.clear()
        silent.update((expr, where) for where, expr in asked if not stack.ask("query", query=expr)["result"])
        return {expr: where for expr, where in silent.items() if not any(re.search(why, expr) for why in SILENT)}

    assert within(120, lambda: unanswered() == {}), unanswered()
    print(f"\n{len(asked) - len(silent)} of {len(asked)} expressions return data; silent: {sorted(silent)}")
