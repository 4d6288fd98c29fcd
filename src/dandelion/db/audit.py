"""Who did what: rows are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils import uuid7

from dandelion.db.tables import audit_log


async def record(
    connection: AsyncConnection, *, actor: str, action: str, subject: str, detail: Mapping[str, Any]
) -> None:
    """Write down that `actor` did `action` to `subject`, in the transaction that does it."""
    row = {"id": str(uuid7()), "created_at": datetime.now(UTC), "actor": actor, "action": action, "subject": subject}
    await connection.execute(insert(audit_log), [{**row, "detail": dict(detail)}])
