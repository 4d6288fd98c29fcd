"""The table at the end of all suites tells what failed, and what never ran."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import report

JUNIT = """<testsuites><testsuite name="pytest" errors="{errors}" failures="{failures}" skipped="{skipped}"
 tests="{tests}" time="12.5"><testcase classname="tests.unit.test_a" name="test_slow" time="9.5"/>
<testcase classname="tests.unit.test_a" name="test_fast" time="0.1"/></testsuite></testsuites>"""


def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **counts: int
) -> tuple[int, str]:
    numbers = {"errors": 0, "failures": 0, "skipped": 0, "tests": 5, **counts}
    (folder / "unit.xml").write_text(JUNIT.format(**numbers))
    monkeypatch.setattr(report, "FOLDER", folder)
    monkeypatch.setattr(sys, "argv", ["report", "unit", *(["gone"] if "gone" in counts else [])])
    status = report.main()
    return status, capsys.readouterr().out


@pytest.mark.parametrize(
    ("counts", "status", "row", "end"),
    [
        ({}, 0, "unit 5 5 0 0 12", "5 passed, 0 failed"),
        ({"skipped": 2}, 0, "unit 5 3 0 2 12", "3 passed, 0 failed"),
        ({"failures": 1}, 1, "unit 5 4 1 0 12", "4 passed, 1 failed"),
        ({"errors": 1, "failures": 1}, 1, "unit 5 3 2 0 12", "3 passed, 2 failed"),
        ({"tests": 0}, 1, "unit 0 0 0 0 12", "0 passed, 0 failed"),
        ({"gone": 1}, 1, "gone 1 0 1 0 0", "5 passed, 1 failed"),
    ],
)
def test_a_suite_that_failed_or_ran_nothing_fails_the_report(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    counts: dict[str, int],
    status: int,
    row: str,
    end: str,
) -> None:
    found, printed = run(tmp_path, monkeypatch, capsys, **counts)
    assert found == status
    assert row.split() in [line.split() for line in printed.splitlines()]
    assert printed.splitlines()[-1] == end
    assert printed.index("test_slow") < printed.index("test_fast")


def test_the_file_that_mypy_leaves_is_read_too(tmp_path: Path) -> None:
    file = tmp_path / "types.xml"
    file.write_text(
        '<testsuite errors="0" failures="0" name="mypy" skips="0" tests="1" time="40.2">'
        '<testcase classname="mypy" file="mypy" line="1" name="mypy-py3_11-linux" time="40.2"/></testsuite>'
    )
    suite = report.read_suite(file)
    assert (suite.passed, suite.failed, round(suite.seconds)) == (1, 0, 40)
