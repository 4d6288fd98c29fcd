"""Objects go when their time is over, also where the store does not see to it itself."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import structlog

from dandelion.errors import ObjectStoreError
from dandelion.objects.store import ObjectStore

PAUSE_SECONDS = 3600.0

log = structlog.get_logger(__name__)


async def expire_for_ever(store: ObjectStore, days: Mapping[str, int]) -> None:
    """Look every hour for objects older than their bucket's days, until cancelled, whatever the store raises."""
    while True:
        for bucket, limit in days.items():
            try:
                gone = await asyncio.to_thread(store.expire, bucket, datetime.now(UTC) - timedelta(days=limit))
            except ObjectStoreError as error:
                log.warning("expiry_failed", bucket=bucket, reason=str(error))
            except Exception:
                log.exception("expiry_failed", bucket=bucket)
            else:
                if gone:
                    log.info("expired", bucket=bucket, objects=gone)
        await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.9, 1.1))  # noqa: S311 -- replicas should not march in step
