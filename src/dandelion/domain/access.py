"""Who calls the API."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

# What a caller may do; `admin` may do all.
AccessScope = Literal["predict", "feedback", "read", "admin"]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who a caller is to the API.

    Attributes:
        name: `key:NAME`, `jwt:SUBJECT`, or `anonymous`.
        scopes: What they may do.
        is_asked: Whether the API requires a key or token at all.
    """

    name: str
    scopes: list[AccessScope]
    is_asked: bool


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key as it is stored; times are in UTC, or None if it never expires or was not revoked.

    Attributes:
        id: UUIDv7 of its row.
        name: Who or what it is for.
        digest: SHA-256 of its text, hex.
    """

    id: str
    name: str
    digest: str
    scopes: tuple[AccessScope, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def why_over(self, now: float) -> str:
        """Why the key is not valid at `now`, in seconds since the epoch; empty while it is valid."""
        if self.revoked_at is not None:
            return "is revoked"
        if self.expires_at is not None and self.expires_at.timestamp() <= now:
            return "has expired"
        return ""
