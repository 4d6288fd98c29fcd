"""Runs the application in one process, drained before it stops.

One process with a worker for every core, rather than one process a core: decoding and inference leave Python's lock,
batches form over all connections, and the model is in memory once. Scale further by replicas.
"""

from __future__ import annotations

import signal
import socket
import time
from types import FrameType

import uvicorn
from litestar import Litestar

from dandelion.api.app import create_app
from dandelion.http.server import configure
from dandelion.http.sockets import BACKLOG, port_in_use, reserve
from dandelion.inference.service import PredictionService
from dandelion.settings import Settings

STOP_SECONDS = 30
# Settings of the ports, in the order of their sockets.
PORTS = "DANDELION_API__PORT", "DANDELION_API__MONITORING_PORT"


class DrainingServer(uvicorn.Server):
    """On the first SIGTERM: not ready at once, still answering for `drain_seconds`, then finish what is in flight."""

    def __init__(self, config: uvicorn.Config, service: PredictionService, drain_seconds: float) -> None:
        super().__init__(config)
        self._service = service
        self._drain_seconds = drain_seconds
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal, or Ctrl-C, skips the wait.

        uvicorn would raise a SIGTERM that it captured once more at the end; for us it was an order, carried out.
        """
        self._service.drain()
        if sig != signal.SIGTERM:
            super().handle_exit(sig, frame)
        elif self._stop_at is None:
            self._stop_at = time.monotonic() + self._drain_seconds
        else:
            self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the door once a model is there.

        Raises:
            PortInUseError: Somebody else, who began at the same time, was quicker.
        """
        doors = [(each, *each.getsockname()[:2], name) for each, name in zip(sockets or (), PORTS, strict=False)]
        await super().startup(sockets)
        for each, host, port, name in doors:
            try:
                each.listen(BACKLOG)  # it does already; uvloop closes the socket and says nothing when it could not
            except OSError as error:
                await self.lifespan.shutdown()
                raise port_in_use(host, port, name) from error

    async def on_tick(self, counter: int) -> bool:
        """Stop once the drain is over."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)


def run(settings: Settings) -> int:
    """Serve until told to stop; return the exit status.

    Raises:
        PortInUseError: Somebody else listens on the port.
    """
    listeners = reserve_all(settings)
    app = create_app(settings)
    server = create_server(app, settings)
    try:
        server.run(sockets=listeners)
    except KeyboardInterrupt:
        return 130
    return 0 if server.started else 3


def reserve_all(settings: Settings) -> list[socket.socket]:
    """A socket for every port that the settings name.

    They listen once the model is loaded. Who comes before is refused at once and goes to another replica, or tries
    again: at the door he would wait for seconds, and those behind him for as long again until all had been answered.

    Raises:
        PortInUseError: Somebody else listens on one.
        DandelionError: The address is none of this machine's.
    """
    api = settings.api
    asked = zip((api.port, api.monitoring_port), PORTS, strict=True)
    return [reserve(api.host, port, name) for port, name in asked if port is not None]


def create_server(app: Litestar, settings: Settings) -> DrainingServer:
    """A server of `app`, not running yet."""
    config = configure(
        app,
        trusted_proxies=settings.api.trusted_proxies,
        log_level=settings.log.level,
        stop_seconds=STOP_SECONDS,
    )
    return DrainingServer(config, app.state.service, settings.api.drain_seconds)
