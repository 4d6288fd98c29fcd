"""Headers of every response, even for paths that do not exist."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from litestar.types import Message, Scope

from dandelion.access import RateLimitStatus
from dandelion.access.limits import WINDOW_SECONDS
from dandelion.api.access import DOCS

_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_API_POLICY = b"default-src 'none'; frame-ancestors 'none'"
# Swagger UI starts from an inline script; everything else comes from this server.
_PAGE_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


def create_headers(hsts_seconds: int) -> Callable[[Message, Scope], Awaitable[None]]:
    """Create the hook that adds the headers to a response."""
    hsts = [(b"strict-transport-security", b"max-age=%d; includeSubDomains" % hsts_seconds)] if hsts_seconds else []
    page = [*_ALWAYS, *hsts, (b"content-security-policy", _PAGE_POLICY)]
    api = [*_ALWAYS, *hsts, (b"content-security-policy", _API_POLICY), (b"cache-control", b"no-store")]

    async def add(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start":
            fixed = page if scope["path"].startswith(DOCS) else api
            status = scope.get("state", {}).get("rate_limit")
            message["headers"] = [*message["headers"], *fixed, *(_limits(status) if status else ())]

    return add


def _limits(status: RateLimitStatus) -> list[tuple[bytes, bytes]]:
    """As in draft-ietf-httpapi-ratelimit-headers-06, the last draft with three fields, which clients read."""
    return [
        (b"ratelimit-policy", b"%d;w=%d" % (status.limit, WINDOW_SECONDS)),
        (b"ratelimit-limit", b"%d" % status.limit),
        (b"ratelimit-remaining", b"%d" % status.remaining),
        (b"ratelimit-reset", b"%d" % status.reset_seconds),
    ]
