"""Kubernetes for the tests, and what speaks to it; a conftest imports those that its folder needs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.clients import Kubectl, given_kubeconfig
from tests.cluster.gateway import start_gateway
from tests.cluster.images import RECIPES, load_images
from tests.cluster.node import Node

RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """The node; it is gone after the tests, unless it was started by hand."""
    node = Node()
    with node.session():
        yield node


@pytest.fixture(scope="session")
def api_server() -> Iterator[Kubectl]:
    """Speaks to a real API server with controllers and a scheduler, whose nodes only say that their pods run.

    `TESTS_KUBECONFIG` names another cluster instead.
    """
    if given := given_kubeconfig():
        yield Kubectl(given)
        return
    node = Node("api")
    with node.session():
        yield node.kubectl


@pytest.fixture(scope="session")
def image(node: Node) -> Callable[[str], str]:
    """How an image is called on the node, built and loaded if it was not there: `image("api")`."""
    found: dict[str, str] = {}

    def called(name: str) -> str:
        if name not in found:
            found.update(load_images(node.worker, [name]))
        return found[name]

    return called


@pytest.fixture(scope="session")
def images(image: Callable[[str], str]) -> dict[str, str]:
    """How every image is called on the node."""
    return {name: image(name) for name in RECIPES}


@pytest.fixture(scope="session")
def gateway(node: Node) -> str:
    """Where the Gateway `projectcontour/gateway` listens."""
    return start_gateway(node.space, node.kubectl)


@pytest.fixture
def kubectl(node: Node) -> Iterator[Kubectl]:
    """A namespace of its own and kubectl in it, where only pods run that Pod Security calls "restricted"."""
    node.worker.clear_volumes()
    name = f"tests-{secrets.token_hex(3)}"
    metadata = {"name": name, "labels": RESTRICTED}
    node.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    yield node.kubectl.within(name)
    node.kubectl("delete", "namespace", name, "--wait=false")
