"""What the tests here ask for."""

from __future__ import annotations

from tests.cluster.fixtures import gateway, helm, image, images, kubectl, node

__all__ = ["gateway", "helm", "image", "images", "kubectl", "node"]
