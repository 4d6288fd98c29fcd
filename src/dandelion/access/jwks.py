"""Public keys of an identity provider: a JSON Web Key Set."""

from __future__ import annotations

import asyncio
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt

from dandelion.errors import NotReadyError

TIMEOUT_SECONDS = 5.0
LIFESPAN_SECONDS = 300


class PublishedKeys:
    """Public keys by id, fetched again when they are old and when an id is unknown.

    Args:
        url: Address of the key set.
        cooldown_seconds: Minimum time before another fetch, after an unknown id or a failed fetch.
    """

    def __init__(self, url: str, cooldown_seconds: float) -> None:
        self._url = url
        self._client = _Client(
            url, lifespan=LIFESPAN_SECONDS, timeout=TIMEOUT_SECONDS, cooldown_duration=cooldown_seconds
        )
        # Not the shared threads: anybody can send an unknown key id and block one. One thread is enough, since PyJWT
        # fetches one at a time.
        self._thread = ThreadPoolExecutor(1, "jwks")

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """Return the key of that id, if there is one; a cached key returns at once, even during a fetch.

        Raises:
            NotReadyError: The keys cannot be fetched.
        """
        if (known := self._client.known(key_id)) is not None:
            return known
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):  # PyJWT limits only the wait for each part of the response
                return await loop.run_in_executor(self._thread, self._client.get_signing_key, key_id)
        except (jwt.PyJWKClientConnectionError, TimeoutError) as error:
            raise NotReadyError(
                f"The keys at {self._url} cannot be fetched.", "Try again, or use an API key."
            ) from error
        except jwt.PyJWKClientError:
            return None


class _Client(jwt.PyJWKClient):
    _failed_at = -math.inf

    def known(self, key_id: str) -> jwt.PyJWK | None:
        """The key if it is cached; never waits."""
        found = self.jwk_set_cache.get() if self.jwk_set_cache is not None else None
        keys = found.keys if found is not None else []
        return next((key for key in keys if key.key_id == key_id and key.public_key_use in {"sig", None}), None)

    def fetch_data(self) -> Any:
        """Fetch the keys, one call at a time. Callers that waited for a failed fetch must not each wait for another."""
        if time.monotonic() - self._failed_at < self.cooldown_duration:
            raise jwt.PyJWKClientConnectionError("The last fetch failed a moment ago.")
        try:
            return super().fetch_data()
        # Also what PyJWT lets through: a connection that breaks half way, and a response that is not JSON.
        except (jwt.PyJWTError, OSError, ValueError, RecursionError) as error:
            self._failed_at = time.monotonic()
            raise jwt.PyJWKClientConnectionError(str(error)) from error
