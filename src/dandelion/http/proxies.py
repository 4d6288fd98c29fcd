"""What trusted proxies say of a request: the client's address, the scheme, and the path that they removed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from dandelion.http.addresses import check_prefix, trusted_peers


class TrustedProxies(ProxyHeadersMiddleware):
    """Puts the client, the scheme and the root path of a request into its scope.

    Args:
        app: The application.
        proxies: Addresses or networks of proxies whose `X-Forwarded-*` headers are trusted.
        root_path: The path under which a proxy publishes the application. The proxy may remove it from requests, or
            leave it, as an Ingress or a Gateway does; programs in the same cluster call without it. A proxy must remove
            one that begins as a route of the application does, such as `/v2`.
        trust_prefix: Whether a trusted proxy may name another in `X-Forwarded-Prefix`. Unlike the other headers, most
            proxies pass this one on as their clients sent it.
    """

    def __init__(self, app: Any, proxies: Sequence[str], root_path: str | None, *, trust_prefix: bool = False) -> None:
        super().__init__(app, trusted_peers(proxies))
        self._trust_prefix = trust_prefix
        self._root_path = root_path or ""
        paths = [getattr(route, "path", "") for route in getattr(app, "routes", ())]
        self._may_be_left = _first_part(self._root_path) not in map(_first_part, paths)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Run the application with what is known of the request."""
        if scope["type"] == "http":
            forwarded = self._forwarded(scope) if self._trust_prefix else None
            if root_path := self._root_path if forwarded is None else forwarded:
                if forwarded is None and self._may_be_left:
                    _remove(root_path, scope)
                scope["root_path"] = root_path
                scope["path"] = root_path + scope["path"]  # as ASGI defines it
                scope["raw_path"] = root_path.encode() + scope["raw_path"]
        await super().__call__(scope, receive, send)

    def _forwarded(self, scope: Any) -> str | None:
        """The path that a trusted proxy names; None if there is none such."""
        sent = [value for name, value in scope["headers"] if name == b"x-forwarded-prefix" and value]
        if not sent or not scope["client"] or scope["client"][0] not in self.trusted_hosts:
            return None
        return _joined(b",".join(sent))


class ClientLocator:
    """Finds the address of a client behind trusted proxies, as `TrustedProxies` does, for servers that are no ASGI.

    Args:
        proxies: Addresses or networks of proxies whose `X-Forwarded-For` is trusted.
    """

    def __init__(self, proxies: Sequence[str]) -> None:
        self._trusted = TrustedProxies(None, proxies, None).trusted_hosts

    def locate(self, peer: str, forwarded: Sequence[str]) -> str:
        """The client's address, of a connection from `peer` and the values of `X-Forwarded-For` in its request."""
        if forwarded and peer in self._trusted:
            return self._trusted.get_trusted_client_address(", ".join(forwarded))[0] or peer
        return peer


def _first_part(path: str) -> str:
    return path.strip("/").partition("/")[0]


def _remove(root_path: str, scope: Any) -> None:
    """Remove the path that the application is published under from a request's, if it is there."""
    raw = root_path.encode()
    if scope["path"].startswith(f"{root_path}/") and scope["raw_path"].startswith(raw + b"/"):
        scope["path"] = scope["path"].removeprefix(root_path)
        scope["raw_path"] = scope["raw_path"].removeprefix(raw)
    elif scope["path"] == root_path and scope["raw_path"] == raw:
        scope["path"], scope["raw_path"] = "/", b"/"


@lru_cache(maxsize=64)
def _joined(prefixes: bytes) -> str | None:
    """The whole prefix, of which each of several proxies removed a part; None if a part is no path."""
    try:
        return "".join(check_prefix(part.strip()) for part in prefixes.decode("latin-1").split(","))
    except ValueError:
        return None
