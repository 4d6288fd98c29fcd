"""The API, asked in the name of whoever sits before the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import structlog

from dandelion.client import AsyncClient
from dandelion.errors import DandelionError, UnreachableError
from dandelion.settings import Settings
from dandelion.ui.sessions import Session, Sessions

PULSE_SECONDS = 1.0
ANSWER_SECONDS = 5.0
# Who looks at a page would rather be told than wait.
PATIENCE_SECONDS = 10.0

log = structlog.get_logger(__name__)


class _Address(Protocol):
    @property
    def host(self) -> str: ...


class Asker(Protocol):
    """What Gradio's and Starlette's requests share."""

    @property
    def cookies(self) -> Mapping[str, str]:
        """Of the browser."""

    @property
    def client(self) -> _Address | None:
        """Where it is."""


class Backend:
    """Connections to the API that all visitors share, each under their own name.

    Args:
        settings: Where the API is.
        sessions: Who is signed in.
    """

    def __init__(self, settings: Settings, sessions: Sessions) -> None:
        self.url = settings.api_url
        self._sessions = sessions
        self._client = AsyncClient(
            self.url, timeout_seconds=settings.ui.timeout_seconds, patience_seconds=PATIENCE_SECONDS
        )
        self._pulse = AsyncClient(self.url, timeout_seconds=ANSWER_SECONDS, patience_seconds=0)
        self.is_up = True

    def of(self, request: Asker) -> AsyncClient:
        """A client that asks as whoever sent the request."""
        if (session := self._sessions.find(request.cookies)) is None:
            return self.signed_in(None, request)
        # A page that went on with a key which was revoked would count as one that guesses, again and again.
        return self._client.acting_for(session.key, _address(request), lambda: self._sessions.close(request.cookies))

    def signed_in(self, key: str | None, request: Asker) -> AsyncClient:
        """A client that asks with a key that is not one of a session yet."""
        return self._client.acting_for(key, _address(request))

    def session_of(self, request: Asker) -> Session | None:
        """Who sent the request, if they signed in."""
        return self._sessions.find(request.cookies)

    async def look(self) -> None:
        """Ask whether the API is there, for `is_up`."""
        was_up = self.is_up
        try:
            await self._pulse.me()
        except UnreachableError:
            self.is_up = False
        except DandelionError:
            pass  # it refuses, so it is there
        else:
            self.is_up = True
        if was_up != self.is_up:
            log.warning("api_is_back" if self.is_up else "api_unreachable", url=self.url)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._pulse.aclose()


def _address(request: Asker) -> str | None:
    return request.client.host if request.client else None
