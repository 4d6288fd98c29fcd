"""What NetworkPolicies let through, worked out as a cluster does: policies add up, and what none allows is denied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.chart.chart import Manifest, of_kind


@dataclass(frozen=True)
class Peer:
    """Somebody outside the release.

    Attributes:
        labels: Of its pod.
        namespace: Labels of its namespace; None for an address outside the cluster.
    """

    labels: Mapping[str, str]
    namespace: Mapping[str, str] | None


OUTSIDE = Peer({}, None)


class Network:
    """The policies of a rendered chart."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self._policies = [each["spec"] for each in of_kind(manifests, "NetworkPolicy")]

    def allows(self, source: Mapping[str, str], target: Mapping[str, str], port: int) -> bool:
        """Whether a pod of the release may open a connection to another of its pods."""
        return self._lets("egress", source, Peer(target, {}), port) and self.lets_in(target, Peer(source, {}), port)

    def lets_in(self, target: Mapping[str, str], source: Peer, port: int) -> bool:
        """Whether a pod takes a connection from `source`."""
        return self._lets("ingress", target, source, port)

    def lets_out(self, source: Mapping[str, str], port: int, target: Peer = OUTSIDE) -> bool:
        """Whether a pod may open a connection to somebody outside the release, by default outside the cluster."""
        return self._lets("egress", source, target, port)

    def _lets(self, way: str, pod: Mapping[str, str], peer: Peer, port: int) -> bool:
        chosen = [each for each in self._policies if _matches(each["podSelector"], pod)]
        bound = [each for each in chosen if way.capitalize() in each["policyTypes"]]
        if not bound:
            return True
        side = "from" if way == "ingress" else "to"
        return any(
            _has_port(rule, port) and (side not in rule or any(_is_peer(each, peer) for each in rule[side]))
            for each in bound
            for rule in each.get(way, [])
        )


def _has_port(rule: Mapping[str, Any], port: int) -> bool:
    return "ports" not in rule or any(each["port"] == port and each.get("protocol") == "TCP" for each in rule["ports"])


def _is_peer(rule: Mapping[str, Any], peer: Peer) -> bool:
    if "ipBlock" in rule:
        return peer.namespace is None
    if peer.namespace is None:
        return False
    # Without a namespace of its own, a rule is about the policy's.
    if "namespaceSelector" in rule and not _matches(rule["namespaceSelector"], peer.namespace):
        return False
    return _matches(rule.get("podSelector", {}), peer.labels)


def _matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    return bool(selector.get("matchLabels", {}).items() <= labels.items())
