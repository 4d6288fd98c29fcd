"""What retraining asks Prometheus: about its own installation, where several are in one Prometheus."""

from __future__ import annotations

import httpx
import pytest
from pydantic import ValidationError

from dandelion.errors import MonitoringError
from dandelion.retraining import performance
from dandelion.settings import RetrainingSettings


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The expressions that Prometheus is asked for."""
    expressions: list[str] = []

    def query(_: httpx.Client, expression: str) -> tuple[float, dict[str, str]] | None:
        expressions.append(expression)
        return (1.0, {}) if "model_info" in expression and len(expressions) == 1 else None

    monkeypatch.setattr(performance, "_query", query)
    return expressions


def limits(**labels: str) -> RetrainingSettings:
    return RetrainingSettings.model_validate({"prometheus_url": "http://prometheus:9090", "prometheus_labels": labels})


def test_every_series_is_of_the_labels_that_the_settings_name(asked: list[str]) -> None:
    performance.query_prometheus(limits(namespace="photos", release="one"), "3", tested=None)
    selectors = [each for expression in asked for each in expression.split("{")[1:]]
    assert len(selectors) >= 10
    assert all(each.startswith('namespace="photos", release="one"') for each in selectors), selectors


def test_a_metric_alone_is_selected_where_no_labels_are_named(asked: list[str]) -> None:
    performance.query_prometheus(limits(), "3", tested=None)
    assert any("prediction_duration_seconds_bucket{}[24h]" in each for each in asked)
    assert not any("namespace" in each for each in asked)


def test_metrics_of_no_installation_are_no_metrics_that_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus scrapes others only: the database decides, as without Prometheus."""
    monkeypatch.setattr(performance, "_query", lambda *_: None)
    with pytest.raises(MonitoringError, match=r'no series model_info with the labels .*"release": "one"'):
        performance.query_prometheus(limits(namespace="photos", release="one"), "3", tested=None)


def test_a_label_that_prometheus_cannot_have_is_refused() -> None:
    with pytest.raises(ValidationError, match="prometheus_labels"):
        limits(**{"kubernetes.io/name": "photos"})
