"""Deleting expired objects, if the store does not do that itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from dandelion.objects.store import ObjectStore

log = structlog.get_logger(__name__)


async def expire(store: ObjectStore, bucket: str, days: int) -> None:
    """Delete a bucket's objects that are older than `days`.

    Raises:
        ObjectStoreError: The store does not respond; the next call deletes the rest.
    """
    gone = await asyncio.to_thread(store.expire, bucket, datetime.now(UTC) - timedelta(days=days))
    if gone:
        log.info("expired", bucket=bucket, objects=gone)
