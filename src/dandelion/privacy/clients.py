"""Clients as keyed hashes: all photos of a client can be found, but nobody can read who the client is."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from dandelion.errors import SettingsError
from dandelion.settings import Settings

KEY_FILE = "client.key"
HASH_CHARACTERS = 32


class ClientHasher:
    """Turns a client's name or address into a keyed hash. Without the key, nobody can test addresses against a hash.

    Args:
        settings: The key, or the home folder where it is created and stored.
        create: Whether to create a missing key; otherwise that is an error.

    Raises:
        SettingsError: There is no key, and `create` is False.
    """

    def __init__(self, settings: Settings, *, create: bool = True) -> None:
        given = settings.privacy.client_key
        file = settings.home / KEY_FILE
        if given is None and not create and not file.exists():
            raise SettingsError(
                f"The key {file} is missing, so this machine cannot compute the client's hash.",
                "Run this command where the API runs, or set DANDELION_PRIVACY__CLIENT_KEY to the API's key.",
            )
        self._key = given.get_secret_value().encode() if given else _key_in(file)

    def hash(self, client: str) -> str:
        """HMAC-SHA-256 cut to 128 bits, as hexadecimal digits."""
        return hmac.new(self._key, client.encode(), hashlib.sha256).hexdigest()[:HASH_CHARACTERS]


def _key_in(file: Path) -> bytes:
    """The key in the file, which is created if it is missing; if two processes create it, both use the first key."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}-{secrets.token_hex(4)}")
    if not file.exists():
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_hex(32))
        try:
            file.hardlink_to(fresh)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return file.read_bytes()
