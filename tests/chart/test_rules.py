"""What holds for every manifest, however the chart is installed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.chart.chart import Helm, Manifest, containers_of, of_kind, pods_of
from tests.chart.matrix import MATRIX, Case

SECRET = re.compile(r"password|secret|token|credential|(^|_)key$", re.IGNORECASE)
# Names of Secrets and of settings that hold none.
PLAIN = {"DANDELION_ACCESS__REQUESTS_PER_KEY", "DANDELION_GRPC__TLS_KEY"}
RESTRICTED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


@pytest.fixture(scope="module", autouse=True)
def counted() -> Any:
    """Print how much was looked at."""
    seen: Counter[str] = Counter()
    yield seen
    print(f"\nlooked at: {dict(seen)}")


def test_every_pod_satisfies_restricted_and_more(manifests: list[Manifest], counted: Counter[str]) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, and a root that nobody writes to."""
    for name, _, pod in pods_of(manifests):
        counted["pods"] += 1
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] > 0, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
        assert pod["enableServiceLinks"] is False, name
        for volume in pod.get("volumes", []):
            assert set(volume) - {"name"} <= RESTRICTED_VOLUMES, name
        for container in containers_of(pod):
            counted["containers"] += 1
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, f"{name} {container['name']}"
            assert not any("hostPort" in port for port in container.get("ports", [])), name


def test_only_the_worker_has_a_token(manifests: list[Manifest]) -> None:
    holders = [name for name, _, pod in pods_of(manifests) if pod.get("automountServiceAccountToken", True)]
    assert all(name.endswith("-prefect-worker") for name in holders)
    for account in of_kind(manifests, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_every_container_asks_for_what_it_needs_and_is_bounded(manifests: list[Manifest]) -> None:
    for name, _, pod in pods_of(manifests):
        for container in containers_of(pod):
            resources = container["resources"]
            assert {"cpu", "memory"} <= resources["requests"].keys(), f"{name} {container['name']}"
            assert "memory" in resources["limits"], f"{name} {container['name']}"


def test_every_volume_that_is_mounted_is_there_and_the_other_way_round(manifests: list[Manifest]) -> None:
    for name, _, pod in pods_of(manifests):
        there = {volume["name"] for volume in pod.get("volumes", [])}
        mounted = {mount["name"] for container in containers_of(pod) for mount in container.get("volumeMounts", [])}
        claimed = {"data"} if name.startswith("StatefulSet/") else set()
        assert mounted == there | claimed, name
        for container in containers_of(pod):
            paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            assert len(paths) == len(set(paths)), f"{name} {container['name']}"


def test_no_secret_stands_in_a_configmap_or_in_an_environment(manifests: list[Manifest], counted: Counter[str]) -> None:
    for name, _, pod in pods_of(manifests):
        for container in containers_of(pod):
            names = [entry["name"] for entry in container.get("env", [])]
            assert len(names) == len(set(names)), f"{name}: {[n for n, c in Counter(names).items() if c > 1]}"
            for entry in container.get("env", []):
                counted["variables"] += 1
                if SECRET.search(entry["name"]) and entry["name"] not in PLAIN:
                    assert "valueFrom" in entry, f"{name}: {entry['name']} is written out"
                elif "value" in entry:
                    assert re.search(r"://[^/@$]*:[^/@$]+@", entry["value"]) is None, f"{name}: {entry['name']}"
    for each in of_kind(manifests, "ConfigMap"):
        for key, text in each["data"].items():
            assert re.search(r"(?i)(password|secret_key)\s*[:=]\s*['\"]?[A-Za-z0-9]{8,}", text) is None, key


def test_no_argument_holds_what_comes_from_a_secret(manifests: list[Manifest]) -> None:
    """Whoever may list processes reads arguments. A variable may have it from one before it."""
    for name, _, pod in pods_of(manifests):
        for container in containers_of(pod):
            secret: set[str] = set()
            for entry in container.get("env", []):
                if "secretKeyRef" in entry.get("valueFrom", {}) or secret & _expanded(entry.get("value", "")):
                    secret.add(entry["name"])
            words = [*container.get("command", []), *container.get("args", [])]
            assert not secret & _expanded(" ".join(words)), f"{name} {container['name']}"


def _expanded(text: str) -> set[str]:
    """The variables whose values Kubernetes puts in."""
    return set(re.findall(r"\$\(([A-Za-z0-9_]+)\)", text))


def test_every_secret_and_configmap_that_is_named_exists(manifests: list[Manifest], case: Case) -> None:
    made = {(each["kind"], each["metadata"]["name"]) for each in of_kind(manifests, "Secret", "ConfigMap")}
    keys = {(each["metadata"]["name"], key) for each in of_kind(manifests, "Secret") for key in each["data"]}
    # Those that the values name are the user's to make.
    theirs = set(
        re.findall(r"(?:existingSecret|caSecret|[a-zA-Z]*[sS]ecret): ['\"]?([a-z0-9-]+)", yaml.safe_dump(case.values))
    )
    theirs |= set(case.values.get("global", {}).get("existingSecrets", {}).values())
    for file in case.files:
        from tests.chart.chart import ROOT

        theirs |= set(
            re.findall(r"(?:existingSecret|caSecret): ([a-z0-9-]+)", (ROOT / f"values/{file}.yaml").read_text())
        )
    for name, _, pod in pods_of(manifests):
        for container in containers_of(pod):
            for entry in container.get("env", []):
                ref = entry.get("valueFrom", {}).get("secretKeyRef")
                if ref and ref["name"] not in theirs:
                    assert (ref["name"], ref["key"]) in keys, f"{name}: {ref}"
            for source in container.get("envFrom", []):
                if "configMapRef" in source:
                    assert ("ConfigMap", source["configMapRef"]["name"]) in made, name
        for volume in pod.get("volumes", []):
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in made, name
            if "secret" in volume and volume["secret"]["secretName"] not in theirs:
                assert ("Secret", volume["secret"]["secretName"]) in made, name


def test_names_fit_whatever_the_release_is_called(manifests: list[Manifest]) -> None:
    """A Service's name is a label of DNS; a Job's pods bear its name as a label; a CronJob adds eleven characters."""
    limits = {"CronJob": 52, "StatefulSet": 52}
    for each in manifests:
        name = each["metadata"]["name"]
        assert len(name) <= limits.get(each["kind"], 63), f"{each['kind']} {name}: {len(name)}"
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name), name
        for label in each["metadata"].get("labels", {}).values():
            assert len(label) <= 63, f"{each['kind']} {name}: {label}"


