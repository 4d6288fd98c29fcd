"""Records what administrators do through the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from litestar import Request

from dandelion.api.access import caller_of
from dandelion.db import audit, transact
from dandelion.errors import DatabaseError

PATIENCE_SECONDS = 1.0

log = structlog.get_logger(__name__)


async def record(request: Request[Any, Any, Any], action: str, subject: str, detail: Mapping[str, Any]) -> None:
    """Write to the audit log, or to the log if the database is down: the model must remain changeable."""
    actor = caller_of(request).name
    try:
        await request.app.state.journal.prepare()
        await transact(
            request.app.state.engine,
            lambda on: audit.record(on, actor=actor, action=action, subject=subject, detail=detail),
            patience_seconds=PATIENCE_SECONDS,
        )
    except DatabaseError as error:
        log.warning(
            "not_in_audit_log", action=action, subject=subject, actor=actor, reason=str(error), detail=dict(detail)
        )
