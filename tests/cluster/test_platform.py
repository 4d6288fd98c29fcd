"""The whole chart where a platform team sets the rules: OpenShift's user ids, and a node that is tainted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.chart.chart import copy_chart
from tests.cluster import openshift
from tests.cluster.control_plane import NODE
from tests.cluster.node import Node
from tests.cluster.release import Release
from tests.cluster.values import VALUES as OTHERS
from tests.cluster.values import lend_libraries
from tests.photos import labelled_photos
from tests.waiting import wait_until

NAMESPACE = "platform"
TAINT = "dedicated=dandelion:NoSchedule"
# Whatever asks for more than little of a processor.
PARTS = (
    *("api", "api.setup", "ui", "mlflow", "mysql", "mysql.setup", "minio", "minio.setup", "backups", "tests"),
    *("prefect.server", "prefect.worker", "prefect.setup", "prefect.flowRun"),
)
VALUES = {
    "global.openshift": "true",
    # Once for every pod: of parts, Jobs, backups, flow runs and tests.
    "global.pod.tolerations[0].key": "dedicated",
    "global.pod.tolerations[0].value": "dandelion",
    "global.pod.tolerations[0].effect": "NoSchedule",
    "backups.enabled": "true",
    "mysql.metrics.enabled": "true",
    "mysql.binlogs.every": "15m",
    "quota.enabled": "false",
    # It stands beside the release that all tests look at, on two cores.
    **{f"{part}.resources.requests.cpu": "10m" for part in PARTS},
    # Libraries that the worker's image does not hold here.
    **{name: value for name, value in OTHERS.items() if name.startswith("prefect.flowRun.pod.")},
}


@pytest.fixture(scope="module")
def platform(node: Node, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """A release in such a cluster; afterwards the node is as before."""
    kubectl = node.kubectl
    chart = copy_chart(tmp_path_factory.mktemp("platform") / "dandelion")
    release = Release(node, NAMESPACE, chart, images, VALUES)
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=5m")
    node.worker.clear_volumes()
    openshift.constrain(kubectl)
    kubectl("taint", "node", NODE, TAINT, "--overwrite")
    try:
        release.create_namespace()
        kubectl("label", "namespace", NAMESPACE, *(f"{key}={value}" for key, value in openshift.CONSTRAINED.items()))
        lend_libraries(kubectl, NAMESPACE)
        _wait_for_policies(release)
        release.install()
        yield release
    finally:
        kubectl("taint", "node", NODE, f"{TAINT}-")
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")
        kubectl("delete", "persistentvolume", f"libraries-of-{NAMESPACE}", "--ignore-not-found", "--wait=false")
        openshift.release(kubectl)


def _pod(uid: int | None) -> str:
    """A pod of nobody's, as JSON."""
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    spec = {
        "securityContext": {**security, "runAsUser": uid} if uid else security,
        "containers": [{"name": "main", "image": "none", "securityContext": restricted}],
    }
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stranger"}, "spec": spec})


def _admitted(release: Release, uid: int | None) -> dict[str, int]:
    """The security context that a pod would get."""
    said = release.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", given=_pod(uid))
    context: dict[str, int] = json.loads(said)["spec"]["securityContext"]
    return context


def _wait_for_policies(release: Release) -> None:
    """The API server takes a moment to learn of them."""

    def refuses() -> bool:
        try:
            _admitted(release, 999)
        except subprocess.CalledProcessError:
            return _admitted(release, None).get("runAsUser") == openshift.FIRST_UID
        return False

    wait_until(refuses, "the policies are in force", seconds=60, every=0.5)


def test_a_pod_with_an_id_of_its_own_would_be_refused(platform: Release) -> None:
    """Else the tests below would prove nothing."""
    with pytest.raises(subprocess.CalledProcessError) as refused:
        _admitted(platform, 999)
    assert "outside the namespace's range" in "".join(refused.value.__notes__)
    taints = platform.node.kubectl.get("node", NODE)["spec"]["taints"]
    assert {"key": "dedicated", "value": "dandelion", "effect": "NoSchedule"} in taints


def test_every_part_runs_as_a_user_of_the_namespace(platform: Release) -> None:
    found = set()
    for pod in platform.kubectl.get("pods")["items"]:
        labels = pod["metadata"]["labels"]
        component = labels["app.kubernetes.io/component"]
        context = pod["spec"]["securityContext"]
        assert context["runAsUser"] == context["fsGroup"] == openshift.FIRST_UID, component
        assert "runAsGroup" not in context, component
        found.add(component)
    parts = {"api", "ui", "mlflow", "mysql", "minio", "prefect-server", "prefect-worker"}
    assert found >= parts

    def phases() -> set[str]:
        return {pod["status"]["phase"] for pod in platform.kubectl.get("pods")["items"]}

    # Schedules and autoscalers may have just begun another.
    wait_until(lambda: phases() <= {"Running", "Succeeded"}, phases, seconds=120, every=0.5)
    assert platform.in_api("id", "-u").strip() == str(openshift.FIRST_UID)
    assert "gid=0" in platform.in_api("id")


def test_a_photo_is_answered_and_the_release_checks_itself(platform: Release) -> None:
    (_, photo), *_ = labelled_photos(1)
    assert platform.ask("POST", "/predict", body=photo).status_code == 200
    assert platform.helm("test", "dandelion", "--timeout=6m").count("Succeeded") == 2


def test_a_flow_run_is_a_job_there(platform: Release) -> None:
    said = json.loads(platform.in_api("dandelion", "retrain", "--json", "--reason", "the platform"))
    assert said["decision"], said
    # Schedules may have started others by now.
    pods = platform.kubectl.get("pods", "-l", "app.kubernetes.io/component=flow-run")["items"]
    assert {pod["spec"]["securityContext"]["runAsUser"] for pod in pods} == {openshift.FIRST_UID}


def test_a_backup_is_made_there(platform: Release) -> None:
    platform.kubectl("create", "job", "backup-now", "--from=cronjob/dandelion-backup-data")
    platform.wait_for_job("backup-now")
