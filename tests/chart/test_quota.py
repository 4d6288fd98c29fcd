"""With the quota on, everything that is rendered fits, hooks and a rolling surge included."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.chart.chart import Helm, HelmError, Manifest, containers_of, merged, of_kind, pods_of
from tests.chart.matrix import MATRIX, Case

FACTORS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 1e3, "M": 1e6, "G": 1e9}


def quantity(text: object) -> float:
    """A quantity of Kubernetes as a number: cores, bytes."""
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()  # type: ignore[union-attr]
    return float(number) / 1000 if unit == "m" else float(number) * FACTORS[unit]


def request_of(pod: dict[str, Any]) -> dict[str, float]:
    """What a pod counts for: its containers together, or its largest init container, whichever is more."""

    def asks(kind: str, what: str) -> list[float]:
        return [quantity(each["resources"]["requests"][what]) for each in pod.get(kind, [])]

    return {
        what: max(sum(asks("containers", what)), max(asks("initContainers", what), default=0))
        for what in ("cpu", "memory")
    }


def most_at_once(manifests: list[Manifest]) -> dict[str, float]:
    """What runs while everything is replaced, with its Jobs, and the largest of backup and test."""
    needed = {"cpu": 0.0, "memory": 0.0, "pods": 0.0}
    scaled = {
        each["metadata"]["name"]: each["spec"]["minReplicas"] for each in of_kind(manifests, "HorizontalPodAutoscaler")
    }
    passing: list[dict[str, float]] = []
    for each in manifests:
        for name, _, pod in pods_of([each]):
            asks = request_of(pod)
            if name.startswith(("CronJob", "Pod")):
                passing.append(asks)
                continue
            count = 1
            if each["kind"] == "Deployment":
                count = each["spec"].get("replicas", scaled.get(each["metadata"]["name"], 1))
                count += each["spec"]["strategy"]["type"] == "RollingUpdate"
            needed["pods"] += count
            for what, value in asks.items():
                needed[what] += count * value
    needed["pods"] += bool(passing)
    for what in ("cpu", "memory"):
        needed[what] += max((each[what] for each in passing), default=0)
    claims = [each["spec"] for each in of_kind(manifests, "PersistentVolumeClaim")]
    claims += [
        claim["spec"] for each in of_kind(manifests, "StatefulSet") for claim in each["spec"]["volumeClaimTemplates"]
    ]
    needed["storage"] = sum(quantity(claim["resources"]["requests"]["storage"]) for claim in claims)
    return {what: round(value, 6) for what, value in needed.items()}  # 2.05, not 2.0500000000000003


@pytest.mark.parametrize("name", ["values/laptop", "values/production", "quota"])
def test_what_is_rendered_fits(rendered: Callable[[Case], list[Manifest]], name: str) -> None:
    manifests = rendered(next(each for each in MATRIX if each.name == name))
    (quota,) = of_kind(manifests, "ResourceQuota")
    hard = quota["spec"]["hard"]
    needed = most_at_once(manifests)
    limits = {what: quantity(hard[f"requests.{what}"]) for what in ("cpu", "memory", "storage")} | {
        "pods": int(hard["pods"])
    }
    print(f"\n{name}: needed {needed}, allowed {limits}")
    for what, value in needed.items():
        assert value <= limits[what], what


def needed_and_asked(helm: Helm, case: Case) -> tuple[list[Manifest], dict[str, str]]:
    """What is rendered with the quota that the template's own sum asks for, and that quota."""
    tiny: dict[str, object] = {"quota": {"enabled": True, "cpu": "1m", "memory": "1Mi", "storage": "1Mi", "pods": 1}}
    with pytest.raises(HelmError) as refused:
        helm.template(merged(case.values, tiny), files=case.files, release=case.release)
    asked = dict(re.findall(r"quota\.(\w+) is \S+ and (\d+\w*) are needed", str(refused.value)))
    enough = merged(tiny, {"quota": {**asked, "pods": int(asked["pods"])}})
    return helm.template(merged(case.values, enough), files=case.files, release=case.release), asked


def test_the_quota_that_rendering_asks_for_is_enough(helm: Helm) -> None:
    """The template's own sum, given back to it, is taken, and covers what this file adds up."""
    manifests, asked = needed_and_asked(helm, Case("quota"))
    assert asked.keys() == {"cpu", "memory", "storage", "pods"}
    needed = most_at_once(manifests)
    assert needed["pods"] <= int(asked["pods"])
    assert needed["cpu"] <= quantity(asked["cpu"])
    assert needed["memory"] <= quantity(asked["memory"])
    assert needed["storage"] <= quantity(asked["storage"])


def test_the_sum_covers_every_case_of_the_matrix(helm: Helm, case: Case) -> None:
    """Also where nothing is reserved for Prometheus, and `helm test` comes when the Jobs have ended."""
    manifests, asked = needed_and_asked(helm, case)
    needed = most_at_once([each for each in manifests if each["kind"] != "Pod"])
    assert needed["pods"] <= int(asked["pods"])
    assert needed["cpu"] <= quantity(asked["cpu"])
    assert needed["memory"] <= quantity(asked["memory"])
    assert needed["storage"] <= quantity(asked.get("storage", "1Mi"))


def test_every_container_of_the_chart_is_counted(rendered: Callable[[Case], list[Manifest]]) -> None:
    manifests = rendered(MATRIX[0])
    assert len(pods_of(manifests)) > 10
    assert all(containers_of(pod) for _, _, pod in pods_of(manifests))
