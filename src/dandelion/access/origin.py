"""Whether a browser sends a request in the name of another site's page."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

# What changes nothing; pages elsewhere cannot read the answers unless CORS lets them.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_foreign(headers: Iterable[tuple[bytes, bytes]], allowed: Collection[str] = ()) -> bool:
    """Whether a page of another site sent the request; programs send neither header, and are never foreign.

    Args:
        headers: Of the request, names in lower case.
        allowed: Origins that may; `*` means any.
    """
    said = {name: value.decode("latin-1") for name, value in headers if name in {b"origin", b"sec-fetch-site", b"host"}}
    origin, site = said.get(b"origin"), said.get(b"sec-fetch-site")
    if "*" in allowed or origin in allowed:
        return False
    if site is not None:  # browsers compute it themselves, so it holds behind proxies that change the host
        return site in {"cross-site", "same-site"}
    return origin is not None and urlsplit(origin).netloc != said.get(b"host")
