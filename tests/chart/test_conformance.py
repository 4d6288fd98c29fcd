"""What Kubernetes itself and others' rules say of the manifests."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from dandelion.flows.deploy import check_job
from tests.chart.chart import Manifest, flow_runs_of
from tests.chart.matrix import MATRIX, Case
from tests.servers import tools
from tests.servers.tools.schemas import KUBERNETES, schema_options

PERFECT = 10
# Rules of kube-score that the chart does not follow, and why.
LEFT = {
    "container-image-pull-policy": "tags are versions that never change, so IfNotPresent is right",
    "container-security-context-user-group-id": "users of our images are above 10000; MySQL's is 999, MinIO's 1000",
    "pod-networkpolicy": "it finds policies by one selector alone; test_policies.py works out all of them",
    "networkpolicy-targets-pod": "the policy of flow runs and of tests is about pods that come later",
    "container-resources": "no CPU limits but the API's: idle cores are for whoever needs them",
    "container-ephemeral-storage-request-and-limit": "emptyDirs have size limits instead",
    "deployment-has-host-podantiaffinity": "topologySpreadConstraints spread pods where there is room to",
    "pod-probes-identical": "a probe of life may ask the same server as the probe of readiness",
    "deployment-strategy": "MLflow, Prefect and its worker are recreated: there must not be two at once",
    "horizontalpodautoscaler-replicas": "a laptop begins with one pod",
    "deployment-replicas": "one MLflow and one Prefect server, since SQLite and migrations have one writer",
    "statefulset-has-servicename": "MinIO is asked through a Service that is not headless",
}


def written(folder: Path, manifests: list[Manifest]) -> Path:
    path = folder / "manifests.yaml"
    path.write_text(yaml.safe_dump_all(manifests))
    return path


def test_every_manifest_is_one_that_kubernetes_knows(
    rendered: Callable[[Case], list[Manifest]], tmp_path: Path
) -> None:
    """Strict schemas of the oldest and newest Kubernetes, of Gateway API and of the Prometheus operator."""
    manifests = [each for case in MATRIX for each in rendered(case)]
    manifests += flow_runs_of(manifests)
    path = written(tmp_path, manifests)
    for version in KUBERNETES:
        options = ["-summary", "-output", "json", *schema_options(version)]
        done = subprocess.run(
            [str(tools.find("kubeconform")), *options, str(path)], capture_output=True, text=True, check=False
        )
        report = json.loads(done.stdout)
        assert not report.get("resources"), report["resources"][:3]
        summary = report["summary"]
        print(f"\nkubeconform {version}: {summary}")
        assert summary["valid"] == len(manifests)


def test_kube_score_finds_only_what_is_left_on_purpose(
    rendered: Callable[[Case], list[Manifest]], tmp_path: Path
) -> None:
    found: dict[str, list[str]] = {}
    needed = set()
    for case in MATRIX:
        argv = [
            str(tools.find("kube-score")),
            "score",
            "--output-format",
            "json",
            str(written(tmp_path, rendered(case))),
        ]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        objects: list[dict[str, Any]] = json.loads(done.stdout) or []
        for each in objects:
            for check in each["checks"]:
                rule = check["check"]["id"]
                if check["skipped"] or check["grade"] >= PERFECT:
                    continue
                if rule in LEFT:
                    needed.add(rule)
                else:
                    words = " ".join(f"{c['path']} {c['summary']}" for c in check["comments"] or [])
                    found.setdefault(rule, []).append(f"{case.name} {each['object_name']}: {words}")
    assert LEFT.keys() == needed, f"exceptions that nothing needs: {sorted(LEFT.keys() - needed)}"
    assert found == {}, json.dumps({rule: places[:3] for rule, places in found.items()}, indent=1)


def test_prefects_worker_takes_the_job_template(rendered: Callable[[Case], list[Manifest]]) -> None:
    """The Job of a flow run is checked as the worker checks it, which it does only once a run is due."""
    for case in MATRIX:
        for each in rendered(case):
            if each["kind"] == "ConfigMap" and "job-template.json" in each["data"]:
                check_job(json.loads(each["data"]["job-template.json"]))
