"""Reflection: the schema of the services, for clients without it; open to all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest

from dandelion.api.grpc.calls import answering
from dandelion.api.grpc.reading import MessageReader, parse

# Clients try the newer name first; the messages of both are the same.
NAMES = "grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME


def create_handlers(services: tuple[str, ...], reader: MessageReader) -> list[grpc.GenericRpcHandler]:
    """What the server calls, to describe `services`."""
    servicer: Any = reflection.aio.ReflectionServicer(services)

    async def answer(context: Any) -> None:
        async for response in servicer.ServerReflectionInfo(_requests(context, reader), context):
            await context.write(response.SerializeToString())

    handler: Any = grpc.stream_stream_rpc_method_handler(answering(answer))
    return [grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler}) for name in NAMES]


async def _requests(context: Any, reader: MessageReader) -> AsyncIterator[ServerReflectionRequest]:
    while (data := await reader.read(context)) is not None:
        yield parse(ServerReflectionRequest, data)
