"""API keys: only a digest is stored, and the rows of revoked keys stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.db import audit
from dandelion.db.tables import api_keys
from dandelion.domain import ApiKey
from dandelion.errors import ApiKeyError


async def create(connection: AsyncConnection, key: ApiKey, *, actor: str) -> None:
    """Store a key.

    Raises:
        ApiKeyError: There is or was a key of that name.
    """
    if (before := await _find(connection, api_keys.c.name == key.name)) is not None:
        raise ApiKeyError(
            f"There is already a key {key.name!r}, created {before.created_at:%Y-%m-%d}"
            f"{' and revoked' if before.revoked_at else ''}.",
            "Choose another name: names are not reused, because they stay in the audit log.",
        )
    await connection.execute(insert(api_keys), [msgspec.structs.asdict(key)])
    until = key.expires_at.isoformat() if key.expires_at else None
    detail = {"scopes": list(key.scopes), "expires_at": until}
    await audit.record(connection, actor=actor, action="key created", subject=key.name, detail=detail)


async def find(connection: AsyncConnection, identity: str) -> ApiKey | None:
    """The key of that id, even if it has expired or was revoked."""
    return await _find(connection, api_keys.c.id == identity)


async def list_all(connection: AsyncConnection) -> Sequence[ApiKey]:
    """All keys, oldest first."""
    return [_key(row) for row in await connection.execute(select(api_keys).order_by(api_keys.c.id))]


async def revoke(connection: AsyncConnection, name: str, *, actor: str) -> None:
    """Revoke a key; harmless if it was revoked before.

    Raises:
        ApiKeyError: There is no key of that name.
    """
    named = api_keys.c.name == name
    if (found := await _find(connection, named)) is None:
        raise ApiKeyError(f"There is no key {name!r}.", "List the keys with `dandelion keys list`.")
    if found.revoked_at is None:
        await connection.execute(update(api_keys).where(named).values(revoked_at=datetime.now(UTC)))
        await audit.record(connection, actor=actor, action="key revoked", subject=name, detail={})


async def _find(connection: AsyncConnection, condition: ColumnElement[bool]) -> ApiKey | None:
    row = (await connection.execute(select(api_keys).where(condition))).one_or_none()
    return None if row is None else _key(row)


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(**{**row._asdict(), "scopes": tuple(row.scopes)})
