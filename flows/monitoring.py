"""Hourly: what all processes saw, compared with training; accuracy on the labels given lately; a page for people."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed


@flow(name="monitoring")
def monitor(days: int = 7) -> State[Any]:
    """Keep the figures that `/metrics` shows as `drift_merged_*`, and publish the page of the last days.

    Args:
        days: How far back the page looks.
    """
    from dandelion.monitoring import run_monitoring
    from dandelion.monitoring.report import make_report, publish_report
    from dandelion.objects import create_store
    from dandelion.orchestration.artifacts import show_text
    from dandelion.settings import load_settings

    settings, log = load_settings(), get_run_logger()
    found = asyncio.run(run_monitoring(settings))
    show_text(found.tables, key="monitoring", description="What the photos and the labels say")
    page = publish_report(asyncio.run(make_report(settings, timedelta(days=days))), create_store(settings))
    if page is None:
        log.info("A photo on the page was erased while it was drawn; the next run draws it anew.")
    else:
        log.info("The page: dandelion objects get %s monitoring.html", page.replace("/", " ", 1))
    return Completed(message=found.message)
