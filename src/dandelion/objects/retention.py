"""Deleting expired objects, if the store does not do that itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from dandelion.concurrency.periodic import run_periodically
from dandelion.objects.store import ObjectStore

PAUSE_SECONDS = 3600.0

log = structlog.get_logger(__name__)


async def expire_periodically(store: ObjectStore, days: Mapping[str, int]) -> None:
    """Expire objects hourly until cancelled; a bucket that fails does not stop the others.

    Args:
        store: The object store.
        days: Bucket to the days that its objects are retained.
    """
    loops = (
        run_periodically(f"expiry in {bucket}", partial(_expire, store, bucket, limit), pause_seconds=PAUSE_SECONDS)
        for bucket, limit in days.items()
    )
    await asyncio.gather(*loops)


async def _expire(store: ObjectStore, bucket: str, days: int) -> None:
    gone = await asyncio.to_thread(store.expire, bucket, datetime.now(UTC) - timedelta(days=days))
    if gone:
        log.info("expired", bucket=bucket, objects=gone)
