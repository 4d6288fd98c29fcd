"""Releases while an autoscaler changes the numbers of pods, and a canary that no Gateway splits from, on a real node.

Each test leaves the release as it finds it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.cluster.release import Release

REQUESTS = 5000
# Clients keep connections, and a Service chooses a pod for each.
PER_CONNECTION = 25
# Prints how many requests for /model this pod has served.
COUNT = """
import urllib.request
lines = urllib.request.urlopen("http://127.0.0.1:8000/metrics").read().decode().splitlines()
served = [line for line in lines if line.startswith("http_requests_total{") and 'route="/model"' in line]
print(int(sum(float(line.rpartition(" ")[2]) for line in served)))
"""


@pytest.fixture
def changed(release: Release) -> Iterator[Release]:
    """The release, which a test changes; it becomes what it was."""
    yield release
    release.upgrade()


def test_a_canary_at_0_gets_no_request_without_a_gateway(changed: Release) -> None:
    canary = {
        "gateway__enabled": "false",
        "api__release__strategy": "canary",
        "api__release__canary__ref": "champion",
    }
    changed.upgrade(**canary, api__release__canary__weight="0")
    (pod,) = (each["metadata"]["name"] for each in changed.pods() if _track(each) == "canary")

    def served() -> int:
        return int(changed.kubectl("exec", pod, "--", "python", "-c", COUNT))

    assert changed.node.space.call(_send, changed.url(), REQUESTS) == {200: REQUESTS}
    assert served() == 0
    changed.upgrade(**canary, api__release__canary__weight="10")
    assert changed.node.space.call(_send, changed.url(), 500) == {200: 500}
    assert served() > 0


def _track(pod: dict[str, dict[str, dict[str, str]]]) -> str:
    return pod["metadata"]["labels"]["dandelion/track"]


def _send(url: str, count: int) -> Counter[int]:
    statuses: Counter[int] = Counter()
    for _ in range(count // PER_CONNECTION):
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            statuses.update(client.get("/model").status_code for _ in range(PER_CONNECTION))
    return statuses


def test_slots_flip_while_an_autoscaler_makes_three_pods_of_one(changed: Release) -> None:
    scaling = {"api__autoscaling__minReplicas": "1", "api__autoscaling__maxReplicas": "3"}
    scaling["api__autoscaling__targetCpuPercent"] = "70"  # of the small request of these tests
    slots = {**scaling, "api__release__strategy": "blue-green", "api__release__blueGreen__green__ref": "champion"}

    def step(active: str, idle: int, **more: str) -> None:
        number = {"api__release__blueGreen__idleReplicas": str(idle)}
        changed.upgrade(**slots, **number, **more, api__release__blueGreen__activeSlot=active)

    def scale(slot: str, pods: int) -> None:
        changed.kubectl("scale", f"deployment/dandelion-api-{slot}", f"--replicas={pods}")
        changed.wait_for_pods(slot, pods)

    step("stable", 2)
    changed.wait_for_pods("blue", 2)
    step("blue", 1, **{"api.release.blueGreen.stableReplicas": "2"})
    step("blue", 1)
    scale("blue", 1)
    with changed.load(per_second=25) as load:
        changed.wait_for_pods("blue", 3)  # by the load alone
        step("blue", 3)
        changed.wait_for_pods("green", 3)
        with _fewest(changed, "dandelion-api-blue", "dandelion-api-green") as fewest:
            step("green", 3)
            time.sleep(3)
            changed.rollback()
            time.sleep(3)
    print(f"\n{load.outcome.answered} photos, p95 {load.outcome.p95_ms} ms; fewest pods while flipping: {dict(fewest)}")
    assert load.outcome.failures == []
    assert load.outcome.answered > 0
    assert min(fewest.values()) == 3
    step("blue", 1, **{"api.release.blueGreen.stableReplicas": "1"})
    for slot in ("blue", "green"):
        scale(slot, 1)
    step("stable", 1)


@contextmanager
def _fewest(release: Release, *names: str) -> Iterator[Counter[str]]:
    """The smallest number of pods of each Deployment that is asked for while a block runs."""
    found: Counter[str] = Counter(dict.fromkeys(names, 1000))
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.3):
            for name in names:
                found[name] = min(found[name], int(release.kubectl.get("deployment", name)["spec"]["replicas"]))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
