"""Counts every response by its route template, so that clients cannot invent metric labels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from litestar.types import Message, Scope

from dandelion.telemetry import instruments

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def create_counter(track: str) -> Callable[[Message, Scope], Awaitable[None]]:
    """Create the hook that counts responses."""

    async def count(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start":
            route = scope.get("path_template") or "unmatched"
            method = str(scope.get("method"))
            method = method if method in METHODS else "other"
            instruments.REQUESTS.labels(route, method, str(message["status"]), track).inc()

    return count
