"""Each part of the chart is a chart: rendered alone, beside the library, it makes what it makes within the whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from tests.chart.chart import PARTS, ROOT, Helm, Manifest, parse, read_yaml


@pytest.fixture(scope="module")
def globals_of_the_whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The values that all parts share, as a file."""
    file = tmp_path_factory.mktemp("values") / "global.yaml"
    file.write_text(yaml.safe_dump({"global": read_yaml(ROOT / "values.yaml")["global"]}))
    return file


@pytest.mark.parametrize("part", PARTS)
def test_a_part_renders_alone_as_within_the_whole(
    either_helm: Helm, part: str, globals_of_the_whole: Path, tmp_path: Path
) -> None:
    for name in ("common", part):
        shutil.copytree(ROOT / "charts" / name, tmp_path / name, ignore=shutil.ignore_patterns("charts", "Chart.lock"))
    either_helm.run("dependency", "build", str(tmp_path / part))
    words = ["--namespace", "demo", "--kube-version", "1.34.0", "--values", str(globals_of_the_whole)]
    alone = parse(either_helm.run("template", "dandelion", str(tmp_path / part), *words))
    whole = either_helm.template()
    assert _by_name(alone) == _by_name(each for each in whole if _chart_of(each) == f"{part}-0.1.0")


def _chart_of(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("labels", {}).get("helm.sh/chart", ""))


def _by_name(manifests: Iterable[Manifest]) -> dict[tuple[str, str], Manifest]:
    """Manifests by kind and name, without generated passwords."""
    found = {(each["kind"], each["metadata"]["name"]): each for each in manifests}
    for (kind, _), manifest in found.items():
        if kind == "Secret":
            manifest["data"] = sorted(manifest["data"])
    assert found
    return found
