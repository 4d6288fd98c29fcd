"""The walk of docs/install.md and docs/releases.md on a real node; each test goes on where the one before it ended."""

from __future__ import annotations

import json
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chart.chart import ROOT, copy_chart
from tests.cluster.load import NodeLoad, Outcome
from tests.cluster.node import Node
from tests.cluster.release import Release, within
from tests.photos import labelled_photos

HOST = "api.example.com"
NAMESPACE = "walk"
FIGURES = ROOT / "artifacts" / "cluster" / "walk.json"


class Walk(Release):
    """The release that is walked through, and what was measured on the way."""

    def __init__(self, node: Node, chart: Path, images: dict[str, str]) -> None:
        super().__init__(node, NAMESPACE, chart, images, BASE)
        self.figures: dict[str, Any] = {}

    def load(self, **options: Any) -> NodeLoad:
        return NodeLoad(self.node.space, options.pop("url", None) or self.url(), **options)

    def ends(self, job: str, seconds: float = 180) -> bool:
        """Whether a Job ends well within that time; what its pods said is printed where it does not."""

        def over() -> set[str]:
            conditions = self.kubectl.get("job", job).get("status", {}).get("conditions", [])
            return {each["type"] for each in conditions if each["status"] == "True"} & {"Complete", "Failed"}

        if within(seconds, over) and over() == {"Complete"}:
            return True
        print(self.kubectl("logs", "-l", f"batch.kubernetes.io/job-name={job}", "--all-containers", "--tail=50"))
        return False

    def note(self, name: str, outcome: Outcome) -> None:
        """Keep a figure for docs/install.md, and hold it to the promise."""
        self.figures[name] = {"answered": outcome.answered, "failed": len(outcome.failures), "p95_ms": outcome.p95_ms}
        print(f"\n{name}: {self.figures[name]}, versions {outcome.versions}")
        assert outcome.failures == []
        assert outcome.answered > 0


# All photos are kept, so that each can be looked for; the database's part is backed up.
BASE = {
    "api.settings.DANDELION_JOURNAL__PHOTOS": "all",
    "api.settings.DANDELION_MODEL__POLL_SECONDS": "2",
    "api.autoscaling.minReplicas": "2",
    "backups.enabled": "true",
    "mysql.binlogs.every": "15m",
    "quota.enabled": "false",
    # Six pods of three tracks stand side by side on two cores.
    "api.resources.requests.cpu": "150m",
}


@pytest.fixture(scope="module")
def walk(node: Node, images: dict[str, str], gateway: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """A namespace that takes only "restricted" pods, and the chart."""
    found = Walk(node, copy_chart(tmp_path_factory.mktemp("walk") / "dandelion"), images)
    found.make_room()
    yield found
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(found.figures, indent=2))
    node.kubectl("delete", "pv", "walk-libraries", "--ignore-not-found", "--wait=false")
    found.leave()


def test_all_pods_become_ready(walk: Walk) -> None:
    begin = time.monotonic()
    walk.install()
    walk.figures["seconds to all ready"] = round(time.monotonic() - begin)
    for component in ("api", "ui", "mlflow", "mysql", "minio", "prefect-server", "prefect-worker"):
        pods = walk.pods(component)
        assert pods, component
        for pod in pods:
            conditions = {each["type"]: each["status"] for each in pod["status"]["conditions"]}
            assert conditions["Ready"] == "True", component
    print(f"\nall ready after {walk.figures['seconds to all ready']} s")


def test_the_release_checks_itself(walk: Walk) -> None:
    assert walk.helm("test", "dandelion", "--timeout=3m").count("Succeeded") == 2


def test_a_photo_is_answered_and_kept(walk: Walk) -> None:
    for label, photo in labelled_photos(2):
        answer = walk.ask("POST", "/predict", body=photo)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        assert said["label"] == label
        assert said["model"] == {"name": "dandelion", "version": "1", "alias": "champion"}
        number = said["prediction_id"].replace("-", "").upper()
        query = f"SELECT label FROM mlops_db.predictions WHERE HEX(id) = '{number}'"  # noqa: S608 -- an id of ours
        sql = f'MYSQL_PWD=$MYSQL_ROOT_PASSWORD mysql --user=root --skip-column-names --execute "{query}"'
        mysql = ("exec", "dandelion-mysql-0", "-c", "mysql", "--", "sh", "-c", sql)
        assert within(30, lambda: walk.kubectl(*mysql).strip() == label), "no row in MySQL"  # noqa: B023 -- runs here
        listed = ("dandelion", "objects", "list", "data-lake", "--json")
        assert within(30, lambda: said["prediction_id"] in walk.in_api(*listed)), "no picture in MinIO"  # noqa: B023 -- runs here


