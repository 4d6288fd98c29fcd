"""The walk of docs/install.md and docs/releases.md on a real node.

Tests that use `release` leave it as they find it. Those that use `walk` are its steps: each continues from where the
one before it ended, so that none runs after one that failed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.chart.chart import ROOT
from tests.cluster.clients import is_ready
from tests.cluster.counting import count_served, fewest_replicas, send_requests
from tests.cluster.images import size_bytes
from tests.cluster.load import Outcome
from tests.cluster.release import Release, ask
from tests.cluster.values import HOST
from tests.photos import REAL, labelled_photos
from tests.waiting import wait_until

FIGURES = ROOT / "artifacts" / "cluster" / "walk.json"
LARGEST_IMAGE_BYTES = 450_000_000


class Figures(dict[str, Any]):
    """What was measured on the way, for docs/install.md."""

    def note(self, name: str, outcome: Outcome) -> None:
        """Write down what a load came to, and hold it to the promise."""
        self[name] = {"answered": outcome.answered, "failed": len(outcome.failures), "p95_ms": outcome.p95_ms}
        print(f"\n{name}: {self[name]}, versions {outcome.versions}")
        assert outcome.failures == []
        assert outcome.answered > 0


@pytest.fixture(scope="module")
def figures() -> Iterator[Figures]:
    found = Figures()
    yield found
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(found, indent=2))


@pytest.fixture(scope="module")
def failed_steps() -> list[str]:
    return []


@pytest.fixture
def walk(release: Release, failed_steps: list[str], request: pytest.FixtureRequest) -> Iterator[Release]:
    """The release as the step before has left it."""
    if failed_steps:
        pytest.fail(f"not run: it continues from {failed_steps[0]}, which failed", pytrace=False)
    failed = request.session.testsfailed
    yield release
    if request.session.testsfailed > failed:
        failed_steps.append(request.node.name)


def test_all_pods_become_ready(release: Release, figures: Figures) -> None:
    for component in ("api", "ui", "mlflow", "mysql", "minio", "prefect-server", "prefect-worker"):
        assert release.pods(component), component
        # An autoscaler may have just begun another.
        wait_until(lambda: all(map(is_ready, release.pods(component))), component, seconds=120, every=0.5)  # noqa: B023 -- runs here
    figures["seconds to all ready"] = release.installed_in_seconds
    print(f"\nall ready after {release.installed_in_seconds} s")


def test_the_api_s_image_is_small_and_without_training(release: Release, images: dict[str, str]) -> None:
    size = size_bytes(images["api"])
    print(f"api: {size / 1e6:.0f} MB")
    assert size <= LARGEST_IMAGE_BYTES
    found = "import importlib.util; print(importlib.util.find_spec('torch'))"
    assert release.in_api("python", "-c", found).strip() == "None"


def test_the_release_checks_itself(release: Release) -> None:
    assert release.helm("test", "dandelion", "--timeout=6m").count("Succeeded") == 2


def test_a_photo_is_answered_and_kept(release: Release) -> None:
    for label, photo in labelled_photos(2):
        answer = release.ask("POST", "/predict", body=photo)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        assert said["label"] == label or not REAL.is_dir()  # the starter has seen no drawn photo
        assert said["model"] == {"name": "dandelion", "version": "1", "alias": "champion"}
        found = said["prediction_id"]
        wait_until(lambda: _label_in_mysql(release, found) == said["label"], "a row in MySQL", seconds=60, every=0.5)  # noqa: B023 -- runs here
        wait_until(lambda: _is_in_minio(release, found), "a picture in MinIO", seconds=60, every=0.5)  # noqa: B023 -- runs here


def _label_in_mysql(release: Release, prediction: str) -> str:
    number = prediction.replace("-", "").upper()
    query = f"SELECT label FROM mlops_db.predictions WHERE HEX(id) = '{number}'"  # noqa: S608 -- an id of ours
    sql = f'MYSQL_PWD=$MYSQL_ROOT_PASSWORD mysql --user=root --skip-column-names --execute "{query}"'
    return release.kubectl("exec", "dandelion-mysql-0", "-c", "mysql", "--", "sh", "-c", sql).strip()


def _is_in_minio(release: Release, prediction: str) -> bool:
    return prediction in release.in_api("dandelion", "objects", "list", "data-lake", "--json")


def test_the_page_answers(release: Release) -> None:
    assert release.ask("GET", "/predictions?limit=1").json()["predictions"]
    assert ask(release.node, "GET", f"{release.url('dandelion-ui', 7860)}/").status_code == 200


def test_strangers_are_kept_out(release: Release) -> None:
    """Default deny is enforced: the page reaches the API's HTTP alone."""
    ui = f"pod/{release.pods('ui')[0]['metadata']['name']}"
    assert release.reaches(ui, "dandelion-api", 8000)
    assert not release.reaches(ui, "dandelion-api", 8001)
    assert not release.reaches(ui, "dandelion-mysql", 3306)
    assert not release.reaches(ui, "dandelion-minio", 9000)


