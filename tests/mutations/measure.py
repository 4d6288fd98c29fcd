"""A pytest plugin that notes which test runs which line, under `coverage run`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import Coverage

RESULTS = "MUTATIONS_RESULTS"

_seconds: dict[str, float] = {}
_failed: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    coverage = Coverage.current()
    assert coverage is not None, "run this under `coverage run`"
    coverage.switch_context(item.nodeid)
    result = yield
    coverage.switch_context("")
    return result


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[report.nodeid] = _seconds.get(report.nodeid, 0.0) + report.duration
    if report.outcome != "passed":  # a skipped test finds nothing either
        _failed.add(report.nodeid)


def pytest_sessionfinish() -> None:
    passed = {name: round(seconds, 3) for name, seconds in _seconds.items() if name not in _failed}
    Path(os.environ[RESULTS]).write_text(json.dumps(passed), encoding="utf-8")