def test_the_page_answers(walk: Walk) -> None:
    assert walk.ask("GET", "/predictions?limit=1").json()["predictions"]
    script = "import httpx, sys; print(httpx.get(sys.argv[1], timeout=30, follow_redirects=True).status_code)"
    url = f"{walk.url('dandelion-ui', 7860)}/"
    assert walk.node.space.run_inside(script, url, given=b"").strip() == b"200"


def test_strangers_are_kept_out(walk: Walk) -> None:
    """Default deny is enforced: the page reaches the API alone."""

    def reaches(pod: str, host: str, port: int) -> bool:
        script = f"import socket; socket.create_connection(('{host}', {port}), 3)"
        return walk.kubectl.succeeds("exec", pod, "--", "python3", "-c", script)

    ui = f"pod/{walk.pods('ui')[0]['metadata']['name']}"
    assert reaches(ui, "dandelion-api", 8000)
    assert not reaches(ui, "dandelion-mysql", 3306)
    assert not reaches(ui, "dandelion-minio", 9000)


def test_the_autoscaler_reads_real_figures(walk: Walk) -> None:
    def figure() -> int | None:
        status = walk.kubectl.get("hpa", "dandelion-api").get("status", {})
        for each in status.get("currentMetrics") or []:
            if "resource" not in each:
                return None
            found: int | None = each["resource"]["current"].get("averageUtilization")
            return found
        return None

    # It passes over pods that have just become ready, and looks at most once a minute.
    assert within(300, lambda: figure() is not None)
    print(f"\nthe autoscaler sees {figure()} % of the requested CPU")


def test_a_pod_that_is_deleted_is_replaced_without_a_failed_request(walk: Walk) -> None:
    with walk.load() as load:
        time.sleep(5)
        name = walk.pods()[0]["metadata"]["name"]
        walk.kubectl("delete", "pod", name)
        walk.kubectl("rollout", "status", "deployment/dandelion-api", "--timeout=120s")
        time.sleep(5)
    walk.note("a pod deleted", load.outcome)


def test_an_upgrade_rolls_out_without_a_failed_request(walk: Walk) -> None:
    before = {each["metadata"]["name"] for each in walk.pods()}
    with walk.load() as load:
        time.sleep(3)
        walk.upgrade(global__logLevel="debug")
        time.sleep(3)
    walk.note("rolling upgrade", load.outcome)
    assert before.isdisjoint({each["metadata"]["name"] for each in walk.pods()})
    with walk.load() as load:
        walk.rollback()
        time.sleep(3)
    walk.note("rolling back", load.outcome)


def test_a_model_is_promoted_and_taken_back_without_a_failed_request(walk: Walk) -> None:
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
        assert within(60, lambda: _versions(walk) == {"2"})
        walk.in_api("dandelion", "models", "rollback")
        assert within(60, lambda: _versions(walk) == {"1"})
    walk.note("model promoted and taken back", load.outcome)
    assert load.outcome.versions.keys() == {"1", "2"}


def _versions(walk: Walk) -> set[str]:
    return {walk.ask("GET", "/model").json()["version"] for _ in range(6)}


GATEWAY = {
    "gateway.enabled": "true",
    "gateway.parentRefs[0].name": "gateway",
    "gateway.parentRefs[0].namespace": "projectcontour",
    "gateway.apiHost": HOST,
}


