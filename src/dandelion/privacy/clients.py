"""Clients as keyed hashes, so that all of somebody's photos can be found and nobody can read who it was."""

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
    """Turns a client's name or address into a keyed hash: equal clients stay equal, and nobody can try addresses.

    Args:
        settings: The key, or the folder where one is made and kept.
        create: Make a key where there is none; without it, a missing key is an error.

    Raises:
        SettingsError: There is no key, and none is to be made.
    """

    def __init__(self, settings: Settings, *, create: bool = True) -> None:
        given = settings.privacy.client_key
        file = settings.home / KEY_FILE
        if given is None and not create and not file.exists():
            raise SettingsError(
                f"There is no {file}, so this machine cannot tell which client is meant.",
                "Run it where the API runs, or set DANDELION_PRIVACY__CLIENT_KEY to the API's.",
            )
        self._key = given.get_secret_value().encode() if given else _key_in(file)

    def hash(self, client: str) -> str:
        """Hex digits, HMAC-SHA-256 cut to 128 bits."""
        return hmac.new(self._key, client.encode(), hashlib.sha256).hexdigest()[:HASH_CHARACTERS]


def _key_in(file: Path) -> bytes:
    """The key that the file holds, made when it is not there; of two processes, both take the first one's."""
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
