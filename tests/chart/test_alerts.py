"""The chart's rules for three releases that one Prometheus scrapes: none fires for another, nor leaves it unnoticed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.chart import Helm, pods_of
from tests.chart.matrix import BACKUPS
from tests.monitoring.files import alerts
from tests.servers import tools

# Two releases in one namespace, whose names begin alike, and one of the same name elsewhere.
RELEASES = (("demo", "one"), ("demo", "one-more"), ("other", "one"))


@pytest.fixture(scope="module")
def rules(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the rules of each release, as prometheus-operator gives them to Prometheus."""
    folder = tmp_path_factory.mktemp("rules")
    for number, (namespace, release) in enumerate(RELEASES):
        (rule,) = helm.template(release=release, namespace=namespace, only="templates/prometheusrule.yaml")
        (folder / f"rules-{number}.yaml").write_text(yaml.safe_dump(rule["spec"]))
    return folder


def of(namespace: str, release: str, metric: str, values: str, **labels: str) -> dict[str, str]:
    """A series that the ServiceMonitors of a release bring."""
    every = {"namespace": namespace, "release": release, "service": f"{release}-api", "job": "dandelion", **labels}
    return series(metric, values, **every)


def series(metric: str, values: str, **labels: str) -> dict[str, str]:
    selector = ", ".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
    return {"series": f"{metric}{{{selector}}}", "values": values}


def fired(*found: tuple[str, str, str]) -> list[dict[str, Any]]:
    """What a count of alerts by name, namespace and release is."""
    return [
        {"labels": f'{{alertname="{name}", namespace="{namespace}", release="{release}"}}', "value": 1}
        for name, namespace, release in found
    ]


def healthy(namespace: str, release: str) -> list[dict[str, str]]:
    return [
        of(namespace, release, "up", "1x200"),
        of(namespace, release, "dandelion_build_info", "1x200"),
        of(namespace, release, "mysql_up", "1x200", job="mysql", service=f"{release}-mysql"),
    ]


