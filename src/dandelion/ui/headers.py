"""Headers of every response of the page's server."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Gradio's page starts with an inline script, compiles its templates in the browser and uses blobs.
# Nothing is loaded from another host.
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


class Headers:
    """Middleware that adds the headers and prevents shared caches from storing photos and pages."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request with these headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = _POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["X-Frame-Options"] = "DENY"
                headers["Referrer-Policy"] = "same-origin"  # with no-referrer, browsers hide a form's origin
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                # Without the prefix, which a client may have chosen: pages name it, and must not be stored.
                path = scope["path"].removeprefix(scope.get("root_path", ""))
                headers.setdefault("Cache-Control", "max-age=86400" if "/static/" in path else "no-store")
                if headers.get("Content-Type", "").startswith("text/event-stream"):
                    headers["X-Accel-Buffering"] = "no"  # else nginx holds events until they fill a buffer
            await send(message)

        await self._app(scope, receive, send_with_headers)
