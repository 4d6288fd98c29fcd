"""A pytest plugin that notes which test runs which line, under `coverage run`.

Tests that start MySQL, object stores, MLflow or Prefect are left out: what they reach in `src`, they reach slowly.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import Coverage

RESULTS = "MUTATIONS_RESULTS"
SERVERS = frozenset({"mariadb", "minio", "mlflow", "mysql", "prefect", "toxiproxy", "versitygw"})

_seconds: dict[str, float] = {}
_failed: set[str] = set()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = [item for item in items if not _needs_server(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen


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


def _needs_server(item: pytest.Item) -> bool:
    """Fixtures name servers, or parameters do for a fixture that looks its server up."""
    named = set(getattr(item, "fixturenames", ()))
    call = getattr(item, "callspec", None)
    values = {value for value in call.params.values() if isinstance(value, str)} if call else set()
    return not SERVERS.isdisjoint(named | values)
