"""HEAD and OPTIONS, which every GET route answers."""

from __future__ import annotations

from typing import Any

SENT = "sent_method"  # in a scope's state: the method that was sent, if the application sees another


class SafeMethods:
    """Lets an application that knows only GET answer HEAD, and OPTIONS with the methods of a route.

    uvicorn drops the body of a response to HEAD.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Run the application."""
        method = scope.get("method")
        if method == "HEAD":
            scope = {**scope, "method": "GET", "state": {**scope["state"], SENT: method}}
        elif method == "OPTIONS":
            send = _Options(send)
        await self._app(scope, receive, send)


class _Options:
    """Sends the response to OPTIONS: a route that refuses the method has named those that it takes."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self._is_refusal = False

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            if allowed := headers.get(b"allow"):
                self._is_refusal = message["status"] == 405
                message = {**message, "headers": [*_without(message["headers"]), (b"allow", with_head(allowed))]}
                if self._is_refusal:
                    message["status"] = 204
        elif self._is_refusal:
            message = {**message, "body": b""}
        await self._send(message)


def with_head(allowed: bytes) -> bytes:
    """The value of `Allow`, with the methods that are answered here."""
    methods = {each.strip() for each in allowed.split(b",")}
    return b", ".join(sorted(methods | {b"OPTIONS"} | ({b"HEAD"} if b"GET" in methods else set())))


def _without(headers: Any) -> list[tuple[bytes, bytes]]:
    return [header for header in headers if header[0] not in {b"allow", b"content-length", b"content-type"}]