def test_the_autoscaler_reads_real_figures(release: Release) -> None:
    def figure() -> int | None:
        status = release.kubectl.get("hpa", "dandelion-api").get("status", {})
        for each in status.get("currentMetrics") or []:
            if "containerResource" not in each:
                return None
            found: int | None = each["containerResource"]["current"].get("averageUtilization")
            return found
        return None

    # It passes over pods that have just become ready.
    wait_until(lambda: figure() is not None, "the autoscaler sees what the pods use", seconds=300, every=0.5)
    print(f"\nthe autoscaler sees {figure()} % of the requested CPU")


def test_a_pod_that_is_deleted_is_replaced_without_a_failed_request(walk: Release, figures: Figures) -> None:
    with walk.load() as load:
        time.sleep(5)
        name = walk.pods()[0]["metadata"]["name"]
        walk.kubectl("delete", "pod", name)
        walk.kubectl("rollout", "status", "deployment/dandelion-api", "--timeout=240s")
        time.sleep(5)
    figures.note("a pod deleted", load.outcome)


def test_an_upgrade_rolls_out_without_a_failed_request(walk: Release, figures: Figures) -> None:
    before = {each["metadata"]["name"] for each in walk.pods()}
    with walk.load() as load:
        time.sleep(3)
        walk.upgrade(global__logLevel="debug")
        time.sleep(3)
    figures.note("rolling upgrade", load.outcome)
    assert before.isdisjoint({each["metadata"]["name"] for each in walk.pods()})
    with walk.load() as load:
        walk.rollback()
        time.sleep(3)
    figures.note("rolling back", load.outcome)


def test_a_model_is_promoted_and_taken_back_without_a_failed_request(walk: Release, figures: Figures) -> None:
    """A second version, made of the first: what matters is who answers."""
    copy = (
        "import shutil, pathlib; from dandelion.package import seal_package;"
        "from dandelion.package.starter import starter_path;"
        "p = pathlib.Path('/tmp/second'); shutil.copytree(starter_path(), p); p.chmod(0o755);"
        "[each.chmod(0o644) for each in p.rglob('*') if each.is_file()];"
        "(p / 'MODEL_CARD.md').write_text('# Another'); seal_package(p)"
    )
    pod = walk.pods()[0]["metadata"]["name"]
    walk.kubectl("exec", pod, "--", "python", "-c", copy)
    said = walk.kubectl("exec", pod, "--", "dandelion", "models", "register", "/tmp/second")
    assert "version 2" in said
    with walk.load() as load:
        walk.in_api("dandelion", "models", "promote", "2")
        wait_until(lambda: _versions(walk) == {"2"}, "version 2 is in service", seconds=120, every=0.2)
        walk.in_api("dandelion", "models", "rollback")
        wait_until(lambda: _versions(walk) == {"1"}, "version 1 is in service", seconds=120, every=0.2)
        time.sleep(2)
    figures.note("model promoted and taken back", load.outcome)
    assert load.outcome.versions.keys() == {"1", "2"}


def _versions(walk: Release) -> set[str]:
    return {walk.ask("GET", "/model").json()["version"] for _ in range(6)}


