"""The chart, rendered by both versions of Helm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.chart.chart import Helm, Manifest, copy_chart
from tests.chart.matrix import MATRIX, Case
from tests.cluster.clients import Kubectl
from tests.cluster.fixtures import RESTRICTED, api_server
from tests.servers.tools.schemas import definitions

# Here alone: another import would be a second fixture, which waits for the first one's lock for ever.
__all__ = ["api_server"]

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Send all tests of the API server to one worker, as `--dist loadgroup` does: a machine has but one such server."""
    for item in items:
        if item.path.is_relative_to(HERE):
            asked = getattr(item, "fixturenames", ())
            item.add_marker(pytest.mark.xdist_group("api_server" if "api_server" in asked else item.path.stem))


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


@pytest.fixture(scope="session")
def cluster(api_server: Kubectl) -> Kubectl:
    """A real API server that knows the resources of Gateway API and of the Prometheus operator."""
    api_server("apply", "--server-side", "-f", "-", given=yaml.safe_dump_all(definitions()))
    api_server("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
    return api_server


@pytest.fixture
def namespace(cluster: Kubectl, request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """A namespace that takes only "restricted" pods; it ends with the test."""
    name = f"chart-{abs(hash(request.node.name)) % 10**8}"
    metadata = {"name": name, "labels": RESTRICTED}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    yield cluster.within(name)
    cluster("delete", "namespace", name, "--wait=false")
