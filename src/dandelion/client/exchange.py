"""What both clients share: headers, retries, decoding, errors."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
import msgspec

from dandelion.errors import AuthenticationError, DandelionError, UnreachableError, errors_by_reason

Decoded = TypeVar("Decoded")

RETRIED = frozenset({429, 503})
# For requests that must not run twice: a proxy also sends 503 if the request arrived and only the response was lost.
REFUSED = frozenset({429})
MAX_TRIES = 4
PATIENCE_SECONDS = 60.0  # one window of the API's rate limits
PAUSE_SECONDS = 1.0  # without a Retry-After
PHOTO_HEADERS = {"Content-Type": "application/octet-stream"}  # the server reads the format from the bytes


def is_sendable(key: str) -> bool:
    """Whether a header can carry `key`. The HTTP library prints a header that it refuses, and the key with it."""
    return key.isascii() and key.isprintable()


def identity(key: str | None) -> dict[str, str]:
    """The header that carries a key.

    Raises:
        AuthenticationError: No header can carry the key.
    """
    stripped = (key or "").strip()  # a file or Secret often ends with a line break
    if not is_sendable(stripped):
        raise AuthenticationError(
            "The API key or token contains a character that an HTTP header cannot carry.",
            "Give it in one line, as `dandelion keys create` printed it.",
        )
    return {"Authorization": f"Bearer {stripped}"} if stripped else {}


@dataclass(slots=True)
class Tries:
    """The tries and the time left for one request.

    Attributes:
        retried: Statuses after which the request is sent again.
        patience_seconds: Total time left for pauses.
        left: Tries left, including the current one.
    """

    retried: frozenset[int]
    patience_seconds: float
    left: int = MAX_TRIES

    def pause_after(self, response: httpx.Response) -> float | None:
        """Seconds to wait before the next try; None if this response is final."""
        self.left -= 1
        pause = _requested_pause(response)
        if response.status_code not in self.retried or not self.left or pause > self.patience_seconds:
            return None
        self.patience_seconds -= pause
        return pause


def _requested_pause(response: httpx.Response) -> float:
    """The value of Retry-After, which holds seconds or a date."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return PAUSE_SECONDS


def checked(response: httpx.Response) -> httpx.Response:
    """The response, if it is a success.

    Raises:
        DandelionError: The same error as on the server, or UnreachableError if a proxy responds in its place.
    """
    if response.is_success:
        return response
    try:
        problem = response.json()
        kind, detail = errors_by_reason().get(problem["reason"], DandelionError), problem["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        # Not from the API: a proxy reports that it reaches no server.
        kind = UnreachableError if response.status_code in {502, 503, 504} else DandelionError
        detail = f"{response.url} responded with status {response.status_code}."
    raise kind(detail)


def unreachable(http: httpx.Client | httpx.AsyncClient, error: httpx.HTTPError) -> DandelionError:
    """The error of a request that got no response."""
    return UnreachableError(
        f"{http.base_url} did not respond ({type(error).__name__}: {error}).", "Start it with `dandelion up`."
    )


def content_of(response: httpx.Response) -> bytes:
    """The body."""
    return response.content


def as_list(response: httpx.Response, name: str, kind: type[Decoded]) -> list[Decoded]:
    """The list in the field `name` of a JSON object; later versions may add other fields."""
    answer = msgspec.defstruct("Answer", [(name, list[kind])])  # type: ignore[valid-type]
    return list(getattr(decode(response, answer), name))


def decode(response: httpx.Response, kind: type[Decoded]) -> Decoded:
    """The body as a value of type `kind`.

    Raises:
        DandelionError: The body holds no such value.
    """
    try:
        return msgspec.json.decode(response.content, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise DandelionError(
            f"The response of {response.url} cannot be read ({error}).", "Check that this address is a Dandelion API."
        ) from error
