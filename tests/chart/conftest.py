"""The chart, rendered by both versions of Helm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chart.chart import Helm, Manifest, copy_chart
from tests.chart.matrix import MATRIX, Case


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the chart with a placeholder for what is fetched."""
    return copy_chart(tmp_path_factory.mktemp("chart") / "dandelion")


@pytest.fixture(scope="session", params=["helm", "helm3"])
def either_helm(request: pytest.FixtureRequest, chart: Path) -> Helm:
    """Helm 4, then Helm 3."""
    return Helm(request.param, chart)


@pytest.fixture(scope="session")
def helm(chart: Path) -> Helm:
    """Helm 4."""
    return Helm("helm", chart)


@pytest.fixture(scope="session")
def rendered(helm: Helm) -> Callable[[Case], list[Manifest]]:
    """A case's manifests, rendered once."""
    held: dict[str, list[Manifest]] = {}

    def render(case: Case) -> list[Manifest]:
        if case.name not in held:
            held[case.name] = helm.template(case.values, files=case.files, release=case.release)
        return held[case.name]

    return render


@pytest.fixture(params=MATRIX, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    """Every way of installing the chart."""
    found: Case = request.param
    return found


@pytest.fixture
def manifests(case: Case, rendered: Callable[[Case], list[Manifest]]) -> list[Manifest]:
    """Its manifests."""
    return rendered(case)
