"""Runs the page in one process."""

from __future__ import annotations

import uvicorn

from dandelion.http.server import configure
from dandelion.http.sockets import listen
from dandelion.settings import Settings
from dandelion.telemetry.logs import configure_logging

# Browsers hold a stream open while the page is open; there is no need to wait for it to end.
STOP_SECONDS = 2


def run(settings: Settings) -> int:
    """Serve until a signal; return the exit status, or raise KeyboardInterrupt after Ctrl-C.

    Raises:
        PortInUseError: Another program listens on the port.
    """
    from dandelion.ui.app import create_app

    configure_logging(settings.log)
    listener = listen(settings.ui.host, settings.ui.port, "DANDELION_UI__PORT")
    config = configure(
        create_app(settings),
        trusted_proxies=settings.ui.trusted_proxies,
        trust_prefix=settings.ui.trust_forwarded_prefix,
        root_path=settings.ui.root_path,
        keep_alive_seconds=settings.ui.keep_alive_seconds,
        log_level=settings.log.level,
        stop_seconds=STOP_SECONDS,
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
    return 0 if server.started else 3
