"""With the quota on, everything that is rendered fits, hooks and a rolling surge included."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.chart.chart import Helm, HelmError, Manifest, containers_of, merged, nested, of_kind, pods_of
from tests.chart.matrix import MATRIX, Case

FACTORS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 1e3, "M": 1e6, "G": 1e9}


def quantity(text: object) -> float:
    """A quantity of Kubernetes as a number: cores, bytes."""
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()  # type: ignore[union-attr]
    return float(number) / 1000 if unit == "m" else float(number) * FACTORS[unit]


def request_of(pod: dict[str, Any]) -> dict[str, float]:
    """What a pod counts for: its containers together, or its largest init container, and its sidecars."""
    first = pod.get("initContainers", [])
    beside = [each for each in first if each.get("restartPolicy") == "Always"]
    before = [each for each in first if each not in beside]

    def asks(containers: list[dict[str, Any]], what: str) -> list[float]:
        return [quantity(each["resources"]["requests"][what]) for each in containers]

    return {
        what: sum(asks(beside, what)) + max(sum(asks(pod["containers"], what)), *asks(before, what), 0)
        for what in ("cpu", "memory")
    }


def _most(manifests: list[Manifest], autoscaler: Manifest) -> int:
    """Pods that an autoscaler makes: all that it may of the track that the Service leads to, few of an idle slot."""
    services = {each["metadata"]["name"]: each["spec"]["selector"] for each in of_kind(manifests, "Service")}
    (serves,) = (is_.get("dandelion/track", "stable") for name, is_ in services.items() if name.endswith("-api"))
    is_serving = autoscaler["metadata"]["labels"]["dandelion/track"] == serves
    count: int = autoscaler["spec"]["maxReplicas" if is_serving else "minReplicas"]
    return count


def most_at_once(manifests: list[Manifest]) -> dict[str, float]:
    """What runs while everything is replaced, with its Jobs, and the largest of backup and test."""
    needed = {"cpu": 0.0, "memory": 0.0, "pods": 0.0}
    scaled = {
        each["metadata"]["name"]: _most(manifests, each) for each in of_kind(manifests, "HorizontalPodAutoscaler")
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


def _three_tracks(active: str, stable: int) -> dict[str, Any]:
    """The busiest moments of a change to blue-green: before the first flip, and after it."""
    slots = nested("api.release.blueGreen", {"activeSlot": active, "stableReplicas": stable})
    return merged(slots, nested("quota.enabled", True))


# With a canary there are fewer pods than at the busiest moment of blue-green.
FITTING = (
    Case("laptop", files=("laptop",)),
    Case("laptop, before the first flip", _three_tracks("stable", 1), files=("laptop", "blue-green")),
    Case("production", files=("production",)),
    Case("production, canary", files=("production", "canary")),
    Case("production, after the first flip", _three_tracks("blue", 3), files=("production", "blue-green")),
    Case("defaults, after the first flip", _three_tracks("blue", 2), files=("blue-green",)),
)


@pytest.mark.parametrize("case", FITTING, ids=lambda case: case.name)
def test_what_is_rendered_fits(helm: Helm, case: Case) -> None:
    name, manifests = case.name, helm.template(case.values, files=case.files)
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


def test_the_laptops_quota_has_no_room_for_monitoring_during_a_change_to_blue_green(helm: Helm) -> None:
    """docker/kind.sh turns it off with monitoring."""
    values = merged(_three_tracks("stable", 1), nested("kube-prometheus-stack.enabled", True))
    with pytest.raises(HelmError, match=r"quota\.cpu is 4 and \d+m are needed"):
        helm.template(values, files=("laptop", "blue-green"))


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


def test_the_sum_counts_every_pod_that_the_autoscaler_may_make(helm: Helm) -> None:
    """Else the quota stops it before its maximum, and nothing says so."""
    asked = [needed_and_asked(helm, Case("few", nested("api.autoscaling.maxReplicas", most)))[1] for most in (2, 10)]
    assert quantity(asked[1]["cpu"]) - quantity(asked[0]["cpu"]) == pytest.approx(8)
    assert int(asked[1]["pods"]) - int(asked[0]["pods"]) == 8


def test_the_sum_counts_sidecars_that_request_nothing_as_the_limit_range_does(helm: Helm) -> None:
    sidecar = {"name": "agent", "image": "agent", "restartPolicy": "Always"}
    cases = (Case("one", nested("ui.replicas", 1)), Case("two", nested("ui.pod.sidecars", [sidecar])))
    alone, accompanied = (needed_and_asked(helm, case) for case in cases)
    assert of_kind(accompanied[0], "LimitRange")
    assert quantity(accompanied[1]["cpu"]) - quantity(alone[1]["cpu"]) == pytest.approx(2 * 0.05)


def test_the_sum_counts_init_containers_that_ask_for_more_than_what_follows_them(helm: Helm) -> None:
    """As Kubernetes does: they run before the containers, and beside the sidecars."""
    resources = {"requests": {"cpu": "3", "memory": "64Mi"}}
    sidecar = {"name": "agent", "image": "agent", "resources": {"requests": {"cpu": "1", "memory": "64Mi"}}}
    large = {"name": "large", "image": "large", "resources": resources}
    none, one = nested("ui.pod", {}), nested("ui.pod", {"initContainers": [large], "sidecars": [sidecar]})
    alone, more = (needed_and_asked(helm, Case("init", values)) for values in (none, one))
    (page,) = (spec for name, _, spec in pods_of(more[0]) if name == "Deployment/dandelion-ui")
    (plain,) = (spec for name, _, spec in pods_of(alone[0]) if name == "Deployment/dandelion-ui")
    assert request_of(page)["cpu"] == 4
    added = 2 * (4 - request_of(plain)["cpu"])  # one pod, and one more during an update
    assert quantity(more[1]["cpu"]) - quantity(alone[1]["cpu"]) == pytest.approx(added)
