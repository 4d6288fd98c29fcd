"""The gRPC server of a process, beside its HTTP server and in the same event loop."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
from litestar.datastructures import State

from dandelion.api.grpc import health, reflection
from dandelion.api.grpc.calls import Calls
from dandelion.api.grpc.credentials import create_credentials
from dandelion.api.grpc.reading import MessageReader
from dandelion.api.grpc.service import NAME, InferenceService
from dandelion.http.connections import CONNECTION_SECONDS, HEAD_SECONDS, MAX_HEAD_BYTES
from dandelion.http.sockets import port_in_use, reserve
from dandelion.settings import Settings

STOP_SECONDS = 30
# gRPC cancels calls that arrive before their client knows that the server stops, and clients do not repeat those. So
# for a moment new calls wait; they begin once their client knows, and its next one goes elsewhere.
_HOLD_SECONDS, _NOTICE_SECONDS = 0.5, 0.5
# For the last responses to arrive; gRPC would wait longer for a client that is gone.
_SEND_SECONDS = 3
PORT = "DANDELION_GRPC__PORT"
MAX_STREAMS = 128  # of one connection; clients open another, or wait
_UNREAD_BYTES = 64 * 1024 - 1
# For the calls of a connection that is to end; it cuts streams that would never end, such as `Watch`.
_GRACE_SECONDS = 60
_PING_SECONDS, _PING_WAIT_SECONDS = 120, 20
_CLIENTS_PING_SECONDS = 10  # clients that ping more often are disconnected
# Health and reflection are open to all, and so are these limits: of a message, of its time, and of how many arrive.
_OPEN_BYTES, _OPEN_SECONDS, _OPEN_SLOTS, _OPEN_SLOTS_PER_ADDRESS = 4096, 5, 4, 2


class GrpcServer:
    """Serves an application's `state` on the gRPC port."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._stopping = asyncio.Event()
        self._server: grpc.aio.Server | None = None
        self._stopped: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            PortInUseError: Another process listens on the port.
            SettingsError: The certificate cannot be used.
        """
        settings: Settings = self._state.settings
        limit = max_message_bytes(settings)
        self._calls = Calls(self._state, limit)
        self._readers = [
            MessageReader(_OPEN_BYTES, _OPEN_SECONDS, _OPEN_SLOTS, _OPEN_SLOTS_PER_ADDRESS) for _ in range(2)
        ]
        checks, descriptions = self._readers
        server = grpc.aio.server(options=_options(settings, limit))
        following = health.Health(self._state.service, frozenset({"", NAME}), checks, self._stopping)
        server.add_generic_rpc_handlers((InferenceService(self._state, self._calls), following.create_handler()))
        if settings.grpc.reflection:
            names = NAME, health.NAME, *reflection.NAMES
            server.add_generic_rpc_handlers(reflection.create_handlers(names, descriptions))
        address = address_of(settings)
        credentials = create_credentials(settings.grpc)
        try:
            if credentials is None:
                server.add_insecure_port(address)
            else:
                server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise port_in_use(settings.grpc_host, settings.grpc.port, PORT) from error
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Begin to stop, and finish the open calls."""
        await self.begin_to_stop()

    def begin_to_stop(self) -> asyncio.Task[None]:
        """Send further calls elsewhere; the task ends with the last open one."""
        if self._stopped is None:
            self._stopped = asyncio.create_task(self._stop())
        return self._stopped

    async def _stop(self) -> None:
        if self._server is None:
            return
        self._stopping.set()
        for reader in self._readers:
            reader.stop()
        self._calls.hold()
        await asyncio.sleep(_HOLD_SECONDS)
        stopped = asyncio.create_task(self._server.stop(STOP_SECONDS))
        await asyncio.sleep(_NOTICE_SECONDS)
        self._calls.release()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._calls.wait_until_none()
        await self._server.stop(_SEND_SECONDS)
        await stopped


def check(settings: Settings) -> None:
    """Check that a server could start, before anything else does.

    Raises:
        PortInUseError: Another process listens on the port.
        DandelionError: The address does not belong to this machine, or the certificate cannot be used.
    """
    reserve(settings.grpc_host, settings.grpc.port, PORT).close()
    create_credentials(settings.grpc)


def address_of(settings: Settings) -> str:
    """Address and port as gRPC writes them."""
    host, port = settings.grpc_host, settings.grpc.port
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def max_message_bytes(settings: Settings) -> int:
    """Maximum size of a request, bytes."""
    size = settings.grpc.max_message_mb
    return settings.api.max_upload_bytes if size is None else size * 1024 * 1024


def _options(settings: Settings, max_message_bytes: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", -1),  # the number of photos limits it
        ("grpc.max_concurrent_streams", MAX_STREAMS),
        ("grpc.max_metadata_size", MAX_HEAD_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_HEAD_BYTES),
        # How much of a message is accepted before a call reads it.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", _UNREAD_BYTES),
        ("grpc.per_message_decompression", 0),  # `Calls` decompresses within the limit
        ("grpc.so_reuseport", 0),  # a second server must not share the port
        ("grpc.server_handshake_timeout_ms", int(HEAD_SECONDS * 1000)),
        ("grpc.max_connection_age_ms", int(CONNECTION_SECONDS * 1000)),
        ("grpc.max_connection_age_grace_ms", _GRACE_SECONDS * 1000),
        ("grpc.max_connection_idle_ms", settings.api.keep_alive_seconds * 1000),
        ("grpc.keepalive_time_ms", _PING_SECONDS * 1000),
        ("grpc.keepalive_timeout_ms", _PING_WAIT_SECONDS * 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _CLIENTS_PING_SECONDS * 1000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _CLIENTS_PING_SECONDS * 1000),
    ]
