"""The chart's monitors and rules as a real prometheus-operator takes them up, and what its Prometheus then sees."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.cluster.control_plane import NODE
from tests.cluster.monitoring import Monitoring
from tests.cluster.release import Release
from tests.monitoring.files import queries, rules
from tests.photos import labelled_photos
from tests.waiting import wait_until

# One API pod more than one, so that each is seen to be asked; the page tells Prometheus nothing.
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
def stack(monitoring: Monitoring, release: Release) -> Monitoring:
    """What watches the release, from another namespace."""
    del release  # there is nothing to watch before it
    wait_until(lambda: monitoring.is_ready, monitoring.said, seconds=240, every=1)
    return monitoring


def test_every_monitor_becomes_a_pool_whose_targets_are_up(release: Release, stack: Monitoring) -> None:
    monitors = release.kubectl.get("servicemonitors")["items"]
    wanted = {
        f"serviceMonitor/{release.namespace}/{each['metadata']['name']}/{number}"
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

    wait_until(
        lambda: up() == JOBS,
        lambda: [(each["scrapeUrl"], each["lastError"]) for each in targets()],
        seconds=240,
        every=0.5,
    )
    assert len(targets()) == sum(JOBS.values())
    print(f"\n{len(wanted)} monitors of the chart, {len(targets())} targets up: {up()}")


def test_the_node_and_its_kubelet_are_up(stack: Monitoring) -> None:
    for expression, value in (('min(up{job="node-exporter"})', 1), ('count(up{job="kubelet"} == 1)', 2)):
        wait_until(lambda: stack.value(expression) == value, expression, seconds=180, every=0.5)  # noqa: B023 -- runs here
    assert stack.value("count(node_uname_info)") == 1
    assert stack.value(f'kubelet_node_name{{node="{NODE}"}}') == 1


def test_every_alert_is_loaded_and_evaluated_without_an_error(release: Release, stack: Monitoring) -> None:
    (resource,) = release.kubectl.get("prometheusrules")["items"]
    wanted = sorted(
        (group["name"], rule.get("alert") or rule["record"])
        for group in resource["spec"]["groups"]
        for rule in group["rules"]
    )
    assert len(wanted) == len(rules())

    def loaded() -> list[tuple[str, dict[str, Any]]]:
        return [(group["name"], rule) for group in stack.ask("rules")["groups"] for rule in group["rules"]]

    wait_until(
        lambda: sorted((group, rule["name"]) for group, rule in loaded()) == wanted, stack.said, seconds=180, every=0.5
    )
    wait_until(
        lambda: all(rule["health"] != "unknown" for _, rule in loaded()), "all are evaluated", seconds=240, every=0.5
    )
    bad = {
        rule["name"]: rule.get("lastError") for _, rule in loaded() if rule["health"] != "ok" or rule.get("lastError")
    }
    assert bad == {}
    alerts = [rule for _, rule in loaded() if rule["type"] == "alerting"]
    firing = sorted(rule["name"] for rule in alerts if rule["state"] == "firing")
    print(f"\n{len(loaded())} rules evaluated, {len(alerts)} of them alerts; firing: {firing}")
    assert "APIDown" not in firing
    assert "DatabaseDown" not in firing


def test_a_photo_that_was_answered_is_counted(release: Release, stack: Monitoring) -> None:
    (label, photo), *_ = labelled_photos(1)
    for _ in range(4):
        assert release.ask("POST", "/predict", body=photo).status_code == 200
    expression = f'sum(predictions_total{{namespace="{release.namespace}", label="{label}"}})'
    wait_until(lambda: (stack.value(expression) or 0) >= 4, expression, seconds=120, every=0.5)
    assert stack.value(f'min(mysql_up{{namespace="{release.namespace}"}})') == 1


def test_what_dashboards_ask_of_a_cluster_is_there(stack: Monitoring) -> None:
    asked = [(where, expr) for where, expr in queries() if OF_A_CLUSTER.search(expr)]
    silent: dict[str, str] = {}

    def unanswered() -> dict[str, str]:
        silent.clear()
        silent.update((expr, where) for where, expr in asked if not stack.ask("query", query=expr)["result"])
        return {expr: where for expr, where in silent.items() if not any(re.search(why, expr) for why in SILENT)}

    wait_until(lambda: unanswered() == {}, unanswered, seconds=240, every=2)
    print(f"\n{len(asked) - len(silent)} of {len(asked)} expressions return data; silent: {sorted(silent)}")
