"""helm-unittest's suites: what is absent by default and rendered when set, template by template."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.chart.chart import copy_chart
from tests.servers import tools

SUITES = Path(__file__).parent / "suites"


def test_every_suite_holds(tmp_path: Path) -> None:
    chart = copy_chart(tmp_path / "dandelion")
    shutil.copytree(SUITES, chart / "suites")
    done = subprocess.run(
        [
            str(tools.find("helm-unittest")),
            "--strict",
            "--with-subchart=false",
            "--file",
            "suites/*_test.yaml",
            str(chart),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"Tests:\s+(\d+) passed, (\d+) total", done.stdout)
    assert passed is not None, done.stdout
    print(f"\nhelm-unittest: {passed[0]} in {len(list(SUITES.iterdir()))} suites")
    assert passed[1] == passed[2]
