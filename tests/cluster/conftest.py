"""What the tests here ask for: one node, and one release of the chart on it, which is watched."""

from __future__ import annotations

import pytest

from tests.chart.chart import copy_chart
from tests.cluster.fixtures import gateway, image, images, kubectl, node
from tests.cluster.monitoring import IMAGES, Monitoring
from tests.cluster.node import Node
from tests.cluster.release import NAME, Release, make_room
from tests.cluster.rig import RigTests
from tests.cluster.values import NAMESPACE, VALUES, lend_libraries

__all__ = ["gateway", "image", "images", "kubectl", "node"]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(RigTests(), "rig-tests")


@pytest.fixture(scope="session")
def monitoring(node: Node, images: dict[str, str]) -> Monitoring:
    """The operator and its Prometheus, which come first: the chart brings resources of the operator's kinds."""
    make_room(node)
    found = Monitoring(node, NAME, {name: images[name] for name in IMAGES})
    found.start()
    return found


@pytest.fixture(scope="session")
def release(
    node: Node,
    images: dict[str, str],
    gateway: str,
    monitoring: Monitoring,
    tmp_path_factory: pytest.TempPathFactory,
) -> Release:
    """The chart as docs/install.md installs it, in a namespace that takes only "restricted" pods.

    There is one, since an installation takes minutes. A test that uses this name leaves it as it finds it; the walk,
    whose steps change it, comes last. It goes with the node; on one that was started by hand people may look at it.
    """
    del gateway, monitoring  # they have to be there
    found = Release(node, NAMESPACE, copy_chart(tmp_path_factory.mktemp("release") / "dandelion"), images, VALUES)
    found.create_namespace()
    lend_libraries(node.kubectl, NAMESPACE)
    found.install()
    return found
