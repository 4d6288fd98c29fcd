"""Runs the page in one process."""

from __future__ import annotations

import uvicorn

from dandelion.addresses import trusted_peers
from dandelion.connections import BoundedConnection
from dandelion.settings import Settings
from dandelion.sockets import listen
from dandelion.telemetry.logs import configure_logging

# Browsers hold a stream open for as long as the page is; there is nothing in it to wait for.
STOP_SECONDS = 2


def run(settings: Settings) -> int:
    """Serve until told to stop; return the exit status.

    Raises:
        PortInUseError: Somebody else listens on the port.
    """
    from dandelion.ui.app import create_app

    configure_logging(settings.log)
    listener = listen(settings.ui.host, settings.ui.port, "DANDELION_UI__PORT")
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            loop="uvloop",
            http=BoundedConnection,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level=settings.log.level,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.ui.trusted_proxies),
            forwarded_allow_ips=trusted_peers(settings.ui.trusted_proxies),
            timeout_keep_alive=30,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        return 130
    return 0 if server.started else 3
