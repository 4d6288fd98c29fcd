"""Detects requests that a browser sends for a page of another site."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

# They change nothing; pages of other sites cannot read the responses unless CORS allows it.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_TELLING = frozenset({b"origin", b"sec-fetch-site", b"host", b"x-forwarded-host"})


def is_foreign(headers: Iterable[tuple[bytes, bytes]], is_allowed: Callable[[str], bool] | None = None) -> bool:
    """Whether a page of another site sent the request; programs send no origin, and are never foreign.

    Args:
        headers: Request headers, names in lower case.
        is_allowed: Whether an origin is allowed nevertheless.
    """
    said = {name: value.decode("latin-1") for name, value in headers if name in _TELLING}
    origin, site = said.get(b"origin"), said.get(b"sec-fetch-site")
    if origin is not None and is_allowed is not None and is_allowed(origin):
        return False
    if site is not None:  # browsers compute it themselves, so it holds behind proxies that change the host
        return site in {"cross-site", "same-site"}
    return origin is not None and not _is_host(origin, said)


def _is_host(origin: str, said: dict[bytes, str]) -> bool:
    """Whether the origin is the host of the request, even behind a proxy; no page can forge either header."""
    try:
        at = urlsplit(origin)
    except ValueError:  # a bracket that nobody closed
        return False
    forwarded = said.get(b"x-forwarded-host", "").partition(",")[0].strip()
    # Many proxies pass the name and drop the port.
    return bool(at.hostname) and not {at.netloc, at.hostname}.isdisjoint({said.get(b"host"), forwarded})