def test_a_canary_gets_its_share_and_goes_back(walk: Walk, gateway: str) -> None:
    walk.in_api("python", "-c", _set_alias("challenger", "2"))
    canary = {**GATEWAY, "api__release__strategy": "canary"}
    walk.upgrade(**GATEWAY)
    assert within(30, lambda: _routed(walk, gateway))
    with walk.load(url=gateway, host=HOST) as load:
        walk.upgrade(**canary, api__release__canary__weight="0")
    walk.note("canary started", load.outcome)
    assert load.outcome.versions.keys() == {"1"}
    with walk.load(url=gateway, host=HOST) as load:
        walk.upgrade(**canary, api__release__canary__weight="20")
        time.sleep(2)
    walk.note("canary to 20 %", load.outcome)
    with walk.load(url=gateway, host=HOST) as load:
        time.sleep(30)  # some 240 answers: chance alone leaves the bounds below in one run of thousands
    walk.note("canary at 20 %", load.outcome)
    share = load.outcome.versions.get("2", 0) / load.outcome.answered
    print(f"the canary answered {share:.0%} of {load.outcome.answered}")
    assert 0.1 < share < 0.3
    with walk.load(url=gateway, host=HOST) as load:
        walk.upgrade(**canary, api__release__canary__weight="60")
        time.sleep(10)
        walk.rollback()
        walk.rollback()
        time.sleep(2)
    walk.note("canary to 60 % and back", load.outcome)
    with walk.load(url=gateway, host=HOST) as load:
        walk.upgrade(**canary, api__release__canary__weight="0")
        walk.upgrade(**GATEWAY)
        time.sleep(5)
    walk.note("canary taken away", load.outcome)


def _set_alias(alias: str, version: str) -> str:
    return (
        "from dandelion.registry import create_registry; from dandelion.settings import load_settings;"
        f"create_registry(load_settings()).set_alias('{alias}', '{version}')"
    )


def _routed(walk: Walk, gateway: str) -> bool:
    script = "import httpx, sys; print(httpx.get(sys.argv[1] + '/livez', headers={'Host': sys.argv[2]}).status_code)"
    try:
        return walk.node.space.run_inside(script, gateway, HOST, given=b"").strip() == b"200"
    except Exception:  # noqa: BLE001 -- not listening yet
        return False


def test_blue_green_flips_and_flips_back(walk: Walk) -> None:
    slots = {"api__release__strategy": "blue-green", "api__release__blueGreen__idleReplicas": "2"}
    with walk.load() as load:
        walk.upgrade(**slots, api__release__blueGreen__activeSlot="stable")
        walk.upgrade(**slots, api__release__blueGreen__activeSlot="blue")
    walk.note("from rolling to blue-green", load.outcome)
    with walk.load() as load:
        time.sleep(2)
        walk.upgrade(**slots, api__release__blueGreen__activeSlot="green")
        assert within(30, lambda: _versions(walk) == {"2"})
        time.sleep(2)
    walk.note("flip to green", load.outcome)
    with walk.load() as load:
        walk.rollback()
        assert within(30, lambda: _versions(walk) == {"1"})
    walk.note("flip back to blue", load.outcome)
    with walk.load() as load:
        stable = {**slots, "api.release.blueGreen.stableReplicas": "2"}
        walk.upgrade(**stable, api__release__blueGreen__activeSlot="blue")
        walk.upgrade(**stable, api__release__blueGreen__activeSlot="stable")
        walk.upgrade()
    walk.note("from blue-green to rolling", load.outcome)


# The worker's image holds no torch here: PyPI's brings 5 GB. A claim lends the libraries of the tests.
LIBRARIES = "/libraries"
RETRAINING = {
    "prefect.flowRun.volumes[0].name": "libraries",
    "prefect.flowRun.volumes[0].persistentVolumeClaim.claimName": "libraries",
    "prefect.flowRun.volumeMounts[0].name": "libraries",
    "prefect.flowRun.volumeMounts[0].mountPath": LIBRARIES,
    "prefect.flowRun.volumeMounts[0].readOnly": "true",
    "prefect.flowRun.settings.PYTHONPATH": LIBRARIES,
    # Few photos and a short recipe: what matters is where it runs, and that a candidate comes into service.
    "prefect.flowRun.settings.DANDELION_RETRAINING__EPOCHS": "1",
    "prefect.flowRun.settings.DANDELION_RETRAINING__IMAGE_SIZE": "96",
    "prefect.flowRun.settings.DANDELION_RELEASE__MIN_PHOTOS": "5",
    "prefect.flowRun.settings.DANDELION_RELEASE__MARGIN": "1",
    "prefect.flowRun.settings.DANDELION_RELEASE__CLASS_MARGIN": "1",
    "prefect.flowRun.settings.DANDELION_RELEASE__MAX_ECE": "1",
    "prefect.flowRun.settings.DANDELION_RELEASE__MAX_LATENCY_MS": "10000",
    "prefect.flowRun.settings.DANDELION_RELEASE__MIN_AGREEMENT": "0.5",
}


