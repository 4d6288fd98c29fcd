"""Hourly monitoring: drift over all processes, accuracy on recent labels, and a report for people."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed


@flow(name="monitoring")
def monitor(days: int = 7) -> State[Any]:
    """Store the drift scores that `/metrics` exposes as `drift_merged_*`, and publish a report of the last days.

    Args:
        days: How many days the report covers.
    """
    from dandelion.monitoring import run_monitoring
    from dandelion.monitoring.report import create_report, publish_report
    from dandelion.objects import create_store
    from dandelion.orchestration.artifacts import show_text
    from dandelion.settings import load_settings

    settings, log = load_settings(), get_run_logger()
    found = asyncio.run(run_monitoring(settings))
    show_text(found.tables, key="monitoring", description="Drift and live accuracy")
    place = publish_report(asyncio.run(create_report(settings, timedelta(days=days))), create_store(settings))
    if place is None:
        log.info("A photo in the report was erased while the report was created; the next run creates it again.")
    else:
        log.info("Download the report: dandelion objects get %s monitoring.html", place.replace("/", " ", 1))
    return Completed(message=found.message)
