"""What every call goes through: access, limits, errors, metrics and the log, as requests over HTTP do."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import grpc
import structlog
from google.protobuf.message import Message
from litestar.datastructures import State

from dandelion.access import Caller, RateLimitStatus
from dandelion.api.access import OPEN, OPT, AccessControl
from dandelion.api.grpc.reading import MessageReader
from dandelion.api.headers import limits
from dandelion.api.problems import log_problem, problem_of
from dandelion.api.requests import BodyMemory, create_request_id, request_context
from dandelion.errors import DandelionError, RateLimitedError, UploadTooLargeError
from dandelion.http.proxies import ClientLocator
from dandelion.settings import Settings
from dandelion.telemetry import instruments

# How `http_requests_total` tells calls from requests; their routes are those of REST.
METHOD = "gRPC"
_CLIENT_GONE = 499
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
_CREDENTIALS = {"x-api-key", "authorization"}
_PARENTS = {"traceparent", "tracestate"}  # metadata that names the caller's trace
_MAX_PATH = 200  # characters of what a client calls a method, in the log

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the service.

    Attributes:
        route: The route of REST with the same meaning, for metrics.
        access: Who may call it, as in `opt` of a route.
        answer: Takes the caller, and the request as bytes; it should let go of these early.
        is_prediction: Whether its failures are failed predictions.
        is_read: Whether it needs its request, which stays unread otherwise.
    """

    route: str
    access: dict[str, str]
    answer: Callable[[Caller, bytes], Awaitable[Message]]
    is_prediction: bool = False
    is_read: bool = True


class Calls:
    """Runs calls on the application whose `state` this is."""

    def __init__(self, state: State, max_message_bytes: int) -> None:
        settings: Settings = state.settings
        self._access: AccessControl = state.access
        self._memory: BodyMemory = state.body_memory
        self._max_message_bytes = max_message_bytes
        # What arrives at once fits into the memory for bodies.
        slots = max(1, settings.api.max_bodies_bytes // max_message_bytes)
        self._reader = MessageReader(max_message_bytes, settings.api.body_timeout_seconds, slots)
        self._locator = ClientLocator(settings.api.trusted_proxies)
        self._track = settings.api.track
        self._access_log = settings.log.access
        self._open = 0
        self._may_begin, self._all_ended = asyncio.Event(), asyncio.Event()
        self.release()

    def hold(self) -> None:
        """Let further calls wait."""
        self._may_begin.clear()

    def release(self) -> None:
        """Begin those that wait, and further ones at once."""
        self._may_begin.set()

    async def wait_until_none(self) -> None:
        """Return once no call is open."""
        if self._open:
            await self._all_ended.wait()

    async def run(self, method: Method, path: str, context: Any) -> bytes:
        """The response to a call, serialized, or its status."""
        started = time.perf_counter()
        sent = [(name, value) for name, value in context.invocation_metadata() if isinstance(value, str)]
        path = path[:_MAX_PATH]
        request_id = create_request_id(next((value for name, value in sent if name == "x-request-id"), "").encode())
        trailer = [("x-request-id", request_id)]
        status = _CLIENT_GONE  # also if the deadline passes
        refusal = ""
        with request_context(
            request_id, f"{METHOD} {method.route}", {name: value for name, value in sent if name in _PARENTS}
        ):
            try:
                with self._counted():
                    await self._may_begin.wait()
                    response = await self._answer(method, sent, context, trailer)
                status = 200
            except Exception as error:  # noqa: BLE001 -- each becomes a status, and is logged
                problem = problem_of(error, request_id)
                status, refusal = problem.status, problem.detail
                if method.is_prediction:
                    instruments.PREDICTION_ERRORS.labels(problem.reason).inc()
                log_problem(problem, error, path)
                if status in {429, 503}:
                    trailer.append(("retry-after", str(getattr(error, "retry_after_seconds", 1))))
            finally:
                instruments.REQUESTS.labels(method.route, METHOD, str(status), self._track).inc()
                if self._access_log:
                    duration_ms = round((time.perf_counter() - started) * 1000, 2)
                    log.info("request", method=METHOD, path=path, status=status, duration_ms=duration_ms)
        if status != 200:
            # Outside of `except`: gRPC keeps what this raises, and with it the error, whose frames hold the message.
            await context.abort(_code_of(status), refusal, tuple(trailer))
        context.set_trailing_metadata(tuple(trailer))
        return response

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self._open += 1
        self._all_ended.clear()
        try:
            yield
        finally:
            self._open -= 1
            if not self._open:
                self._all_ended.set()

    async def _answer(
        self, method: Method, sent: list[tuple[str, str]], context: Any, trailer: list[tuple[str, str]]
    ) -> bytes:
        forwarded = [value for name, value in sent if name == "x-forwarded-for"]
        caller = Caller(address=self._locator.locate(address_of(context.peer()), forwarded))
        if method.access != OPEN:
            credentials = [(name.encode(), value.encode()) for name, value in sent if name in _CREDENTIALS]
            try:
                caller, limit = await self._access.identify(credentials, caller.address)
            except RateLimitedError as error:
                trailer += _shown(error.status)
                raise
            trailer += _shown(limit)
            self._access.authorize(caller, method.access[OPT])
        held = _Held(self._memory)
        try:
            data = self._read(context, held) if method.is_read else _nothing()
            return (await method.answer(caller, await data)).SerializeToString()
        finally:
            held.release()

    async def _read(self, context: Any, held: _Held) -> bytes:
        """The request, read only once its sender may call.

        Raises:
            UploadTooLargeError: It is too large, or there is none.
            DandelionError: As `MessageReader.read`.
        """
        data = await self._reader.read(context, held.take)
        if data is None:  # to a message over the limit gRPC has responded itself
            raise UploadTooLargeError(f"The call has no message of at most {self._max_message_bytes:,} bytes.")
        return data


class _Held:
    """The memory that one call holds."""

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self._size = 0

    def take(self, size: int) -> None:
        self._memory.take(size)
        self._size += size

    def release(self) -> None:
        self._memory.release(self._size)


def answering(answer: Callable[[Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
    """A handler that takes the call's context, and ends the call with the status of an error."""

    async def run(_: Any, context: Any) -> Any:
        try:
            return await answer(context)
        except DandelionError as error:
            problem = problem_of(error)
        return await context.abort(_code_of(problem.status), problem.detail)

    return run


def address_of(peer: str) -> str:
    """The address in what gRPC calls a peer: `ipv4:10.1.2.3:456`, `ipv6:%5B::1%5D:456`; empty for others."""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in {"ipv4", "ipv6"} else ""


def _code_of(status: int) -> grpc.StatusCode:
    return _CODES.get(status, grpc.StatusCode.INTERNAL)


async def _nothing() -> bytes:
    return b""


def _shown(status: RateLimitStatus | None) -> Iterable[tuple[str, str]]:
    return [(name.decode(), value.decode()) for name, value in limits(status)] if status else ()
