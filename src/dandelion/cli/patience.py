"""Waiting for the object store: a Job may start before its server, or before the network knows its pod."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenacity import Retrying


def waiting_for_store(wait: timedelta | None, *, account: bool = False) -> Retrying:
    """Calls a function again until the store responds, for that long; with `account`, also until it knows our keys."""
    from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

    from dandelion.errors import ObjectAccessError, ObjectStoreError

    passing = {ObjectStoreError, ObjectAccessError} if account else {ObjectStoreError}

    return Retrying(
        stop=stop_after_delay(wait or timedelta(0)),
        wait=wait_fixed(2),
        retry=retry_if_exception(lambda error: type(error) in passing),  # a missing object stays missing
        reraise=True,
    )
