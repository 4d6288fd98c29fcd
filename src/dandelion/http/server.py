"""uvicorn's configuration for the API and the web page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import uvicorn

from dandelion.http.addresses import trusted_peers
from dandelion.http.connections import BoundedConnection
from dandelion.http.sockets import BACKLOG

KEEP_ALIVE_SECONDS = 30


def configure(
    app: Callable[..., Any], *, trusted_proxies: Sequence[str], log_level: str, stop_seconds: int
) -> uvicorn.Config:
    """Settings of uvicorn for the ASGI application `app`.

    Args:
        app: The application.
        trusted_proxies: Addresses or networks whose `X-Forwarded-For` is trusted.
        log_level: Minimum severity that uvicorn logs.
        stop_seconds: How long open connections may take to finish when the server stops.
    """
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedConnection,
        ws="none",
        backlog=BACKLOG,
        lifespan="on",
        log_config=None,
        log_level=log_level,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_peers(trusted_proxies),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=stop_seconds,
    )
