"""Messages read within limits of time, of memory, and of how many arrive at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import grpc
from google.protobuf.message import DecodeError, Message

from dandelion.api.codings import PIECE_BYTES, create_decoder
from dandelion.errors import NotReadyError, OverloadedError, SlowUploadError, TensorError, UploadTooLargeError

# No message of the protocols begins with the first byte of either coding.
_CODINGS = {b"\x1f": "gzip", b"\x78": "deflate"}

_Request = TypeVar("_Request", bound=Message)


class MessageReader:
    """Reads the messages of calls.

    gRPC takes all of a message once somebody waits for it, up to the limit of the server, and 64 KiB before. Memory is
    therefore limited by how many are awaited at once.

    Args:
        max_bytes: Maximum size of a message, with or without its compression.
        seconds: Maximum time for one to arrive.
        slots: How many may be awaited at once.
        slots_per_address: How many of those from one address, so that one client cannot keep out all others.
    """

    def __init__(self, max_bytes: int, seconds: float, slots: int, slots_per_address: int | None = None) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._slots = asyncio.Semaphore(slots)
        self._slots_per_address = slots_per_address or slots
        self._by_address: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._waits: set[asyncio.Timeout] = set()
        self._is_stopping = False

    async def read(self, context: Any, count: Callable[[int], None] | None = None) -> bytes | None:
        """The next message of a call; None if there is no further one, or if it is over the server's limit.

        Args:
            context: The call.
            count: Is told the bytes that the message takes, and may refuse them.

        Raises:
            NotReadyError: The server is stopping.
            OverloadedError: Too many others are awaited.
            SlowUploadError: It arrives too slowly.
            TensorError: Its compression cannot be undone.
            UploadTooLargeError: It is too large.
        """
        if self._is_stopping:
            raise _stopping()
        address = context.peer().rpartition(":")[0]
        slots = self._by_address.setdefault(address, asyncio.Semaphore(self._slots_per_address))
        wait, is_awaited = asyncio.timeout(self._seconds), False
        self._waits.add(wait)
        try:
            async with wait, slots, self._slots:
                is_awaited = True
                data = await context.read()
                if data is grpc.aio.EOF:
                    return None
                self._check(len(data))
                if count:
                    count(len(data))
        except TimeoutError as error:
            if self._is_stopping:
                raise _stopping() from error
            if not is_awaited:
                raise OverloadedError("Too many messages are arriving.", "Try again later.") from error
            raise SlowUploadError(
                f"The message took longer than {self._seconds:g} s to arrive.", "Send less at once."
            ) from error
        finally:
            self._waits.discard(wait)
        if coding := _CODINGS.get(data[:1]):
            return await self._decompress(data, coding, count)
        return bytes(data)

    def stop(self) -> None:
        """Await no message any longer."""
        self._is_stopping = True
        for each in self._waits:
            if not each.expired():
                each.reschedule(0)

    async def _decompress(self, data: bytes, coding: str, count: Callable[[int], None] | None) -> bytes:
        # gRPC itself would inflate a bomb whole before it looks at the size.
        decoder = create_decoder(coding)
        pieces, size = [], 0
        try:
            for part in slices(data):
                for piece in decoder.feed(part):
                    size += len(piece)
                    self._check(size)
                    if count:
                        count(len(piece))
                    pieces.append(piece)
                await asyncio.sleep(0)  # one message's megabytes must not hold up the others
        except ValueError as error:
            raise TensorError(
                f"The message cannot be decompressed ({error}).", "Send it without compression."
            ) from error
        if not decoder.is_complete:
            raise TensorError("The compressed message is cut off.", "Send all of it.")
        return b"".join(pieces)

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise UploadTooLargeError(f"The message is larger than {self._max_bytes:,} bytes.", "Send less at once.")


def slices(data: bytes) -> Iterator[bytes]:
    """The data in pieces. A decoder copies what follows each piece of its output, which of all of it is quadratic."""
    view = memoryview(data)
    return (bytes(view[at : at + PIECE_BYTES]) for at in range(0, len(view), PIECE_BYTES))


def parse(kind: type[_Request], data: bytes) -> _Request:
    """The message of this kind.

    Raises:
        TensorError: It is none.
    """
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise TensorError("The request cannot be read.", f"Send a {kind.__name__}.") from error


def _stopping() -> NotReadyError:
    return NotReadyError("The server is stopping.", "Try another replica, or again later.")
