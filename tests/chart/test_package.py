"""What people see of the packaged chart before they install it: its README, and what Artifact Hub shows."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.chart import ROOT, Helm, containers_of, merged, nested, pods_of, read_yaml
from tests.chart.generate import COMMON
from tests.chart.matrix import BACKUPS
from tests.servers.tools import charts

REPOSITORY = "https://github.com/dandelion-ml/dandelion/blob/main/"
RAW = "https://raw.githubusercontent.com/dandelion-ml/dandelion/main/"


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    found: dict[str, Any] = read_yaml(ROOT / "Chart.yaml")
    return found


def annotation(about: dict[str, Any], name: str) -> Any:
    return yaml.safe_load(about["annotations"][f"artifacthub.io/{name}"])


def test_helm_shows_the_readme_with_the_common_values(helm: Helm, tmp_path: Path) -> None:
    helm.run("package", str(helm.chart), "--destination", str(tmp_path))
    (archive,) = tmp_path.glob("*.tgz")
    shown = helm.run("show", "readme", str(archive))
    assert "helm install dandelion ." in shown
    for name in COMMON:
        assert f"| `{name}` |" in shown, name
    with tarfile.open(archive) as files:
        assert not [name for name in files.getnames() if name.startswith(("dandelion/docs", "dandelion/docker"))]


def test_the_images_of_the_annotation_are_those_of_the_templates(helm: Helm, about: dict[str, Any]) -> None:
    everything = merged(BACKUPS, nested("mysql.metrics.enabled", True))
    pods = pods_of(helm.template(everything))
    used = {
        container["image"] for _, _, pod in pods for container in containers_of(pod) if "{{" not in container["image"]
    }
    wanted = [{"name": image.rpartition("/")[2].partition(":")[0], "image": image} for image in sorted(used)]
    assert annotation(about, "images") == wanted, yaml.safe_dump(wanted, sort_keys=False)


def test_every_entry_of_the_changelog_is_a_change_of_a_kind_that_artifact_hub_knows(about: dict[str, Any]) -> None:
    changes = annotation(about, "changes")
    newest = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    assert len(changes) == len(re.findall(r"^- ", newest, re.MULTILINE))
    assert {each["kind"] for each in changes} <= {"added", "changed", "deprecated", "removed", "fixed", "security"}
    assert all(each["description"].endswith(".") for each in changes)


def test_links_and_icon_are_files_of_the_repository(about: dict[str, Any]) -> None:
    for link in annotation(about, "links"):
        assert (ROOT / link["url"].removeprefix(REPOSITORY)).is_file(), link
    assert (ROOT / about["icon"].removeprefix(RAW)).is_file()
    # https://artifacthub.io/docs/topics/annotations/helm/
    assert about["annotations"]["artifacthub.io/category"] == "ai-machine-learning"


def test_the_operator_of_the_tests_is_that_of_the_stack(about: dict[str, Any]) -> None:
    """Its resources would be checked by older definitions else."""
    (stack,) = (each for each in about["dependencies"] if each["name"] == "kube-prometheus-stack")
    assert stack["version"] == charts.STACK_VERSION


def test_no_step_drops_the_defaults_of_a_newer_chart() -> None:
    """`--reuse-values` renders with the defaults of the chart that was installed before."""
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "templates" / "NOTES.txt"]
    pages += [*(ROOT / "values").glob("*.yaml"), *(ROOT / "src").rglob("*.py")]
    assert [page.name for page in pages if "--reuse-values" in page.read_text(encoding="utf-8")] == []
