"""Content codings of request bodies: gzip, deflate, and br where its library is installed."""

from __future__ import annotations

import asyncio
import importlib.util
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Protocol

from litestar.types import HTTPReceiveMessage, Receive

from dandelion.errors import ContentCodingError, UploadError, UploadTooLargeError

PIECE_BYTES = 64 * 1024
MAX_MEMBERS = 1024  # of gzip; each may decode to nothing, and costs more time than its 20 bytes
_GZIP, _ZLIB, _RAW = 31, 15, -15  # what zlib calls `wbits`
_BROTLI = importlib.util.find_spec("brotli") is not None
ACCEPTED = ("gzip", "deflate", *(("br",) if _BROTLI else ()))


class Decoder(Protocol):
    """Undoes one coding."""

    @property
    def is_complete(self) -> bool:
        """Whether the end was seen."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes decode to, in pieces of about `PIECE_BYTES`, each decoded when it is asked for.

        Raises:
            ValueError: The bytes are in no such coding.
        """


def coding_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The coding of a body; empty if it has none.

    Raises:
        ContentCodingError: It has one that cannot be undone, or several.
    """
    sent = b",".join(value for name, value in headers if name == b"content-encoding")
    named = [each for each in (part.strip() for part in sent.decode("latin-1").lower().split(",")) if each]
    codings = [each.removeprefix("x-") for each in named if each != "identity"]
    if len(codings) > 1 or not set(codings) <= set(ACCEPTED):
        raise ContentCodingError(
            f"A body with Content-Encoding {', '.join(codings)[:80]!r} is not supported.",
            f"Send it as it is, or in one of {', '.join(ACCEPTED)}.",
            accepted=ACCEPTED,
        )
    return codings[0] if codings else ""


def create_decoder(coding: str) -> Decoder:
    """A decoder of one of `ACCEPTED`."""
    return _Brotli() if coding == "br" else _Zlib(coding)


async def decoded(receive: Receive, coding: str, max_bytes: int) -> AsyncIterator[HTTPReceiveMessage]:
    """The messages of a request, with its body decoded piece by piece as they are read.

    Whoever reads them counts the bytes, and stops at a limit: a bomb is inflated no further.

    Args:
        receive: Returns the messages of the request.
        coding: One of `ACCEPTED`.
        max_bytes: Maximum size of the encoded body. Endless bytes may decode to nothing.

    Raises:
        UploadError: The body is not in that coding, or is cut off.
        UploadTooLargeError: The encoded body is too large.
    """
    decoder = create_decoder(coding)
    received, is_last = 0, False
    while not is_last:
        message: Any = await receive()
        if message["type"] != "http.request":
            yield message
            return
        is_last = not message.get("more_body", False)
        received += len(message["body"])
        if received > max_bytes:
            raise UploadTooLargeError(f"The encoded body is larger than {max_bytes:,} bytes.", "Send smaller photos.")
        try:
            for piece in decoder.feed(message["body"]):
                yield _message(piece, more=True)
                await asyncio.sleep(0)  # one request's megabytes must not hold up the others
        except ValueError as error:
            raise UploadError(f"The body is no valid {coding} ({error}).", "Check its Content-Encoding.") from error
    if received and not decoder.is_complete:
        raise UploadError(f"The {coding} of the body is cut off after {received} bytes.", "Send all of it.")
    yield _message(b"", more=False)


def _message(body: bytes, *, more: bool) -> HTTPReceiveMessage:
    return {"type": "http.request", "body": body, "more_body": more}


class _Zlib:
    """gzip with any number of members, and deflate with or without zlib's header, which some clients leave out."""

    def __init__(self, coding: str) -> None:
        self._is_gzip = coding == "gzip"
        self._stream: Any = zlib.decompressobj(_GZIP) if self._is_gzip else None
        self._head = b""
        self._members = 1

    @property
    def is_complete(self) -> bool:
        """Whether the end was seen."""
        return bool(self._stream and self._stream.eof)

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._stream is None:
            self._head = data = self._head + data
            if len(data) < 2:
                return
            is_zlib = data[0] & 15 == 8 and int.from_bytes(data[:2]) % 31 == 0  # RFC 1950, section 2.2
            self._stream = zlib.decompressobj(_ZLIB if is_zlib else _RAW)
        is_full = False
        while data or is_full:
            if self._stream.eof:
                if not data.strip(b"\0"):
                    return  # padding
                if not self._is_gzip:
                    raise ValueError("something follows its end")
                self._members += 1
                if self._members > MAX_MEMBERS:
                    raise ValueError(f"it has more than {MAX_MEMBERS} members")
                self._stream = zlib.decompressobj(_GZIP)
            try:
                piece = self._stream.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise ValueError(str(error)) from error
            data = self._stream.unconsumed_tail or self._stream.unused_data
            is_full = len(piece) == PIECE_BYTES and not self._stream.eof
            if piece:
                yield piece


class _Brotli:
    def __init__(self) -> None:
        import brotli

        self._error = brotli.error
        self._stream = brotli.Decompressor()

    @property
    def is_complete(self) -> bool:
        return bool(self._stream.is_finished())

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            # `can_accept_more_data` may be true while output is left.
            while piece := self._stream.process(data, output_buffer_limit=PIECE_BYTES):
                yield piece
                data = b""
        except self._error as error:
            raise ValueError(str(error)) from error
