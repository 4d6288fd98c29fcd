"""The chart in a real API server, whose nodes say of every pod that it runs: what Helm makes, changes and leaves."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.chart.chart import ROOT, copy_chart
from tests.cluster.clients import Helm, Kubectl
from tests.waiting import wait_until

GATEWAY = {
    "gateway.enabled": "true",
    "gateway.parentRefs[0].name": "public",
    "gateway.apiHost": "api.example.com",
}
KEPT = {
    "Secret": {"dandelion-api", "dandelion-minio", "dandelion-mysql"},
    "PersistentVolumeClaim": {"data-dandelion-minio-0", "data-dandelion-mysql-0", "dandelion-prefect-server"},
}

# Their names tell digests, in which the generated secrets have a part.
TOLD_APART = ("Pod/", "ReplicaSet/", "Job/")


def options(values: dict[str, str]) -> list[str]:
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def file(name: str) -> list[str]:
    return ["--values", str(ROOT / "values" / f"{name}.yaml")]


def secrets(kubectl: Kubectl) -> dict[str, dict[str, str]]:
    """What generated Secrets hold."""
    found = kubectl.get("secrets", "-l", "app.kubernetes.io/part-of=dandelion")["items"]
    return {each["metadata"]["name"]: each["data"] for each in found}


def of_release(
    kubectl: Kubectl, kinds: str = "all,cm,secret,pvc,sa,role,rolebinding,networkpolicy,pdb,hpa"
) -> set[str]:
    found = kubectl.get(kinds, "-l", "app.kubernetes.io/part-of=dandelion")["items"]
    return {f"{each['kind']}/{each['metadata']['name']}" for each in found}


@pytest.mark.parametrize(
    ("program", "name"),
    [("helm", "laptop"), ("helm", "production"), ("helm", "canary"), ("helm", "blue-green"), ("helm3", "laptop")],
)
def test_a_release_lives_and_ends(chart: Path, namespace: Kubectl, program: str, name: str) -> None:
    helm = Helm(namespace.kubeconfig, namespace.namespace, program)
    helm("install", "dandelion", chart, *file(name), "--wait", "--timeout=5m")
    made = secrets(namespace)
    assert all(base64.b64decode(value) for each in made.values() for value in each.values())
    helm("upgrade", "dandelion", chart, *file(name), "--set", "global.logLevel=debug", "--wait", "--timeout=5m")
    assert secrets(namespace) == made
    helm("rollback", "dandelion", "1", "--wait", "--timeout=5m")
    assert secrets(namespace) == made
    (deployment,) = namespace.get("deployment", "-l", "app.kubernetes.io/component=ui")["items"]
    env = {each["name"]: each.get("value") for each in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["DANDELION_LOG__LEVEL"] == "info"
    helm("uninstall", "dandelion", "--wait", "--timeout=5m")
    left = of_release(namespace, "cm,secret,pvc,sa,role,rolebinding,networkpolicy,pdb,hpa,deploy,sts,svc,job,cronjob")
    kept = {f"{kind}/{each}" for kind, names in KEPT.items() for each in names}
    assert left <= kept, left - kept
    if name != "production":
        assert left == kept


def test_a_new_release_takes_over_what_the_old_one_left(chart: Path, namespace: Kubectl) -> None:
    helm = Helm(namespace.kubeconfig, namespace.namespace)
    helm("install", "dandelion", chart, *file("laptop"))
    made = secrets(namespace)
    helm("uninstall", "dandelion", "--wait")
    helm("install", "dandelion", chart, *file("laptop"))
    assert secrets(namespace) == made


def uids(kubectl: Kubectl, kind: str) -> set[str]:
    return {each["metadata"]["uid"] for each in kubectl.get(kind)["items"]}


def wait_for_pods(kubectl: Kubectl, **numbers: int) -> None:
    """Wait until tracks have as many ready pods: an autoscaler starts those of a new one, and Helm does not wait."""

    def ready() -> dict[str, int]:
        found = kubectl.get("deployment", "-l", "app.kubernetes.io/component=api")["items"]
        return {e["metadata"]["labels"]["dandelion/track"]: e.get("status", {}).get("readyReplicas", 0) for e in found}

    wait_until(lambda: numbers.items() <= ready().items(), lambda: f"{numbers}, now {ready()}", seconds=120, every=0.2)


def test_coming_from_a_rolling_release_the_old_pods_serve_until_the_slots_are_there(
    chart: Path, namespace: Kubectl
) -> None:
    helm = Helm(namespace.kubeconfig, namespace.namespace)
    helm("install", "dandelion", chart, "--wait", "--timeout=5m")
    before = namespace.get("deployment", "dandelion-api")["metadata"]["uid"]

    def step(**slots: str) -> None:
        given = options({f"api.release.blueGreen.{name}": value for name, value in slots.items()})
        helm("upgrade", "dandelion", chart, *file("blue-green"), *given, "--wait", "--timeout=5m")

    step(activeSlot="stable", stableReplicas="2")
    wait_for_pods(namespace, blue=2)
    step(activeSlot="blue", stableReplicas="2")
    helm("rollback", "dandelion", "--wait", "--timeout=5m")
    assert namespace.get("service", "dandelion-api")["spec"]["selector"]["dandelion/track"] == "stable"
    stable = namespace.get("deployment", "dandelion-api")
    assert (stable["metadata"]["uid"], stable["status"]["readyReplicas"]) == (before, 2)
    step(activeSlot="blue", stableReplicas="2")
    step(activeSlot="blue")
    assert not namespace.succeeds("get", "deployment", "dandelion-api")


def test_a_step_that_would_send_requests_to_no_pod_is_refused(chart: Path, namespace: Kubectl) -> None:
    """And what it says comes first is taken, through all strategies and back."""
    helm = Helm(namespace.kubeconfig, namespace.namespace)

    def step(**values: str) -> None:
        dotted = {f"api.release.{name.replace('__', '.')}": value for name, value in values.items()}
        helm("upgrade", "dandelion", chart, *options({**GATEWAY, **dotted}), "--wait", "--timeout=5m")

    def refused(says: str, **values: str) -> None:
        with pytest.raises(subprocess.CalledProcessError) as caught:
            step(**values)
        assert says in caught.value.stderr

    helm("install", "dandelion", chart, *options(GATEWAY), "--wait", "--timeout=5m")
    refused("canary.weight is 20", strategy="canary", canary__weight="20")
    step(strategy="canary", canary__weight="0")
    step(strategy="canary", canary__weight="20")
    refused("activeSlot is blue", strategy="blue-green", blueGreen__activeSlot="blue")
    step(strategy="blue-green", blueGreen__activeSlot="stable")
    wait_for_pods(namespace, blue=2)
    refused("stableReplicas=2 in this step", strategy="blue-green", blueGreen__activeSlot="blue")
    step(strategy="blue-green", blueGreen__activeSlot="blue", blueGreen__stableReplicas="2")
    step(strategy="blue-green", blueGreen__activeSlot="blue")
    refused("stableReplicas=2", strategy="rolling")
    refused("stableReplicas=2", strategy="blue-green", blueGreen__activeSlot="stable")
    step(strategy="blue-green", blueGreen__activeSlot="blue", blueGreen__stableReplicas="2")
    wait_for_pods(namespace, stable=2)
    step(strategy="blue-green", blueGreen__activeSlot="stable")
    step(strategy="rolling")


def test_a_canarys_weight_lands_in_the_route(chart: Path, namespace: Kubectl) -> None:
    helm = Helm(namespace.kubeconfig, namespace.namespace)

    def weights() -> dict[str, int]:
        http, grpc = (
            {each["name"].rsplit("-", 1)[-1]: each["weight"] for each in rule["backendRefs"]}
            for kind in ("httproute", "grpcroute")
            for rule in namespace.get(kind, "dandelion-api")["spec"]["rules"]
        )
        assert http == grpc
        return http

    given = {**GATEWAY, "gateway.grpcHost": "grpc.example.com", "api.grpc.enabled": "true"}
    helm("install", "dandelion", chart, *file("canary"), *options(given), "--wait", "--timeout=5m")
    assert weights() == {"api": 0, "stable": 90, "canary": 10}
    jobs = uids(namespace, "jobs")
    weight = {**given, "api.release.canary.weight": "60"}
    helm("upgrade", "dandelion", chart, *file("canary"), *options(weight), "--wait", "--timeout=5m")
    assert weights() == {"api": 0, "stable": 40, "canary": 60}
    assert uids(namespace, "jobs") == jobs  # no Job runs again, and none that runs is stopped
    helm("rollback", "dandelion", "1", "--wait", "--timeout=5m")
    assert weights() == {"api": 0, "stable": 90, "canary": 10}
    assert helm("history", "dandelion").count("\n") >= 4


def test_an_upgrade_from_an_earlier_chart_keeps_volumes_and_secrets(
    chart: Path, namespace: Kubectl, tmp_path: Path
) -> None:
    """No earlier chart was published: this one under an earlier version stands for it."""
    earlier = copy_chart(tmp_path / "dandelion")
    text = (
        (earlier / "Chart.yaml")
        .read_text()
        .replace("version: 0.1.0\nappVersion: 0.1.0", "version: 0.0.9\nappVersion: 0.0.9")
    )
    (earlier / "Chart.yaml").write_text(text)
    helm = Helm(namespace.kubeconfig, namespace.namespace)
    helm("install", "dandelion", earlier, *file("laptop"), "--wait", "--timeout=5m")
    made = secrets(namespace)
    volumes = {each["metadata"]["uid"] for each in namespace.get("pvc")["items"]}
    helm("upgrade", "dandelion", chart, *file("laptop"), "--wait", "--timeout=5m")
    assert secrets(namespace) == made
    assert {each["metadata"]["uid"] for each in namespace.get("pvc")["items"]} == volumes


def test_two_namespaces_have_a_release_each_and_one_outlives_the_other(chart: Path, cluster: Kubectl) -> None:
    names = ["twin-one", "twin-two"]
    for name in names:
        helm = Helm(cluster.kubeconfig, name)
        helm("install", "dandelion", chart, *file("laptop"), "--create-namespace", "--wait", "--timeout=5m")
    one, two = (of_release(cluster.within(name)) for name in names)
    assert {each for each in one if not each.startswith(TOLD_APART)} == {
        each for each in two if not each.startswith(TOLD_APART)
    }
    kept = secrets(cluster.within("twin-two"))
    assert secrets(cluster.within("twin-one")) != kept
    Helm(cluster.kubeconfig, "twin-one")("uninstall", "dandelion", "--wait", "--timeout=5m")
    Helm(cluster.kubeconfig, "twin-two")(
        "upgrade", "dandelion", chart, *file("laptop"), "--set", "api.replicas=2", "--wait", "--timeout=5m"
    )
    assert secrets(cluster.within("twin-two")) == kept
    assert two <= of_release(cluster.within("twin-two"))
    for name in names:
        cluster("delete", "namespace", name, "--wait=false")


def test_a_quota_holds_everything(chart: Path, namespace: Kubectl) -> None:
    helm = Helm(namespace.kubeconfig, namespace.namespace)
    helm("install", "dandelion", chart, *file("laptop"), "--wait", "--wait-for-jobs", "--timeout=5m")
    (quota,) = namespace.get("resourcequota")["items"]
    print(f"\nused of the quota: {quota['status']['used']} of {quota['status']['hard']}")
    events = namespace.get("events")["items"]
    assert not [each["message"] for each in events if "exceeded quota" in each.get("message", "")]


def test_a_clean_clone_can_be_installed(namespace: Kubectl, tmp_path: Path) -> None:
    """The command of docs/install.md, with the placeholder for the one dependency that is fetched."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    stack = clone / "charts" / "kube-prometheus-stack"
    stack.mkdir()
    (version,) = (
        each["version"]
        for each in yaml.safe_load((clone / "Chart.yaml").read_text())["dependencies"]
        if each["name"] == stack.name
    )
    (stack / "Chart.yaml").write_text(f"apiVersion: v2\nname: {stack.name}\nversion: {version}\n")
    helm = Helm(namespace.kubeconfig, namespace.namespace)
    said = helm("install", "dandelion", clone, "--values", clone / "values/laptop.yaml", "--dry-run=server")
    assert "curl -F file=@photo.jpg" in said


def test_backups_and_restores_are_taken_by_the_server(chart: Path, namespace: Kubectl) -> None:
    helm = Helm(namespace.kubeconfig, namespace.namespace)
    values = {
        "backups.enabled": "true",
        "backups.restore.id": "a",
        "backups.restore.dump": "mysql/2026-11-29T041500Z.sql.gz",
        "mysql.binlogs.every": "15m",
        "backups.mirror.url": "https://elsewhere.example.com",
        "backups.mirror.existingSecret": "mirror",
    }
    helm(
        "install",
        "dandelion",
        chart,
        *file("laptop"),
        *options({**values, "quota.enabled": "false"}),
        "--wait",
        "--timeout=5m",
    )
    jobs = {each["metadata"]["name"]: each for each in namespace.get("cronjob")["items"]}
    assert set(jobs) == {"dandelion-backup-data", "dandelion-backup-files"}
    namespace("create", "job", "by-hand", "--from=cronjob/dandelion-backup-data")
    namespace("wait", "--for=condition=Complete", "--timeout=60s", "job/by-hand")
