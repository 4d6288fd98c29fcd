"""The database, as a request uses it: transactions, and the audit log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import structlog
from litestar import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion import db
from dandelion.api.access import caller_of
from dandelion.concurrency.patience import REQUEST_PATIENCE_SECONDS
from dandelion.db import audit
from dandelion.errors import DatabaseError

AUDIT_PATIENCE_SECONDS = 1.0

Result = TypeVar("Result")

log = structlog.get_logger(__name__)


async def transact(
    request: Request[Any, Any, Any],
    work: Callable[[AsyncConnection], Awaitable[Result]],
    *,
    patience_seconds: float = REQUEST_PATIENCE_SECONDS,
) -> Result:
    """Run `work` in one transaction, once the tables are up to date.

    Raises:
        DatabaseError: The database does not answer.
    """
    state = request.app.state
    await state.journal.prepare()
    return await db.transact(state.engine, work, patience_seconds=patience_seconds)


async def record(request: Request[Any, Any, Any], action: str, subject: str, detail: Mapping[str, Any]) -> None:
    """Write to the audit log, or to the log if the database is down: the model must remain changeable."""
    actor = caller_of(request).name
    try:
        await transact(
            request,
            lambda on: audit.record(on, actor=actor, action=action, subject=subject, detail=detail),
            patience_seconds=AUDIT_PATIENCE_SECONDS,
        )
    except DatabaseError as error:
        log.warning(
            "not_in_audit_log", action=action, subject=subject, actor=actor, reason=str(error), detail=dict(detail)
        )
