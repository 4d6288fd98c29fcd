"""The log: one form for all, at the level that was asked for last."""

from __future__ import annotations

import json

import pytest
import structlog
from structlog.testing import capture_logs

from dandelion.settings import LogSettings
from dandelion.telemetry.logs import configure_logging


def test_a_logger_in_use_follows_a_later_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    log = structlog.stdlib.get_logger("tests")
    configure_logging(LogSettings(level="warning", format="json"))
    log.info("too_early")
    configure_logging(LogSettings(level="info", format="json"))
    log.info("in_time")
    written = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(each["event"], each["level"], each["logger"]) for each in written] == [("in_time", "info", "tests")]
    with capture_logs() as captured:
        log.info("captured")
    assert [each["event"] for each in captured] == ["captured"]