def lend_libraries(walk: Walk) -> None:
    """A claim of a volume that is this environment's libraries, to read."""
    claim = {"namespace": NAMESPACE, "name": "libraries"}
    shared = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
    path = {"path": sysconfig.get_path("purelib"), "type": "Directory"}
    volume = {**shared, "capacity": {"storage": "20Gi"}, "hostPath": path, "claimRef": claim}
    asked = {**shared, "volumeName": "walk-libraries", "resources": {"requests": {"storage": "1Gi"}}}
    volume_is = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "walk-libraries"}}
    claim_is = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": claim}
    walk.node.kubectl.apply({**volume_is, "spec": volume})
    walk.node.kubectl.apply({**claim_is, "spec": asked})


def test_a_retraining_runs_as_a_job_and_the_pods_swap_to_its_model(walk: Walk) -> None:
    lend_libraries(walk)
    walk.upgrade(**RETRAINING)
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
    walk.figures["seconds of a retraining of 80 photos"] = seconds
    print(f"\nretrained as a Job in {seconds} s: {run['message']}")
    walk.note("retrained and swapped", load.outcome)

    def ended() -> bool:
        jobs = walk.kubectl.get("jobs", "-l", "app.kubernetes.io/component=flow-run")["items"]
        return [each["status"].get("succeeded") for each in jobs] == [1]

    assert within(60, ended), "the flow run was no Job of its own"
    (champion,) = _versions(walk)
    assert champion not in {"1", "2"}
    assert champion in load.outcome.versions


def test_a_backup_is_made_and_restored_beside_the_original(walk: Walk) -> None:
    walk.kubectl("create", "job", "backup-now", "--from=cronjob/dandelion-backup-data")
    assert walk.ends("backup-now")
    walk.upgrade(backups__restore__enabled="true")
    (job,) = (
        each["metadata"]["name"]
        for each in walk.kubectl.get("jobs")["items"]
        if "-restore-" in each["metadata"]["name"]
    )
    assert walk.ends(job)
    said = walk.kubectl("logs", f"job/{job}", "-c", "restore")
    assert "restored restored_mlops_db" in said
    assert "restored restored_mlflow" in said
    count = (
        "MYSQL_PWD=$MYSQL_ROOT_PASSWORD mysql --user=root --skip-column-names --execute "
        "'SELECT COUNT(*) FROM restored_mlops_db.predictions'"
    )
    assert int(walk.kubectl("exec", "dandelion-mysql-0", "-c", "mysql", "--", "sh", "-c", count)) > 0


def test_what_pods_use_is_written_down(walk: Walk) -> None:
    def used() -> dict[str, str]:
        lines = walk.kubectl("top", "pods", "--no-headers").splitlines()
        return {line.split()[0]: line.split()[2] for line in lines}

    assert within(60, lambda: any("-api-" in name for name in used()))
    walk.figures["memory"] = {name: memory for name, memory in used().items() if "-setup-" not in name}
    print(f"\nmemory: {walk.figures['memory']}")


def test_what_is_left_is_what_is_documented(walk: Walk) -> None:
    walk.helm("uninstall", "dandelion", "--wait", "--timeout=5m")
    kinds = "all,cm,secret,pvc,sa,role,rolebinding,networkpolicy,pdb,hpa,cronjob,httproute"

    def left() -> set[str]:
        found = walk.kubectl.get(kinds, "-l", "app.kubernetes.io/part-of=dandelion")["items"]
        return {f"{each['kind']}/{each['metadata']['name']}" for each in found}

    assert within(120, lambda: not any(each.startswith("Pod/") for each in left())), left()  # they drain
    assert left() == {
        *(f"Secret/dandelion-{part}" for part in ("api", "minio", "mysql")),
        *("PersistentVolumeClaim/data-dandelion-mysql-0", "PersistentVolumeClaim/data-dandelion-minio-0"),
        "PersistentVolumeClaim/dandelion-prefect-server",
    }
