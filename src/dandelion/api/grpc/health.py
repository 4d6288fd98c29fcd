"""Health over gRPC (`grpc.health.v1`), which follows the readiness of the server; open to all."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from dandelion.api.grpc.calls import answering
from dandelion.api.grpc.reading import MessageReader, parse
from dandelion.errors import UploadTooLargeError
from dandelion.inference.service import PredictionService

NAME = str(health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
# How often readiness is compared for those who follow it.
POLL_SECONDS = 0.25


class Health:
    """Says whether the server can classify photos.

    Args:
        service: What is ready or not.
        services: The names that clients may ask for; empty means the whole server.
        reader: Reads requests.
        stopping: Ends the watches, which would hold up a server that stops.
    """

    def __init__(
        self, service: PredictionService, services: frozenset[str], reader: MessageReader, stopping: asyncio.Event
    ) -> None:
        self._service = service
        self._services = services
        self._reader = reader
        self._stopping = stopping

    def create_handler(self) -> grpc.GenericRpcHandler:
        """What the server calls. As a stream each call reads its request itself."""
        check: Any = grpc.stream_unary_rpc_method_handler(answering(self._check))
        watch: Any = grpc.stream_stream_rpc_method_handler(answering(self._watch))
        return grpc.method_handlers_generic_handler(NAME, {"Check": check, "Watch": watch})

    async def _check(self, context: Any) -> bytes:
        """The state now."""
        service = await self._read(context)
        if service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"There is no service {service[:80]!r}.")
        return self._state(service)

    async def _watch(self, context: Any) -> None:
        """The state now, and each later one, until the server stops."""
        service, sent = await self._read(context), b""
        while True:
            state = self._state(service)
            if state != sent:
                await context.write(state)
                sent = state
            if self._stopping.is_set():
                return
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def _read(self, context: Any) -> str:
        data = await self._reader.read(context)
        if data is None:
            raise UploadTooLargeError("The call has no message, or one that is too large.")
        return parse(HealthCheckRequest, data).service

    def _state(self, service: str) -> bytes:
        is_ready = self._service.is_ready
        state: Any = HealthCheckResponse.SERVING if is_ready else HealthCheckResponse.NOT_SERVING
        if service not in self._services:
            state = HealthCheckResponse.SERVICE_UNKNOWN
        return HealthCheckResponse(status=state).SerializeToString()
