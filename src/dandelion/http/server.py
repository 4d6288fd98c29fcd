"""uvicorn's configuration for the API and the web page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import uvicorn

from dandelion.http.connections import BoundedConnection
from dandelion.http.methods import SafeMethods
from dandelion.http.proxies import TrustedProxies
from dandelion.http.sockets import BACKLOG


def configure(
    app: Callable[..., Any],
    *,
    trusted_proxies: Sequence[str],
    trust_prefix: bool,
    root_path: str | None,
    keep_alive_seconds: int,
    log_level: str,
    stop_seconds: int,
) -> uvicorn.Config:
    """Settings of uvicorn for the ASGI application `app`.

    Args:
        app: The application.
        trusted_proxies: Addresses or networks whose `X-Forwarded-*` headers are trusted.
        trust_prefix: Whether `X-Forwarded-Prefix` is one of them.
        root_path: The path under which a proxy publishes the application.
        keep_alive_seconds: How long a connection may be idle between two requests.
        log_level: Minimum severity that uvicorn logs.
        stop_seconds: How long open connections may take to finish when the server stops.
    """
    return uvicorn.Config(
        SafeMethods(TrustedProxies(app, trusted_proxies, root_path, trust_prefix=trust_prefix)),
        loop="uvloop",
        http=BoundedConnection,
        ws="none",
        backlog=BACKLOG,
        lifespan="on",
        log_config=None,
        log_level=log_level,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # TrustedProxies reads them
        timeout_keep_alive=keep_alive_seconds,
        timeout_graceful_shutdown=stop_seconds,
    )