def test_a_canary_gets_its_share_and_goes_back(walk: Release, gateway: str, figures: Figures) -> None:
    walk.in_api("python", "-c", _set_alias("challenger", "2"))
    canary = {"api__release__strategy": "canary"}
    with walk.load() as load:
        walk.upgrade(**canary, api__release__canary__weight="0", gateway__enabled="false")
    figures.note("canary without a gateway", load.outcome)
    (pod,) = (each["metadata"] for each in walk.pods() if each["metadata"]["labels"]["dandelion/track"] == "canary")
    assert walk.node.space.call(send_requests, walk.url(), 5000) == {200: 5000}
    assert count_served(walk, pod["name"]) == 0
    walk.upgrade(**canary, api__release__canary__weight="10", gateway__enabled="false")
    assert walk.node.space.call(send_requests, walk.url(), 500) == {200: 500}
    assert count_served(walk, pod["name"]) > 0
    walk.upgrade(**canary, api__release__canary__weight="0")
    routed = lambda: ask(walk.node, "GET", f"{gateway}/livez", host=HOST).is_success  # noqa: E731
    wait_until(routed, "the gateway listens", seconds=60, every=0.2, not_yet=(httpx.TransportError,))
    with walk.load(url=gateway, host=HOST) as load:
        walk.upgrade(**canary, api__release__canary__weight="0")
    figures.note("canary started", load.outcome)
    assert load.outcome.versions.keys() == {"1"}
    with walk.load(url=gateway, host=HOST) as load:
        walk.upgrade(**canary, api__release__canary__weight="20")
        time.sleep(2)
    figures.note("canary to 20 %", load.outcome)
    with walk.load(url=gateway, host=HOST) as load:
        time.sleep(30)  # some 240 answers: chance alone leaves the bounds below in one run of thousands
    figures.note("canary at 20 %", load.outcome)
    share = load.outcome.versions.get("2", 0) / load.outcome.answered
    print(f"the canary answered {share:.0%} of {load.outcome.answered}")
    assert 0.1 < share < 0.3
    with walk.load(url=gateway, host=HOST) as load:
        walk.upgrade(**canary, api__release__canary__weight="60")
        time.sleep(10)
        walk.rollback()
        time.sleep(2)
    figures.note("canary to 60 % and back", load.outcome)
    with walk.load(url=gateway, host=HOST) as load:
        walk.upgrade(**canary, api__release__canary__weight="0")
        walk.upgrade()
        time.sleep(5)
    figures.note("canary taken away", load.outcome)


def _set_alias(alias: str, version: str) -> str:
    return (
        "from dandelion.registry import create_registry; from dandelion.settings import load_settings;"
        f"create_registry(load_settings()).set_alias('{alias}', '{version}')"
    )


def test_blue_green_flips_and_flips_back_while_an_autoscaler_makes_three_pods_of_one(
    walk: Release, figures: Figures
) -> None:
    scaling = {"api__autoscaling__minReplicas": "1", "api__autoscaling__maxReplicas": "3"}
    scaling["api__autoscaling__targetCpuPercent"] = "70"  # of the small request of these tests
    stable = {"api.release.blueGreen.stableReplicas": "2"}

    def step(active: str, idle: int, **more: str) -> None:
        slots = {"api__release__strategy": "blue-green", "api__release__blueGreen__idleReplicas": str(idle)}
        walk.upgrade(**slots, **more, api__release__blueGreen__activeSlot=active)

    def scale(slot: str, pods: int) -> None:
        walk.kubectl("scale", f"deployment/dandelion-api-{slot}", f"--replicas={pods}")
        walk.wait_for_pods(slot, pods)

    with walk.load() as load:
        step("stable", 2, **stable)
        walk.wait_for_pods("blue", 2)
        step("blue", 2, **stable)
        walk.rollback()  # to pods that are still there
        step("blue", 2, **stable)
        step("blue", 2)
    figures.note("from rolling to blue-green", load.outcome)
    step("blue", 1, **scaling)
    scale("blue", 1)
    with walk.load(per_second=25) as load:
        walk.wait_for_pods("blue", 3)  # by the load alone
        step("blue", 3, **scaling)
        walk.wait_for_pods("green", 3)
    figures.note("three pods of one", load.outcome)
    with fewest_replicas(walk, "dandelion-api-blue", "dandelion-api-green") as fewest:
        with walk.load(per_second=25) as load:
            step("green", 3, **scaling)
            wait_until(lambda: _versions(walk) == {"2"}, "green serves", seconds=60, every=0.2)
            time.sleep(5)  # new connections are told at once, those that are kept later
        figures.note("flip to green", load.outcome)
        with walk.load(per_second=25) as load:
            walk.rollback()
            wait_until(lambda: _versions(walk) == {"1"}, "blue serves", seconds=60, every=0.2)
            time.sleep(5)
        figures.note("flip back to blue", load.outcome)
    print(f"fewest pods while flipping: {dict(fewest)}")
    assert min(fewest.values()) == 3
    step("blue", 1, **scaling)
    for slot in ("blue", "green"):
        scale(slot, 1)  # else the pods of the third track would wait for room until their autoscalers shrink them
    with walk.load() as load:
        step("blue", 1, **stable)
        walk.wait_for_pods("stable", 2)
        step("stable", 1, **stable)
        walk.upgrade()
    figures.note("from blue-green to rolling", load.outcome)


