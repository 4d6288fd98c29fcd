"""Who calls the API."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

# What a caller may do; `admin` may do all.
AccessScope = Literal["predict", "feedback", "read", "admin"]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the API takes a caller for.

    Attributes:
        name: `key:NAME`, `jwt:SUBJECT`, or `anonymous`.
        scopes: What they may do.
        is_asked: Whether the API asks for a key or token at all.
    """

    name: str
    scopes: list[AccessScope]
    is_asked: bool


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of an API key.

    Attributes:
        id: UUIDv7 of its row.
        name: Who or what it is for.
        digest: SHA-256 of its text, hex.
        scopes: What it may do.
        created_at: UTC.
        expires_at: Opens nothing from then on, UTC; None for never.
        revoked_at: Opens nothing since, UTC.
    """

    id: str
    name: str
    digest: str
    scopes: tuple[AccessScope, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def why_over(self, now: float) -> str:
        """Why it opens nothing at `now`, seconds since the epoch; nothing while it does."""
        if self.revoked_at is not None:
            return "is revoked"
        if self.expires_at is not None and self.expires_at.timestamp() <= now:
            return "has expired"
        return ""
