"""Whether a browser sends a request in the name of another site's page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

# What changes nothing; pages elsewhere cannot read the answers unless CORS lets them.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_TELLING = frozenset({b"origin", b"sec-fetch-site", b"host", b"x-forwarded-host"})


def is_foreign(headers: Iterable[tuple[bytes, bytes]], is_allowed: Callable[[str], bool] | None = None) -> bool:
    """Whether a page of another site sent the request; programs do not say where from, and are never foreign.

    Args:
        headers: Of the request, names in lower case.
        is_allowed: Whether an origin may all the same.
    """
    said = {name: value.decode("latin-1") for name, value in headers if name in _TELLING}
    origin, site = said.get(b"origin"), said.get(b"sec-fetch-site")
    if origin is not None and is_allowed is not None and is_allowed(origin):
        return False
    if site is not None:  # browsers compute it themselves, so it holds behind proxies that change the host
        return site in {"cross-site", "same-site"}
    return origin is not None and not _is_host(origin, said)


def _is_host(origin: str, said: dict[bytes, str]) -> bool:
    """Whether the origin is where the request went, as a proxy may have changed it; no page can forge either header."""
    try:
        at = urlsplit(origin)
    except ValueError:  # a bracket that nobody closed
        return False
    forwarded = said.get(b"x-forwarded-host", "").partition(",")[0].strip()
    # Many a proxy hands on the name and leaves out the port.
    return bool(at.hostname) and not {at.netloc, at.hostname}.isdisjoint({said.get(b"host"), forwarded})
