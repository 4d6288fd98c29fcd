"""The audit log: who did what. Rows are only added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils import uuid7

from dandelion.db.tables import audit_log


async def record(
    connection: AsyncConnection, *, actor: str, action: str, subject: str, detail: Mapping[str, Any]
) -> None:
    """Record that `actor` did `action` to `subject`, in the same transaction as the action."""
    await record_all(connection, actor=actor, action=action, about=[(subject, detail)])


async def record_all(
    connection: AsyncConnection, *, actor: str, action: str, about: Sequence[tuple[str, Mapping[str, Any]]]
) -> None:
    """Record one action on many subjects, each with its detail."""
    row = {"created_at": datetime.now(UTC), "actor": actor, "action": action}
    rows = [{**row, "id": str(uuid7()), "subject": subject, "detail": dict(detail)} for subject, detail in about]
    await connection.execute(insert(audit_log), rows)
