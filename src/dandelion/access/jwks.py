"""Keys that an identity provider publishes: a JSON Web Key Set."""

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
    """Keys by their ids, fetched when they are old, and when an unknown one is asked for.

    Args:
        url: Where they are.
        cooldown_seconds: How long no unknown key, and no fetch that failed, leads to another.
    """

    def __init__(self, url: str, cooldown_seconds: float) -> None:
        self._url = url
        self._client = _Client(
            url, lifespan=LIFESPAN_SECONDS, timeout=TIMEOUT_SECONDS, cooldown_duration=cooldown_seconds
        )
        # Not the threads that all others share: anybody can name an unknown key and so have one wait. One is enough,
        # since PyJWT fetches one at a time.
        self._thread = ThreadPoolExecutor(1, "jwks")

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """The key of that id, if there is one; at once where it was fetched lately, whoever waits for another.

        Raises:
            NotReadyError: The keys cannot be fetched.
        """
        if (known := self._client.known(key_id)) is not None:
            return known
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):  # PyJWT bounds the wait for each part of the answer alone
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
        """Never waits."""
        found = self.jwk_set_cache.get() if self.jwk_set_cache is not None else None
        keys = found.keys if found is not None else []
        return next((key for key in keys if key.key_id == key_id and key.public_key_use in {"sig", None}), None)

    def fetch_data(self) -> Any:
        """Called one at a time: those who waited for a fetch that failed must not each wait for their own."""
        if time.monotonic() - self._failed_at < self.cooldown_duration:
            raise jwt.PyJWKClientConnectionError("The last fetch failed a moment ago.")
        try:
            return super().fetch_data()
        # Also what PyJWT lets through: a connection that breaks half way, and a page that is no JSON.
        except (jwt.PyJWTError, OSError, ValueError, RecursionError) as error:
            self._failed_at = time.monotonic()
            raise jwt.PyJWKClientConnectionError(str(error)) from error
