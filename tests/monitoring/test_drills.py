"""Alerts that were seen to fire: real photos, a real Prometheus, and a clock that runs faster than the rules'.

Any test runs alone and in any order: the fixture `watched` waits until what the one before broke is over. In the order
of the file least is waited for, because the hour of clean traffic has begun while the first tests look on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from typing import Any

import pytest

from dandelion.retraining.performance import query_prometheus
from dandelion.settings import RetrainingSettings
from tests.monitoring.conftest import SCALE, WINDOW, Watched, merged, metric
from tests.monitoring.files import alerts, queries, rules
from tests.monitoring.traffic import spoiler
from tests.servers.prometheus import SECONDS

SCRAPE_SECONDS = 2.0
SLACK_SECONDS = 25.0
RESOLVE_SECONDS = 60.0

# What is not there outside of a cluster, and why.
NOT_HERE = {
    r"\b(kube_|kubelet_|container_)": "kube-state-metrics, kubelet and cAdvisor need a cluster",
    r"\bcertmanager_|\bprobe_": "cert-manager and a blackbox exporter need a cluster with certificates",
    r"\bmlflow_": "MLflow's own figures are asked for on the cluster's node",
    r"prefect": "the Prefect server's are, too",
    r"\bmodel_created_timestamp_seconds": "the bundled starter does not say when it was trained",
    r"\bmodel_releases_total": "no release has been made",
    r'status=~"5\.\."|predict_errors': "nothing failed",
    r"journal_lost|journal_photos_lost|prediction_errors": "nothing was lost or refused",
    r"minio_s3_requests_errors": "nothing failed",
    r"offset": "there was no traffic a day ago",
    r"minio_bucket_usage": "MinIO counts its buckets once in a while",
}


def test_every_expression_returns_data_or_is_known_not_to_here(watched: Watched) -> None:
    # What is merged was saved up to two seconds ago, and stays until it is merged again.
    calm = "max(max_over_time(drift_score[6s])) < 1"
    watched.wait(lambda: bool(watched.prometheus.ask(calm)), 60, "no window was filled with photos that do not drift")
    merged(watched)
    watched.wait(lambda: bool(watched.prometheus.ask("drift_merged_score")), 20, "the merged drift was never scraped")
    silent: dict[str, str] = {}
    answered = 0
    asked = [*queries(), *((f"rule {rule.get('alert') or rule['record']}", rule["expr"]) for rule in rules())]
    for where, expr in asked:
        found = bool(watched.prometheus.ask(expr))
        if not found and where.startswith("rule"):
            # An alert's expression is silent as long as all is well: what it looks at must be there.
            found = any(watched.prometheus.ask(name) for name in names(expr))
        if found:
            answered += 1
            continue
        reason = next((why for pattern, why in NOT_HERE.items() if re.search(pattern, expr)), None)
        silent[f"{where}: {expr}"] = reason or "UNKNOWN"
    print(f"{answered} of {len(asked)} expressions return data; silent here:")
    for where, reason in silent.items():
        print(f"  {' '.join(where.split())[:110]}: {reason}")
    assert [where for where, reason in silent.items() if reason == "UNKNOWN"] == []


def names(expr: str) -> list[str]:
    """Metrics that an expression looks at."""
    return [name for name in set(re.findall(r"[a-z][a-z0-9_:]+", expr)) if "_" in name or name == "up"]


def number(watched: Watched, expr: str) -> float:
    return sum(float(each["value"][1]) for each in watched.prometheus.ask(expr))


def test_figures_of_two_processes_add_up_and_outlive_a_restart(watched: Watched) -> None:
    def counted() -> bool:
        here = sum(metric(api.url, "predictions_total") for api in watched.apis)
        return here > 0 and number(watched, "sum(predictions_total)") == pytest.approx(here, rel=0.1)

    watched.wait(counted, 60, "the sum over two processes is not what they have answered")
    canary = watched.apis[1]
    answered = metric(canary.url, "predictions_total")
    since = time.monotonic()
    canary.stop()
    canary.start()
    watched.away_seconds = time.monotonic() - since
    watched.traffic.failures.clear()
    assert metric(canary.url, "predictions_total") < answered
    watched.wait(lambda: metric(canary.url, "model_accuracy_samples") > 50, 20, "accuracy did not come back")
    assert metric(canary.url, "retraining_last_success_timestamp_seconds") > 1.7e9
    span = "increase({__name__='predictions_total', track='canary'}[2m])"
    watched.wait(lambda: sum(float(each["value"][1]) for each in watched.prometheus.ask(span)) > 0, 20, "no increase")


def test_a_retraining_asks_prometheus_about_the_version_that_serves(watched: Watched) -> None:
    limits = RetrainingSettings.model_validate({"prometheus_url": watched.prometheus.url, "window": "24h"})
    serving = watched.prometheus.ask('model_info{track="stable"}')[0]["metric"]["version"]
    watched.wait(lambda: query_prometheus(limits, serving, tested=None).labels > 50, 60, "no label was found")
    metrics = query_prometheus(limits, serving, tested=0.9)
    assert metrics.accuracy is not None
    assert metrics.accuracy > 0.5
    assert metrics.p95_seconds is not None
    other = query_prometheus(limits, "another", tested=None)
    assert (other.accuracy, other.labels) == (None, 0)


def test_an_hour_of_clean_traffic_raises_no_alarm(watched: Watched) -> None:
    time.sleep(max(0.0, watched.calm_since + 3600 / SCALE - time.monotonic()))
    raised = {
        f"{each['metric']['alertname']} {each['metric'].get('feature', '')}"
        for each in watched.prometheus.ask(f"max_over_time(ALERTS{{alertstate='firing'}}[{3600 / SCALE:.0f}s])")
    }
    slowest = watched.traffic.slowest_p95()
    print(f"{watched.traffic.answered} photos, slowest p95 {slowest:.2f} s, raised: {raised or 'nothing'}")
    # Where others take the machine from the API, answers are slow indeed, and the alarms that say so are not false.
    true = {"APIHighLatency ", "APIDown "} if slowest > 1 else set()
    # To a clock that runs so fast, the seconds of the restart may be the minutes after which somebody is told.
    if watched.away_seconds + 2 * SCRAPE_SECONDS > waits("APIDown"):
        true.add("APIDown ")
    assert raised <= true
    arrived = [
        alert for at, _, alert in watched.webhook.told if at > watched.calm_since and alert["status"] == "firing"
    ]
    assert {alert["labels"]["alertname"] + " " for alert in arrived} <= true
    assert watched.traffic.failures == []


def waits(name: str) -> float:
    """How long a cause may last at most before its alert is told: the rule's longest short range and its wait."""
    rule = next(rule for rule in alerts() if rule["alert"] == name)
    durations = [rule.get("for", "0s"), *re.findall(r"\[(\d+[smh])\]", rule["expr"])]
    lengths = [int(each[:-1]) * SECONDS[each[-1]] for each in durations]
    return (lengths[0] + min([each for each in lengths[1:] if each <= 900] or [0])) / SCALE


