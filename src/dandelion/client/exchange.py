"""What the clients send and read, whichever way they wait: headers, retries, decoding, errors."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
import msgspec

from dandelion.errors import AuthenticationError, DandelionError, UnreachableError, errors_by_reason

Decoded = TypeVar("Decoded")

RETRIED = frozenset({429, 503})
# For what must not be done twice: a proxy's 503 may tell of a request that arrived, and whose answer was lost.
REFUSED = frozenset({429})
MAX_TRIES = 4
PATIENCE_SECONDS = 60.0  # a window of the API's own limits
PAUSE_SECONDS = 1.0  # where nothing says how long


def is_sendable(key: str) -> bool:
    """Whether a header can carry it; the HTTP library prints a header that it refuses, with the key in it."""
    return key.isascii() and key.isprintable()


def identity(key: str | None) -> dict[str, str]:
    """The header that carries a key.

    Raises:
        AuthenticationError: No header can carry it.
    """
    stripped = (key or "").strip()  # a file or Secret often ends with a line break
    if not is_sendable(stripped):
        raise AuthenticationError(
            "The API key or token has a character that no header can carry.",
            "Give it in one line, as `dandelion keys create` printed it.",
        )
    return {"Authorization": f"Bearer {stripped}"} if stripped else {}


def photo_headers() -> dict[str, str]:
    """Of a body that is a photo; the server reads the format from the bytes themselves."""
    return {"Content-Type": "application/octet-stream"}


def explain_options(label: str | None, strength: float) -> dict[str, str]:
    """Query parameters of `POST /explain`."""
    return {"strength": str(strength)} | ({} if label is None else {"label": label})


@dataclass(slots=True)
class Tries:
    """How often one request may still be sent.

    Attributes:
        retried: Statuses after which it may.
        patience_seconds: How long it may still wait for that.
        left: How many tries are left, the one under way among them.
    """

    retried: frozenset[int]
    patience_seconds: float
    left: int = MAX_TRIES

    def pause_after(self, answer: httpx.Response) -> float | None:
        """How long to wait before the next try, seconds; None when this answer stands."""
        self.left -= 1
        pause = _told_pause(answer)
        if answer.status_code not in self.retried or not self.left or pause > self.patience_seconds:
            return None
        self.patience_seconds -= pause
        return pause


def _told_pause(answer: httpx.Response) -> float:
    """What Retry-After tells, which is seconds or a date."""
    told = answer.headers.get("retry-after", "")
    if told.isdecimal():
        return float(told)
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except ValueError:
        return PAUSE_SECONDS


def checked(answer: httpx.Response) -> httpx.Response:
    """The response, if it is a success.

    Raises:
        DandelionError: Of the same kind as on the server, or UnreachableError where a proxy responds for it.
    """
    if answer.is_success:
        return answer
    try:
        problem = answer.json()
        kind, detail = errors_by_reason().get(problem["reason"], DandelionError), problem["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        # Not from the API itself: a proxy says that nobody is behind it.
        kind = UnreachableError if answer.status_code in {502, 503, 504} else DandelionError
        detail = f"{answer.url} answered {answer.status_code}."
    raise kind(detail)


def unreachable(http: httpx.Client | httpx.AsyncClient, error: httpx.HTTPError) -> DandelionError:
    """The error of a request without a response."""
    return UnreachableError(
        f"{http.base_url} did not answer ({type(error).__name__}: {error}).", "Start it with `dandelion up`."
    )


def content_of(answer: httpx.Response) -> bytes:
    """The body."""
    return answer.content


def as_object(answer: httpx.Response) -> dict[str, Any]:
    """A JSON object."""
    return decode(answer, dict[str, Any])


def as_list(answer: httpx.Response, name: str, kind: type[Decoded]) -> list[Decoded]:
    """The list in the field `name` of a JSON object."""
    return decode(answer, dict[str, list[kind]])[name]  # type: ignore[valid-type]


def decode(answer: httpx.Response, kind: type[Decoded]) -> Decoded:
    """The body as a value of that kind.

    Raises:
        DandelionError: It is none.
    """
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise DandelionError(
            f"The answer of {answer.url} cannot be read ({error}).", "Does a Dandelion API answer there?"
        ) from error