def test_nothing_is_made_twice(manifests: list[Manifest]) -> None:
    names = Counter((each["kind"], each["metadata"]["name"]) for each in manifests)
    assert [name for name, count in names.items() if count > 1] == []


def test_two_releases_in_a_namespace_share_nothing(helm: Helm) -> None:
    one, two = (
        {(each["kind"], each["metadata"]["name"]) for each in helm.template(release=release)}
        for release in ("a-long-name-of-a-release-number-one", "a-long-name-of-a-release-number-two")
    )
    assert one & two == set()


def test_selectors_find_their_own_pods_and_no_others(manifests: list[Manifest]) -> None:
    pods = pods_of(manifests)
    for each in of_kind(manifests, "Deployment", "StatefulSet"):
        wanted = each["spec"]["selector"]["matchLabels"]
        assert not {key for key in wanted if "version" in key or "chart" in key}
        assert _found(pods, wanted) == [f"{each['kind']}/{each['metadata']['name']}"]
    for each in of_kind(manifests, "Service"):
        assert _found(pods, each["spec"]["selector"]), each["metadata"]["name"]


def test_every_port_of_a_service_is_one_of_its_pods(manifests: list[Manifest]) -> None:
    pods = {name: pod for name, _, pod in pods_of(manifests)}
    labelled = pods_of(manifests)
    for each in of_kind(manifests, "Service"):
        for name in _found(labelled, each["spec"]["selector"]):
            offered = {port["name"] for container in containers_of(pods[name]) for port in container.get("ports", [])}
            assert {port["targetPort"] for port in each["spec"]["ports"]} <= offered, each["metadata"]["name"]


def test_monitors_find_services_and_ports(manifests: list[Manifest]) -> None:
    services = of_kind(manifests, "Service")
    for each in of_kind(manifests, "ServiceMonitor"):
        wanted = each["spec"]["selector"]["matchLabels"].items()
        found = [service for service in services if wanted <= service["metadata"]["labels"].items()]
        assert len(found) == 1, each["metadata"]["name"]
        names = {port["name"] for port in found[0]["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in each["spec"]["endpoints"]} <= names


@pytest.mark.parametrize("part", ["api", "ui", "prefect"])
def test_a_part_that_is_off_leaves_nothing(rendered: Callable[[Case], list[Manifest]], part: str) -> None:
    for each in rendered(_case(f"without {part}")):
        assert not each["metadata"]["labels"]["app.kubernetes.io/component"].startswith(part), each["metadata"]["name"]


def test_without_monitoring_nothing_needs_its_crds(rendered: Callable[[Case], list[Manifest]]) -> None:
    kinds = {each["apiVersion"].split("/")[0] for each in rendered(_case("without global.monitoring"))}
    assert "monitoring.coreos.com" not in kinds


def test_an_autoscaler_owns_the_number_of_pods(manifests: list[Manifest]) -> None:
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(manifests, "HorizontalPodAutoscaler")}
    for each in of_kind(manifests, "Deployment"):
        assert ("replicas" in each["spec"]) == (each["metadata"]["name"] not in scaled), each["metadata"]["name"]


def test_budgets_leave_room_for_emptying_a_node(manifests: list[Manifest]) -> None:
    for each in of_kind(manifests, "PodDisruptionBudget"):
        assert each["spec"]["maxUnavailable"] == 1
        assert each["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        (name,) = _found(pods_of(manifests), each["spec"]["selector"]["matchLabels"])
        deployment = next(d for d in of_kind(manifests, "Deployment") if name.endswith(d["metadata"]["name"]))
        scalers = of_kind(manifests, "HorizontalPodAutoscaler")
        most = deployment["spec"].get("replicas") or next(
            s["spec"]["maxReplicas"]
            for s in scalers
            if s["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
        )
        assert most >= 2


def _found(pods: list[tuple[str, dict[str, Any], dict[str, Any]]], wanted: dict[str, str]) -> list[str]:
    return [name for name, labels, _ in pods if wanted.items() <= labels.items()]


def _case(name: str) -> Case:
    return next(each for each in MATRIX if each.name == name)
