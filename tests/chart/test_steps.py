"""Steps of a release in a real API server: an autoscaler's numbers stay, and what cannot be changed is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.chart.test_install import file, options, wait_for_pods
from tests.cluster.clients import Helm, Kubectl

SLOTS = {
    "api.release.strategy": "blue-green",
    "api.autoscaling.minReplicas": "1",
    "api.autoscaling.maxReplicas": "5",
}


class Steps:
    """One release, upgraded step by step."""

    def __init__(self, chart: Path, kubectl: Kubectl, program: str = "helm", **values: str) -> None:
        self._helm = Helm(kubectl.kubeconfig, kubectl.namespace, program)
        self._words: list[str | Path] = ["dandelion", chart, *file("laptop"), "--set", "quota.enabled=false"]
        given = {**SLOTS, "api.release.blueGreen.activeSlot": "blue", **values}
        self._helm("install", *self._words, *options(given), *_WAIT)

    def upgrade(self, active: str, **values: str) -> None:
        dotted = {name.replace("__", "."): value for name, value in values.items()}
        given = {**SLOTS, "api.release.blueGreen.activeSlot": active, **dotted}
        self._helm("upgrade", *self._words, *options(given), *_WAIT)

    def rollback(self) -> None:
        self._helm("rollback", "dandelion", *_WAIT)

    def refusal(self, active: str, **values: str) -> str:
        """What is said of a step that is refused."""
        with pytest.raises(subprocess.CalledProcessError) as caught:
            self.upgrade(active, **values)
        return str(caught.value.stderr)


_WAIT = ["--wait", "--timeout=5m"]


def pods(kubectl: Kubectl) -> dict[str, int]:
    """The number of pods that each slot should have."""
    found = kubectl.get("deployment", "-l", "app.kubernetes.io/component=api")["items"]
    return {each["metadata"]["labels"]["dandelion/track"]: each["spec"]["replicas"] for each in found}


def serving(kubectl: Kubectl) -> str:
    track: str = kubectl.get("service", "dandelion-api")["spec"]["selector"]["dandelion/track"]
    return track


@pytest.mark.parametrize("program", ["helm", "helm3"])
def test_a_flip_and_a_rollback_leave_the_autoscalers_numbers(chart: Path, namespace: Kubectl, program: str) -> None:
    """Server-side apply (Helm 4) could meet another owner of `replicas`; a merge (Helm 3) could set it to 1."""
    idle = "api__release__blueGreen__idleReplicas"
    steps = Steps(chart, namespace, program)
    # As an autoscaler does; this one has no metrics, and keeps what it finds between its minimum and its maximum.
    namespace("scale", "deployment/dandelion-api-blue", "--replicas=4")
    wait_for_pods(namespace, blue=4)
    refusal = steps.refusal("green", **{idle: "1"})
    assert "activeSlot is green with" in refusal
    assert "4 of blue serve now: for one step set api.release.blueGreen.idleReplicas=4" in refusal
    steps.upgrade("blue", **{idle: "4"})
    wait_for_pods(namespace, green=4)  # the idle slot's autoscaler follows
    assert serving(namespace) == "blue"
    steps.upgrade("green", **{idle: "4"})
    assert (serving(namespace), pods(namespace)) == ("green", {"blue": 4, "green": 4})
    steps.rollback()
    assert (serving(namespace), pods(namespace)) == ("blue", {"blue": 4, "green": 4})
    steps.upgrade("green", **{idle: "4"})
    assert (serving(namespace), pods(namespace)) == ("green", {"blue": 4, "green": 4})


def test_a_volume_changes_only_the_way_that_is_told(chart: Path, namespace: Kubectl) -> None:
    steps = Steps(chart, namespace)
    size = "mysql__persistence__size"
    assert "mysql.persistence.size is 2Gi and the volume data-dandelion-mysql-0 has 5Gi" in steps.refusal(
        "blue", **{size: "2Gi"}
    )
    assert "asks for the storage class fast" in steps.refusal("blue", global__storageClass="fast")
    grow = steps.refusal("blue", **{size: "7Gi"})
    patch = '{"spec":{"resources":{"requests":{"storage":"7Gi"}}}}'
    assert f"patch pvc data-dandelion-mysql-0 --type=merge -p '{patch}'" in grow
    namespace("patch", "pvc", "data-dandelion-mysql-0", "--type=merge", "-p", patch)
    orphan = steps.refusal("blue", **{size: "7Gi"})
    assert "delete statefulset dandelion-mysql --cascade=orphan" in orphan
    pod = namespace.get("pod", "dandelion-mysql-0")["metadata"]["uid"]
    namespace("delete", "statefulset", "dandelion-mysql", "--cascade=orphan")
    steps.upgrade("blue", **{size: "7Gi"})
    assert template(namespace)["resources"]["requests"]["storage"] == "7Gi"
    assert namespace.get("pod", "dandelion-mysql-0")["metadata"]["uid"] == pod


def template(kubectl: Kubectl) -> dict[str, Any]:
    (found,) = kubectl.get("statefulset", "dandelion-mysql")["spec"]["volumeClaimTemplates"]
    spec: dict[str, Any] = found["spec"]
    return spec


def test_services_have_addresses_of_ipv6_alone_or_of_both(chart: Path, namespace: Kubectl) -> None:
    """The API server gives them; that programs listen on them is tested in tests/integration/test_listening.py."""
    steps = Steps(chart, namespace, **{"global.ipFamilies": "{IPv6}", "api.grpc.enabled": "true"})
    assert len(families(namespace)) > 8
    assert set(families(namespace).values()) == {("IPv6",)}
    both = {"global.ipFamilies": "{IPv6,IPv4}", "global.ipFamilyPolicy": "RequireDualStack"}
    steps.upgrade("blue", **both, **{"api.grpc.enabled": "true"})
    found = families(namespace)
    assert found.pop("dandelion-prefect-server") == ("IPv6",)
    assert set(found.values()) == {("IPv6", "IPv4")}


def families(kubectl: Kubectl) -> dict[str, tuple[str, ...]]:
    """The families of each Service, which are those of its addresses if it has any."""
    found = kubectl.get("service", "-l", "app.kubernetes.io/part-of=dandelion")["items"]
    for spec in (each["spec"] for each in found):
        for family, address in zip(spec["ipFamilies"], spec["clusterIPs"], strict=False):
            assert address == "None" or (":" in address) == (family == "IPv6")
    return {each["metadata"]["name"]: tuple(each["spec"]["ipFamilies"]) for each in found}
