"""The API, called on behalf of the page's visitor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from fastapi import Request

from dandelion.client import AsyncClient
from dandelion.errors import DandelionError, UnreachableError
from dandelion.settings import Settings
from dandelion.ui.sessions import Session, Sessions

if TYPE_CHECKING:
    import gradio as gr

PULSE_SECONDS = 1.0
PULSE_TIMEOUT_SECONDS = 5.0
# Visitors prefer an error to a long wait.
PATIENCE_SECONDS = 10.0

log = structlog.get_logger(__name__)


class Backend:
    """Connections to the API that all visitors share, each with the key of their session."""

    def __init__(self, settings: Settings, sessions: Sessions) -> None:
        self.url = settings.api_url
        self._sessions = sessions
        self._client = AsyncClient(
            self.url, timeout_seconds=settings.ui.timeout_seconds, patience_seconds=PATIENCE_SECONDS
        )
        self._pulse = AsyncClient(self.url, timeout_seconds=PULSE_TIMEOUT_SECONDS, patience_seconds=0)
        self.is_up = True

    def of(self, request: gr.Request | Request) -> AsyncClient:
        """Return a client that acts as the sender of the request."""
        if (session := self._sessions.find(request.cookies)) is None:
            return self.signed_in(None, request)
        # Else a page that still sends a revoked key would count as one that guesses keys.
        return self._client.acting_for(session.key, _address(request), lambda: self._sessions.close(request.cookies))

    def signed_in(self, key: str | None, request: gr.Request | Request) -> AsyncClient:
        """Return a client that uses a key without a session."""
        return self._client.acting_for(key, _address(request))

    def session_of(self, request: gr.Request | Request) -> Session | None:
        """Return the session of the request's sender, if they are signed in."""
        return self._sessions.find(request.cookies)

    async def look(self) -> None:
        """Check whether the API is reachable, and update `is_up`."""
        was_up = self.is_up
        try:
            await self._pulse.me()
        except UnreachableError:
            self.is_up = False
        except DandelionError:
            pass  # it refuses the request, so it is up
        else:
            self.is_up = True
        if was_up != self.is_up:
            log.warning("api_is_back" if self.is_up else "api_unreachable", url=self.url)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._pulse.aclose()


def _address(request: gr.Request | Request) -> str | None:
    address: str | None = request.client.host if request.client else None
    return address
