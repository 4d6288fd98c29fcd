"""API keys: only a digest is stored, and the rows of revoked keys stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
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
    if (before := await _named(connection, key.name)) is not None:
        raise ApiKeyError(
            f"There is already a key {key.name!r}, created {before.created_at:%Y-%m-%d}"
            f"{' and revoked' if before.revoked_at else ''}.",
            "Choose another name: names are not reused, because they stay in the audit log.",
        )
    row = {
        "id": key.id,
        "name": key.name,
        "digest": key.digest,
        "scopes": list(key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
    }
    await connection.execute(insert(api_keys), [row])
    until = key.expires_at.isoformat() if key.expires_at else None
    detail = {"scopes": list(key.scopes), "expires_at": until}
    await audit.record(connection, actor=actor, action="key created", subject=key.name, detail=detail)


async def find(connection: AsyncConnection, identity: str) -> ApiKey | None:
    """The key of that id, even if it has expired or was revoked."""
    row = (await connection.execute(select(api_keys).where(api_keys.c.id == identity))).one_or_none()
    return None if row is None else _key(row)


async def list_all(connection: AsyncConnection) -> Sequence[ApiKey]:
    """All keys, oldest first."""
    return [_key(row) for row in await connection.execute(select(api_keys).order_by(api_keys.c.id))]


async def revoke(connection: AsyncConnection, name: str, *, actor: str) -> None:
    """Revoke a key; harmless if it was revoked before.

    Raises:
        ApiKeyError: There is no key of that name.
    """
    if (found := await _named(connection, name)) is None:
        raise ApiKeyError(f"There is no key {name!r}.", "List the keys with `dandelion keys list`.")
    if found.revoked_at is None:
        named = update(api_keys).where(api_keys.c.name == name)
        await connection.execute(named.values(revoked_at=datetime.now(UTC)))
        await audit.record(connection, actor=actor, action="key revoked", subject=name, detail={})


async def _named(connection: AsyncConnection, name: str) -> ApiKey | None:
    row = (await connection.execute(select(api_keys).where(api_keys.c.name == name))).one_or_none()
    return None if row is None else _key(row)


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        digest=row.digest,
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
