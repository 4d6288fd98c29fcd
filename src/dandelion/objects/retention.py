"""Objects go when their time is over, also where the store does not see to it itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from dandelion.objects.store import ObjectStore

log = structlog.get_logger(__name__)


async def expire(store: ObjectStore, bucket: str, days: int) -> None:
    """Delete a bucket's objects that are older than `days`.

    Raises:
        ObjectStoreError: The store does not answer; the next call deletes what this one left.
    """
    gone = await asyncio.to_thread(store.expire, bucket, datetime.now(UTC) - timedelta(days=days))
    if gone:
        log.info("expired", bucket=bucket, objects=gone)
