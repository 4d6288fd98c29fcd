"""A client of `inference.GRPCInferenceService`, of bytes and of messages."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ResponseReceived, StreamEnded, StreamReset, TrailersReceived

from dandelion.api.grpc import open_inference_pb2 as pb
from tests.integration.protocol_client import packed

Answer = TypeVar("Answer", bound=Message)
SERVICE = "inference.GRPCInferenceService"


class GrpcClient:
    """Calls methods over one channel, with the metadata in `metadata`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.metadata: list[tuple[str, str]] = []

    def send(self, method: str, body: bytes, **options: Any) -> Any:
        """A call that has begun."""
        options.setdefault("timeout", 30)
        options.setdefault("metadata", self.metadata)
        call: Any = self.channel.unary_unary(f"/{SERVICE}/{method}")
        return call.future(body, **options)

    def call(self, request: Message, kind: type[Answer], **options: Any) -> Answer:
        """The response to a request, whose method its name tells."""
        method = type(request).__name__.removesuffix("Request")
        return kind.FromString(self.send(method, request.SerializeToString(), **options).result())

    def infer(self, request: pb.ModelInferRequest, **options: Any) -> dict[str, list[Any]]:
        """The values of a response in `contents`, by name."""
        return values_of(self.call(request, pb.ModelInferResponse, **options))

    def refused(self, body: bytes | Message, method: str = "ModelInfer", **options: Any) -> tuple[grpc.StatusCode, str]:
        """Code and details of a call that fails."""
        data = body if isinstance(body, bytes) else body.SerializeToString()
        with pytest.raises(grpc.RpcError) as caught:
            self.send(method, data, **options).result()
        error: Any = caught.value
        return error.code(), error.details()


class SlowClient:
    """Announces a message on each of many streams of one connection, and sends as much as the server accepts.

    The last byte of a message stays away, so that none ends.

    Args:
        port: The server's port.
        path: The method.
        streams: Number of calls.
        size: Announced size of each message, bytes.
        address: Where the client seems to be.
    """

    def __init__(self, port: int, path: str, streams: int, size: int, address: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 30, (address, 0))
        self._http = H2Connection(H2Configuration())
        self._http.initiate_connection()
        headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x", "te": "trailers"}
        headers["content-type"] = "application/grpc"
        self.statuses: list[str] = []
        self._left = {2 * number + 1: max(0, size - 1) for number in range(streams)}
        for stream in self._left:
            self._http.send_headers(stream, [*headers.items()])
            self._http.send_data(stream, b"\0" + struct.pack(">I", size), end_stream=not size)
        self._flush()

    def send(self, patience: float) -> int:
        """Bytes sent until the server is silent for `patience` seconds."""
        self._socket.settimeout(patience)
        sent = 0
        while True:
            for stream in self._left:
                while size := self._may_send(stream):
                    self._http.send_data(stream, bytes(size))
                    self._left[stream] -= size
                    sent += size
                    self._flush()
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                return sent
            if not data:
                return sent
            for event in self._http.receive_data(data):
                if isinstance(event, ResponseReceived | TrailersReceived):
                    self.statuses += [value.decode() for name, value in event.headers if name == b"grpc-status"]
                if isinstance(event, StreamEnded | StreamReset):
                    self._left.pop(event.stream_id, None)
            self._flush()

    def close(self) -> None:
        self._socket.close()

    def _may_send(self, stream: int) -> int:
        return min(self._http.local_flow_control_window(stream), self._left[stream], self._http.max_outbound_frame_size)

    def _flush(self) -> None:
        self._socket.sendall(self._http.data_to_send())


@contextmanager
def connected(
    port: int,
    credentials: grpc.ChannelCredentials | None = None,
    options: Sequence[tuple[str, int]] = (),
) -> Iterator[GrpcClient]:
    """A client of a port of this machine, on a connection that it shares with no other."""
    address, options = f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1), *options]
    with (
        grpc.secure_channel(address, credentials, options)
        if credentials
        else grpc.insecure_channel(address, options) as channel
    ):
        yield GrpcClient(channel)


def photos_in(*photos: bytes, raw: bool = False, **more: Any) -> pb.ModelInferRequest:
    """A request with these photos."""
    return tensor_in({"name": "image", "datatype": "BYTES", "shape": [len(photos)]}, photos, raw=raw, **more)


def tensor_in(
    tensor: dict[str, Any], photos: Sequence[bytes] = (), *, raw: bool = False, **more: Any
) -> pb.ModelInferRequest:
    """A request with one input."""
    request = pb.ModelInferRequest(**{"model_name": "dandelion", **more})
    found = request.inputs.add(**tensor)
    if raw:
        request.raw_input_contents.append(packed(*photos))
    elif photos:
        found.contents.bytes_contents.extend(photos)
    return request


def values_of(response: pb.ModelInferResponse) -> dict[str, list[Any]]:
    """What is in `contents`, by name."""
    found = {}
    for output in response.outputs:
        ((_, values),) = output.contents.ListFields()
        found[output.name] = [each.decode() if isinstance(each, bytes) else each for each in values]
    return found


def field(tag: bytes, message: bytes) -> bytes:
    """A field with a message in it."""
    size, length = b"", len(message)
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return tag + size + bytes([length]) + message
