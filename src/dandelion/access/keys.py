"""API keys: `dnd_`, the id of the key's row, and 256 random bits that only the owner knows."""

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
    """Create a key: its text, which is not stored, the id of its row, and the digest that is stored."""
    identity = str(uuid7())
    text = f"{PREFIX}{uuid.UUID(identity).hex}_{secrets.token_urlsafe(32)}"
    return text, identity, digest_of(text)


def id_of(text: str) -> str | None:
    """The row id in a key; None for a text that is not a key."""
    found = _FORM.fullmatch(text)
    return str(uuid.UUID(found[1])) if found else None


def digest_of(text: str) -> str:
    """SHA-256, hex. Slow hashes protect passwords; 256 random bits cannot be guessed at any speed."""
    return hashlib.sha256(text.encode()).hexdigest()


def matches(text: str, key: ApiKey) -> bool:
    """Whether the text is that key; compares in constant time."""
    return hmac.compare_digest(digest_of(text), key.digest)
