"""Runs the application in one process, and drains it before it stops.

One process with a worker per core is better than one process per core: decoding and inference release Python's lock,
batches form over all connections, and the model is in memory once. Use replicas to scale further.
"""

from __future__ import annotations

import signal
import socket
import time
from types import FrameType

import uvicorn
from litestar import Litestar
from litestar.datastructures import State

from dandelion.api.app import create_app
from dandelion.concurrency.memory import limit_held_memory
from dandelion.errors import DandelionError
from dandelion.http.server import configure
from dandelion.http.sockets import BACKLOG, port_in_use, reserve
from dandelion.inference.service import PredictionService
from dandelion.settings import Settings

STOP_SECONDS = 30
# Settings of the ports, in the order of their sockets.
PORTS = "DANDELION_API__PORT", "DANDELION_API__MONITORING_PORT"


class DrainingServer(uvicorn.Server):
    """After SIGTERM it is not ready, serves for another `drain_seconds`, then finishes the open requests."""

    def __init__(self, config: uvicorn.Config, state: State, drain_seconds: float) -> None:
        super().__init__(config)
        self._state = state
        self._service: PredictionService = state.service
        self._drain_seconds = drain_seconds
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to drain; a second signal, or Ctrl-C, skips the wait.

        uvicorn would raise a captured SIGTERM again at the end; here the server has obeyed it already.
        """
        self._service.drain()
        if sig != signal.SIGTERM:
            super().handle_exit(sig, frame)
        elif self._stop_at is None:
            self._stop_at = time.monotonic() + self._drain_seconds
        else:
            self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen once a model is loaded.

        Raises:
            PortInUseError: Another process that started at the same time took a port.
            SettingsError: The certificate of gRPC cannot be used any more.
        """
        listeners = [(each, *each.getsockname()[:2], name) for each, name in zip(sockets or (), PORTS, strict=False)]
        await super().startup(sockets)
        self.started = False  # until all ports listen
        try:
            for each, host, port, name in listeners:
                try:
                    each.listen(BACKLOG)  # it listens already, unless uvloop could not and closed the socket silently
                except OSError as error:
                    raise port_in_use(host, port, name) from error
            if self._state.grpc is not None:
                await self._state.grpc.start()
        except DandelionError:
            await self.lifespan.shutdown()
            raise
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the open requests of HTTP and gRPC at the same time, then stop the application."""
        if self._state.grpc is not None:
            self._state.grpc.begin_to_stop()  # the end of the application waits for it
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Stop once the drain is over."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)


def run(settings: Settings) -> int:
    """Serve until a signal; return the exit status, or raise KeyboardInterrupt after Ctrl-C.

    Raises:
        PortInUseError: Another process listens on the port.
    """
    limit_held_memory()
    listeners = reserve_all(settings)
    server = create_server(create_app(settings), settings)
    server.run(sockets=listeners)
    return 0 if server.started else 3


def reserve_all(settings: Settings) -> list[socket.socket]:
    """Reserve a socket for every port of HTTP, and check that the port of gRPC is free, which opens its own.

    The sockets listen once the model is loaded. Earlier connections are refused at once, so that clients try another
    replica or retry. If they queued instead, they would wait for seconds, and later ones behind them.

    Raises:
        PortInUseError: Another process listens on one of the ports.
        DandelionError: The address does not belong to this machine, or the certificate cannot be used.
    """
    api = settings.api
    if settings.grpc.port:
        from dandelion.api.grpc import server as grpc_server

        grpc_server.check(settings)
    wanted = zip((api.port, api.monitoring_port), PORTS, strict=True)
    return [reserve(api.host, port, name) for port, name in wanted if port is not None]


def create_server(app: Litestar, settings: Settings) -> DrainingServer:
    """Create a server of `app`; it does not run yet."""
    config = configure(
        app,
        trusted_proxies=settings.api.trusted_proxies,
        trust_prefix=settings.api.trust_forwarded_prefix,
        root_path=settings.api.root_path,
        keep_alive_seconds=settings.api.keep_alive_seconds,
        log_level=settings.log.level,
        stop_seconds=STOP_SECONDS,
    )
    return DrainingServer(config, app.state, settings.api.drain_seconds)
