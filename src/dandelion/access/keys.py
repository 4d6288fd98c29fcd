"""API keys: `dnd_`, the id of the row that knows them, and 256 random bits that only their owner knows."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import uuid

from uuid_utils import uuid7

from dandelion.domain import ApiKey

PREFIX = "dnd_"
_FORM = re.compile(r"dnd_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")


def create_key() -> tuple[str, str, str]:
    """A fresh key: its text, which nobody can ask for again, its row's id, and the digest that is stored."""
    identity = str(uuid7())
    text = f"{PREFIX}{uuid.UUID(identity).hex}_{secrets.token_urlsafe(32)}"
    return text, identity, digest_of(text)


def id_of(text: str) -> str | None:
    """The id of the row that may know a key; None for a text that is no key."""
    found = _FORM.fullmatch(text)
    return str(uuid.UUID(found[1])) if found else None


def digest_of(text: str) -> str:
    """SHA-256, hex. A slow hash protects what people think up; 256 random bits nobody guesses at any speed."""
    return hashlib.sha256(text.encode()).hexdigest()


def matches(text: str, key: ApiKey) -> bool:
    """Whether the text is that key, compared in constant time."""
    return hmac.compare_digest(digest_of(text), key.digest)
