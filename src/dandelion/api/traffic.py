"""Counts every answer by the route as the documentation writes it, so that nobody can make up labels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from litestar.types import Message, Scope

from dandelion.telemetry import instruments

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def create_counter(track: str) -> Callable[[Message, Scope], Awaitable[None]]:
    """What counts an answer on its way out."""

    async def count(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start":
            route = scope.get("path_template") or "unmatched"
            method = str(scope.get("method"))
            method = method if method in METHODS else "other"
            instruments.REQUESTS.labels(route, method, str(message["status"]), track).inc()

    return count