def holds(folder: Path, name: str, given: list[dict[str, str]], expected: list[dict[str, Any]]) -> None:
    """Promtool finds that these alerts, and no others, fire after three hours."""
    tested = {
        "rule_files": [file.name for file in sorted(folder.glob("rules-*.yaml"))],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": given,
                "promql_expr_test": [
                    {
                        "expr": 'group by (alertname, namespace, release) (ALERTS{alertstate="firing"})',
                        "eval_time": "180m",
                        "exp_samples": expected,
                    }
                ],
            }
        ],
    }
    (folder / f"{name}.test.yaml").write_text(yaml.safe_dump(tested))
    argv = [str(tools.find("promtool")), "test", "rules", f"{name}.test.yaml"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_fires_while_all_is_well(rules: Path) -> None:
    holds(rules, "well", [each for release in RELEASES for each in healthy(*release)], [])


@pytest.mark.parametrize("gone", [("demo", "one"), ("demo", "one-more")])
def test_an_api_that_is_gone_is_noticed_by_its_own_release_alone(rules: Path, gone: tuple[str, str]) -> None:
    """Missing series have no labels, and without its namespace Alertmanager would notify nobody."""
    given = [each for release in RELEASES if release != gone for each in healthy(*release)]
    holds(rules, "gone", given, fired(("APIDown", *gone)))


def test_a_part_that_fails_is_noticed_by_its_own_release_alone(rules: Path) -> None:
    namespace, release = broken = ("demo", "one-more")
    given = [each for every in RELEASES if every != broken for each in healthy(*every)]
    given += [
        of(*broken, "up", "1x200"),
        of(*broken, "dandelion_build_info", "1x200"),
        of(*broken, "mysql_up", "0x200", job="mysql", service=f"{release}-mysql"),
        of(*broken, "prediction_duration_seconds_bucket", "0x200", le="1.0", track="stable"),
        of(*broken, "prediction_duration_seconds_bucket", "0+100x200", le="2.5", track="stable"),
        of(*broken, "prediction_duration_seconds_bucket", "0+100x200", le="+Inf", track="stable"),
        of(*broken, "drift_score", "2x200", feature="brightness", version="1"),
        series("kubelet_volume_stats_available_bytes", "5x200", **claim(release)),
        series("kubelet_volume_stats_capacity_bytes", "100x200", **claim(release)),
        series(
            *("kube_pod_container_status_restarts_total", "0+1x200"),
            namespace=namespace,
            pod=f"{release}-api-0",
            container="api",
        ),
        # Somebody else's in the same namespace.
        series("kubelet_volume_stats_available_bytes", "5x200", **claim("theirs")),
        series("kubelet_volume_stats_capacity_bytes", "100x200", **claim("theirs")),
        series(
            *("kube_pod_container_status_restarts_total", "0+1x200"),
            namespace=namespace,
            pod="theirs",
            container="api",
        ),
    ]
    names = ("APIHighLatency", "DataDrift", "DatabaseDown", "PodRestarting", "VolumeFilling")
    holds(rules, "broken", given, fired(*((name, *broken) for name in names)))


def test_a_part_that_fails_is_noticed_where_no_api_runs(rules: Path) -> None:
    """No series says then that the namespace is ours."""
    broken = ("demo", "one-more")
    given = [each for every in RELEASES if every != broken for each in healthy(*every)]
    given += [
        of(*broken, "up", "1x200"),
        of(*broken, "mysql_up", "0x200", job="mysql", service="one-more-mysql"),
    ]
    holds(rules, "alone", given, fired(("DatabaseDown", *broken)))


def test_certificates_are_noticed_wherever_they_are_measured(helm: Helm, tmp_path: Path) -> None:
    """cert-manager and the blackbox exporter run in namespaces of their own, and measure for all releases."""
    for release in ("one", "two"):
        hosts = {"ingress": {"enabled": True, "uiHost": f"{release}.example.com"}}
        (rule,) = helm.template(hosts, release=release, namespace=release, only="templates/prometheusrule.yaml")
        (tmp_path / f"rules-{release}.yaml").write_text(yaml.safe_dump(rule["spec"]))
    manager = {"namespace": "cert-manager", "job": "cert-manager"}
    probe = {"namespace": "monitoring", "job": "probe/monitoring/pages"}
    well = [*healthy("one", "one"), *healthy("two", "two")]
    expiry = "probe_ssl_earliest_cert_expiry"
    probed = [
        series(expiry, "864000x200", instance="https://one.example.com", **probe),
        series(expiry, "86400000x200", instance="https://two.example.com/", **probe),
        series(expiry, "864000x200", instance="https://one.example.com.org", **probe),
        series(expiry, "864000x200", instance="https://theirs.example.com", **probe),
    ]
    holds(tmp_path, "probed", well + probed, fired(("CertificateExpiring", "one", "one")))
    managed = [
        series("certmanager_certificate_expiration_timestamp_seconds", "864000x200", name="web", **each)
        for each in ({**manager, "exported_namespace": "two"}, {**manager, "exported_namespace": "theirs"}, manager)
    ]
    holds(tmp_path, "managed", well + managed, fired(("CertificateExpiring", "two", "two")))


def claim(release: str) -> dict[str, str]:
    return {"namespace": "demo", "persistentvolumeclaim": f"data-{release}-mysql-0"}


def test_every_alert_says_whose_it_is(rules: Path) -> None:
    text = (rules / "rules-0.yaml").read_text()
    every = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    labels = [rule["labels"] for rule in every if "alert" in rule]
    assert len(labels) == len(alerts())
    assert {(each["namespace"], each["release"]) for each in labels} == {("demo", "one")}
    assert '=~".*"' not in text, "a selector still takes the series of every release"


def test_every_monitor_gives_its_series_the_name_of_the_release(helm: Helm) -> None:
    found = [each for each in helm.template(release="one") if each["kind"] == "ServiceMonitor"]
    assert len(found) >= 4
    for each in found:
        for endpoint in each["spec"]["endpoints"]:
            assert {"targetLabel": "release", "replacement": "one"} in endpoint["relabelings"], each["metadata"]["name"]


def test_the_rules_know_the_pods_of_every_part(helm: Helm) -> None:
    """Flow runs have names that Prefect gives them, and tests restart nothing."""
    manifests = helm.template(BACKUPS)
    (spec,) = (each["spec"] for each in manifests if each["kind"] == "PrometheusRule")
    every = " ".join(rule["expr"] for group in spec["groups"] for rule in group["rules"])
    (pattern,) = set(re.findall(r'\bpod=~"([^"]+)"', every))
    for name, labels, _ in pods_of(manifests):
        if labels["app.kubernetes.io/component"] not in {"test", "flow-run"}:
            assert re.fullmatch(pattern, f"{name.partition('/')[2]}-0"), name
