"""Headers of every response, even for paths that do not exist."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from litestar.types import Message, Scope

from dandelion.access import RateLimitStatus
from dandelion.access.limits import WINDOW_SECONDS
from dandelion.api.access import ASSETS, DOCS

_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_UNSTORED = (b"cache-control", b"no-store")
_API_POLICY = b"default-src 'none'; frame-ancestors 'none'"
# Swagger UI starts from an inline script; everything else comes from this server.
_PAGE_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


def create_headers(hsts_seconds: int, is_draining: Callable[[], bool]) -> Callable[[Message, Scope], Awaitable[None]]:
    """Create the hook that adds the headers to a response.

    Args:
        hsts_seconds: How long browsers must use HTTPS only; 0 means no such header.
        is_draining: Whether the server is about to stop. Proxies then give up the connections that they hold for
            later, and send nothing into one that closes.
    """
    hsts = [(b"strict-transport-security", b"max-age=%d; includeSubDomains" % hsts_seconds)] if hsts_seconds else []
    asset = [*_ALWAYS, *hsts, (b"content-security-policy", _PAGE_POLICY)]
    page = [*asset, _UNSTORED]  # it names the path under which its reader sees the server
    api = [*_ALWAYS, *hsts, (b"content-security-policy", _API_POLICY), _UNSTORED]

    async def add(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start":
            template = scope.get("path_template", "")
            fixed = asset if template.startswith(ASSETS) else page if template.startswith(DOCS) else api
            status = scope.get("state", {}).get("rate_limit")
            headers = [*message["headers"], *fixed, *(limits(status) if status else ())]
            if scope.get("method") == "OPTIONS" and "path_template" in scope:
                # Litestar names the methods of the handler that was registered first for the path.
                headers = [*(each for each in headers if each[0] != b"allow"), (b"allow", _methods(scope))]
            if is_draining():
                headers.append((b"connection", b"close"))
            message["headers"] = headers

    return add


def _methods(scope: Scope) -> bytes:
    """The methods of all handlers of a path."""
    routes = [route for route in scope["litestar_app"].routes if route.path == scope["path_template"]]
    return ", ".join(sorted({method for route in routes for method in getattr(route, "methods", ())})).encode()


def limits(status: RateLimitStatus) -> list[tuple[bytes, bytes]]:
    """As in draft-ietf-httpapi-ratelimit-headers-06, the last draft with three fields, which clients read."""
    return [
        (b"ratelimit-policy", b"%d;w=%d" % (status.limit, WINDOW_SECONDS)),
        (b"ratelimit-limit", b"%d" % status.limit),
        (b"ratelimit-remaining", b"%d" % status.remaining),
        (b"ratelimit-reset", b"%d" % status.reset_seconds),
    ]