def test_a_retraining_runs_as_a_job_and_the_pods_swap_to_its_model(walk: Release, figures: Figures) -> None:
    for label, photo in labelled_photos(40):
        said = walk.ask("POST", "/predict", body=photo).json()
        told = {"prediction_id": said["prediction_id"], "label": label}
        assert walk.ask("POST", "/feedback", body=json.dumps(told).encode(), kind="application/json").is_success
    begin = time.monotonic()
    with walk.load(per_second=5) as load:
        run = json.loads(walk.in_api("dandelion", "retrain", "--force", "--json", "--reason", "the walk"))
        seconds = round(time.monotonic() - begin)
        assert run["decision"] == "promoted", run
        time.sleep(3)
    figures["seconds of a retraining of 80 photos"] = seconds
    print(f"\nretrained as a Job in {seconds} s: {run['message']}")
    figures.note("retrained and swapped", load.outcome)

    def jobs() -> dict[str, dict[str, int]]:
        return {
            each["metadata"]["labels"]["prefect.io/flow-run-id"]: each["status"]
            for each in walk.kubectl.get("jobs", "-l", "prefect.io/flow-run-id")["items"]
        }

    # Schedules and alerts start others at their times.
    wait_until(
        lambda: jobs()[run["run_id"]].get("succeeded") == 1,
        lambda: f"{run['run_id']} has ended: {jobs()}",
        seconds=120,
        every=0.5,
    )
    (champion,) = _versions(walk)
    assert champion not in {"1", "2"}
    assert champion in load.outcome.versions


def test_what_pods_use_is_written_down(walk: Release, figures: Figures) -> None:
    def used() -> dict[str, str]:
        lines = walk.kubectl("top", "pods", "--no-headers").splitlines()
        return {line.split()[0]: line.split()[2] for line in lines}

    wait_until(lambda: any("-api-" in name for name in used()), "API pods are measured", seconds=120, every=0.5)
    figures["memory"] = {name: memory for name, memory in used().items() if "-setup-" not in name}
    print(f"\nmemory: {figures['memory']}")


def test_what_is_left_is_what_is_documented(walk: Release) -> None:
    walk.helm("uninstall", "dandelion", "--wait", "--timeout=10m")
    kinds = "all,cm,secret,pvc,sa,role,rolebinding,networkpolicy,pdb,hpa,cronjob,httproute"

    def left() -> set[str]:
        found = walk.kubectl.get(kinds, "-l", "app.kubernetes.io/part-of=dandelion")["items"]
        return {f"{each['kind']}/{each['metadata']['name']}" for each in found}

    wait_until(lambda: not any(each.startswith("Pod/") for each in left()), left, seconds=240, every=0.5)  # they drain
    assert left() == {
        *(f"Secret/dandelion-{part}" for part in ("api", "minio", "mysql")),
        *("PersistentVolumeClaim/data-dandelion-mysql-0", "PersistentVolumeClaim/data-dandelion-minio-0"),
        "PersistentVolumeClaim/dandelion-prefect-server",
    }