def told(
    watched: Watched,
    name: str,
    cause: Callable[[], None],
    detection_seconds: float,
    features: Collection[str] = ("",),
    *,
    photos: int = 0,
) -> dict[str, Any]:
    """Let something go wrong, and see its alert arrive in time with its runbook; return it."""
    assert name not in watched.prometheus.firing()
    watched.is_broken = True
    since, answered = time.monotonic(), watched.traffic.answered
    cause()
    # What is told by photos is told after so many of them, however long they take to come.
    watched.wait(lambda: watched.traffic.answered >= answered + photos, 240, f"{photos} photos were not answered")
    came = time.monotonic() - since

    def found() -> dict[str, Any] | None:
        arrived = [watched.webhook.firing(name, since, feature) for feature in features]
        return next((each for each in arrived if each is not None), None)

    limit = detection_seconds + waits(name) + SLACK_SECONDS
    took = watched.wait(lambda: found() is not None, limit, f"{name} was not told")
    alert = found()
    assert alert is not None
    print(
        f"{name} told {took:.1f} s, of at most {limit:.0f} s, after what tells of it ({came:.1f} s): "
        f"{alert['annotations']['description']}"
    )
    assert alert["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{name}.md")
    return alert


@pytest.mark.parametrize(
    ("kind", "features"),
    [
        ("blur", {"sharpness"}),
        ("darkening", {"brightness"}),
        ("colour shift", {"red_green", "yellow_blue"}),
        ("noise", {"sharpness"}),
        ("other subject", {"embedding"}),
    ],
)
def test_drifted_photos(watched: Watched, kind: str, features: set[str]) -> None:
    spoil = spoiler(kind)
    window = WINDOW * len(watched.apis)
    alert = told(
        watched, "DataDrift", lambda: setattr(watched.traffic, "spoil", spoil), 5, features, photos=int(1.25 * window)
    )
    assert alert["labels"]["feature"] in features
    if kind == "other subject":
        surge = "OutOfDistributionSurge"
        watched.wait(lambda: surge in watched.prometheus.firing(), 30 + waits(surge), f"{surge} does not fire")
        watched.wait(lambda: surge in watched.alertmanager.suppressed(), 20, f"{surge} is not held back by its cause")


def test_latency(watched: Watched) -> None:
    told(watched, "APIHighLatency", lambda: setattr(watched.traffic, "dawdle_seconds", 1.6), 5)


def test_wrong_labels(watched: Watched) -> None:
    name = "ModelAccuracyDrop"
    told(watched, name, lambda: setattr(watched.traffic, "lie", True), 60)

    def receivers() -> set[str]:
        return {path for _, path, alert in watched.webhook.told if alert["labels"]["alertname"] == name}

    watched.wait(lambda: receivers() >= {"retrain", "page"}, 20, f"{name} was not told to both")
    assert receivers() == {"retrain", "page"}


def test_mysql_stopped(watched: Watched) -> None:
    answered = watched.traffic.answered
    told(watched, "DatabaseDown", watched.mysql.stop, 10)
    backlog = "JournalBacklog"
    watched.wait(lambda: backlog in watched.prometheus.firing(), 60 + waits(backlog), f"{backlog} does not fire")
    watched.wait(lambda: backlog in watched.alertmanager.suppressed(), 20, f"{backlog} is not held back by its cause")
    assert watched.traffic.answered > answered
    watched.mysql.start()
    both = {"DatabaseDown", backlog}
    watched.wait(lambda: not both & watched.prometheus.firing(), 2 * RESOLVE_SECONDS, "it does not resolve")
