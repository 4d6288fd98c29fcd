"""The chart as Helm sees it, copied aside so that the one dependency that is fetched can be stood in for."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.servers import tools

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("api", "ui", "prefect", "mlflow", "mysql", "minio")
# What of the repository is the chart; .helmignore says the same the other way round.
OURS = (
    "Chart.yaml",
    "Chart.lock",
    ".helmignore",
    "README.md",
    "values.yaml",
    "values.schema.json",
    "templates",
    "dashboards",
    "alerts",
)
STACK = "kube-prometheus-stack"

Manifest = dict[str, Any]


class HelmError(Exception):
    """Helm refused; the message is what it said."""


def copy_chart(target: Path) -> Path:
    """The chart at `target`, with a placeholder in the place of kube-prometheus-stack and nothing else changed."""
    target.mkdir(parents=True)
    for name in OURS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name)
        else:
            shutil.copy(source, target / name)
    shutil.copytree(ROOT / "charts", target / "charts", ignore=shutil.ignore_patterns("*.tgz", STACK))
    (stack,) = (each for each in read_yaml(ROOT / "Chart.yaml")["dependencies"] if each["name"] == STACK)
    placeholder = target / "charts" / STACK
    placeholder.mkdir()
    (placeholder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {STACK}\nversion: {stack['version']}\n")
    return target


def read_yaml(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


class Helm:
    """One version of Helm over a copy of the chart.

    Args:
        tool: `helm` or `helm3`.
        chart: The copy.
        env: Added to the environment of every call.
    """

    def __init__(self, tool: str, chart: Path, env: Mapping[str, str] | None = None) -> None:
        self.tool = tool
        self.chart = chart
        self._program = str(tools.find(tool))
        self._env = env

    def run(self, *words: str) -> str:
        """What it printed.

        Raises:
            HelmError: It failed.
        """
        done = subprocess.run(
            [self._program, *words],
            capture_output=True,
            text=True,
            check=False,
            env=dict(self._env) if self._env else None,
        )
        if done.returncode:
            raise HelmError(done.stderr or done.stdout)
        return done.stdout

    def template(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        files: Sequence[str] = (),
        release: str = "dandelion",
        namespace: str = "demo",
        kubernetes: str = "1.34.0",
        only: str = "",
    ) -> list[Manifest]:
        """Everything that would be installed, hooks and tests included.

        Args:
            values: Set over the files.
            files: Names in `values/`, without their ending.
            release: Its name.
            namespace: Where it would go.
            kubernetes: Version to render for.
            only: The template whose manifests are wanted; empty means all.
        """
        words = ["template", release, str(self.chart), "--namespace", namespace, "--kube-version", kubernetes]
        if only:
            words += ["--show-only", only]
        for name in files:
            words += ["--values", str(ROOT / "values" / f"{name}.yaml")]
        if values:
            given = self.chart.parent / "given.yaml"
            given.write_text(yaml.safe_dump(dict(values)))
            words += ["--values", str(given)]
        return list(parse(self.run(*words)))


def parse(text: str) -> Iterable[Manifest]:
    """The manifests of a text, by libyaml: Python's own reader takes as long as Helm."""
    return (each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each)


def nested(path: str, value: object) -> dict[str, Any]:
    """`a.b.c` and a value as the values that `--set` would make of them."""
    found: Any = value
    for key in reversed(path.split(".")):
        found = {key: found}
    return dict(found)


def merged(*values: Mapping[str, Any]) -> dict[str, Any]:
    """Values over values, as Helm merges files."""
    result: dict[str, Any] = {}
    for each in values:
        for key, value in each.items():
            held = result.get(key)
            result[key] = merged(held, value) if isinstance(held, dict) and isinstance(value, Mapping) else value
    return result


def of_kind(manifests: Iterable[Manifest], *kinds: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] in kinds]


def pods_of(manifests: Iterable[Manifest]) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, labels and spec of every pod that the manifests lead to."""
    found = []
    for each in manifests:
        kind, name, spec = each["kind"], each["metadata"]["name"], each.get("spec", {})
        if kind == "Pod":
            found.append((f"{kind}/{name}", each["metadata"]["labels"], spec))
        elif kind in {"Deployment", "StatefulSet", "DaemonSet", "Job"}:
            found.append((f"{kind}/{name}", spec["template"]["metadata"]["labels"], spec["template"]["spec"]))
        elif kind == "CronJob":
            template = spec["jobTemplate"]["spec"]["template"]
            found.append((f"{kind}/{name}", template["metadata"]["labels"], template["spec"]))
        elif kind == "ConfigMap" and "job-template.json" in each.get("data", {}):
            job = json.loads(each["data"]["job-template.json"])["job_configuration"]["job_manifest"]
            template = job["spec"]["template"]
            # Over which Prefect's worker writes its own.
            written = {"app.kubernetes.io/name": "retrain", "app.kubernetes.io/part-of": "prefect"}
            found.append((f"flow run of {name}", {**template["metadata"]["labels"], **written}, template["spec"]))
    return found


def flow_runs_of(manifests: Iterable[Manifest]) -> list[Manifest]:
    """The Jobs of flow runs, as Prefect's worker creates them from the ConfigMap."""
    found = []
    for each in manifests:
        if each["kind"] == "ConfigMap" and "job-template.json" in each.get("data", {}):
            job = json.loads(each["data"]["job-template.json"])["job_configuration"]["job_manifest"]
            pod = job["spec"]["template"]["spec"]
            # The worker insists on the two, which Kubernetes does not know, and fills in a list.
            del pod["completions"], pod["parallelism"]
            pod["containers"][0]["args"] = ["run"]
            found.append(job)
    return found


def containers_of(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]
