"""A typed client of the HTTP API, sync and async: the command line, the page and the tests use it."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from dandelion import errors
from dandelion.domain import (
    BulkVerdict,
    Drift,
    Identity,
    Opinion,
    Page,
    Prediction,
    Promoted,
    Queue,
    Retraining,
    StoredPrediction,
    TriggeredRetraining,
    Version,
    VersionDetails,
)
from dandelion.errors import AuthenticationError, DandelionError, UnreachableError

Decoded = TypeVar("Decoded")

RETRIED = frozenset({429, 503})
# For what must not be done twice: a proxy's 503 may tell of a request that arrived, and whose answer was lost.
REFUSED = frozenset({429})
MAX_TRIES = 4
PATIENCE_SECONDS = 60.0  # a window of the API's own limits
PAUSE_SECONDS = 1.0  # where nothing says how long

_TYPES = {"csv": {"Content-Type": "text/csv"}, "jsonl": {"Content-Type": "application/x-ndjson"}}
_REASONS: dict[str, type[DandelionError]] = {
    "not_an_image": errors.NotAnImageError,
    "unsupported_format": errors.UnsupportedFormatError,
    "photo_too_large": errors.PhotoTooLargeError,
    "upload_too_large": errors.UploadTooLargeError,
    "media_type": errors.MediaTypeError,
    "slow_upload": errors.SlowUploadError,
    "upload": errors.UploadError,
    "overloaded": errors.OverloadedError,
    "not_ready": errors.NotReadyError,
    "journal_full": errors.JournalFullError,
    "database": errors.DatabaseError,
    "prediction_not_found": errors.PredictionNotFoundError,
    "feedback": errors.FeedbackError,
    "feedback_file": errors.FeedbackFileError,
    "authentication": errors.AuthenticationError,
    "scope": errors.ScopeError,
    "rate_limited": errors.RateLimitedError,
    "object_store": errors.ObjectStoreError,
    "object_not_found": errors.ObjectNotFoundError,
    "orchestration": errors.OrchestrationError,
    "flow_run_not_found": errors.FlowRunNotFoundError,
    "registry": errors.RegistryError,
    "version_not_found": errors.VersionNotFoundError,
    "package": errors.PackageError,
}


class _Retrainings(msgspec.Struct):
    retrainings: list[Retraining]


class Client:
    """Talks to one server; waits and tries again when it is told to (429, 503 with Retry-After).

    Args:
        url: Where it answers.
        key: API key or token, where it asks for one.
        timeout_seconds: Longest wait for one answer.
        patience_seconds: Longest to wait in all before trying again; who tells us to wait longer is an error at once.

    Raises:
        AuthenticationError: The key cannot be sent.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout_seconds: float = 30.0,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout_seconds, headers=_identity(key))
        self._patience_seconds = patience_seconds

    def predict(self, photo: bytes) -> Prediction:
        """The answer to one encoded photo.

        Raises:
            DandelionError: The server refused it, of the same kind as on the server; or did not answer.
        """
        return _decode_prediction(self._send("POST", "/predict", content=photo, headers=_headers()))

    def try_predict(self, photo: bytes) -> Prediction | DandelionError:
        """The answer to one photo, or why there is none."""
        try:
            return self.predict(photo)
        except DandelionError as error:
            return error

    def explain(self, photo: bytes, *, label: str | None = None, strength: float = 0.6) -> bytes:
        """A PNG of the photo with its class activation map."""
        return self._send(
            "POST", "/explain", content=photo, headers=_headers(), params=_explain(label, strength)
        ).content

    def feedback(self, prediction_id: str, label: str) -> bool:
        """Tell the true class of a photo that was answered; whether the answer was right.

        Raises:
            DandelionError: No such prediction, or no such class.
        """
        body = {"prediction_id": prediction_id, "label": label}
        return bool(_object(self._send("POST", "/feedback", json=body))["correct"])

    def feedback_file(self, data: bytes, kind: Literal["csv", "jsonl"]) -> BulkVerdict:
        """Send many labels at once; good lines are kept though others are refused.

        Raises:
            DandelionError: The file as a whole cannot be read.
        """
        return _decode(self._send("POST", "/feedback/bulk", content=data, headers=_TYPES[kind]), BulkVerdict)

    def withdraw_feedback(self, prediction_id: str) -> None:
        """Withdraw a label."""
        self._send("DELETE", f"/feedback/{prediction_id}")

    def queue(self, *, limit: int = 20) -> Queue:
        """Photos most worth labelling, and who labelled how many."""
        return _decode(self._send("GET", "/queue", params={"limit": limit}), Queue)

    def queued_photo(self, prediction_id: str) -> bytes:
        """A photo of the queue, encoded."""
        return self._send("GET", f"/queue/{prediction_id}/photo").content

    def versions(self, *, limit: int = 20) -> list[Version]:
        """Versions of the model, newest first."""
        return _listed(self._send("GET", "/models", params={"limit": limit}), "versions", Version)

    def version(self, version: str) -> VersionDetails:
        """One version with its card and the names of its plots.

        Raises:
            DandelionError: There is none of that number.
        """
        return _decode(self._send("GET", f"/models/{quote(version, safe='')}"), VersionDetails)

    def plot(self, version: str, name: str) -> bytes:
        """A plot of a version's training, PNG."""
        return self._send("GET", f"/models/{quote(version, safe='')}/plots/{quote(name, safe='')}").content

    def promote(self, version: str) -> Promoted:
        """Let a version serve.

        Raises:
            DandelionError: There is none of that number.
        """
        return _decode(self._send("POST", "/admin/promote", json={"version": version}), Promoted)

    def rollback(self) -> Promoted:
        """Let the version serve that served before. It is sent once: a second rollback would undo the first.

        Raises:
            DandelionError: Nothing served before.
            UnreachableError: No answer came; look which version is champion before you send it again.
        """
        return _decode(self._send("POST", "/admin/rollback", retried=REFUSED), Promoted)

    def compare(self, photo: bytes) -> list[Opinion]:
        """What serves and, where there is one, what is on trial, asked about the same photo."""
        return _listed(self._send("POST", "/compare", content=photo, headers=_headers()), "opinions", Opinion)

    def accuracy(self) -> list[dict[str, Any]]:
        """Accuracy from feedback, by version and window."""
        return list(_object(self._send("GET", "/accuracy"))["windows"])

    def drift(self) -> Drift:
        """Whether photos still look like those of training, to the server that answers and over all of them."""
        return _decode(self._send("GET", "/drift"), Drift)

    def prediction(self, prediction_id: str) -> StoredPrediction:
        """One prediction from the history.

        Raises:
            DandelionError: No such prediction.
        """
        return _decode(self._send("GET", f"/predictions/{prediction_id}"), StoredPrediction)

    def predictions(self, *, limit: int = 50, cursor: str | None = None, **filters: str | float | bool) -> Page:
        """A page of the history, newest first; `filters` are the route's, `next` is the cursor of the next page."""
        given = {"limit": limit, **({"cursor": cursor} if cursor else {}), **filters}
        return _decode(self._send("GET", "/predictions", params=given), Page)

    def photo(self, prediction_id: str) -> bytes:
        """The photo of a prediction, encoded.

        Raises:
            DandelionError: No such prediction, or its photo was not kept.
        """
        return self._send("GET", f"/predictions/{prediction_id}/photo").content

    def me(self) -> Identity:
        """Whom the server takes us for.

        Raises:
            DandelionError: It does not know our key or token.
        """
        return _decode(self._send("GET", "/me"), Identity)

    def model(self) -> dict[str, Any]:
        """What serves now."""
        return _object(self._send("GET", "/model"))

    def health(self) -> dict[str, Any]:
        """How the server is."""
        return _object(self._send("GET", "/health"))

    def metrics(self) -> str:
        """The server's figures in Prometheus text format."""
        return self._send("GET", "/metrics").text

    def reload(self) -> dict[str, Any]:
        """Let the server look at its alias now."""
        return _object(self._send("POST", "/admin/reload"))

    def retrain(self, force: bool = False, reason: str = "") -> TriggeredRetraining:
        """Ask for a retraining; while one goes on, that one is the answer.

        Raises:
            OrchestrationError: Prefect does not answer, or nobody serves the flows.
        """
        body = {"force": force, "reason": reason}
        return _decode(self._send("POST", "/admin/retrainings", json=body), TriggeredRetraining)

    def list_retrainings(self, limit: int = 20) -> list[Retraining]:
        """The last retrainings, newest first."""
        return _decode(self._send("GET", "/admin/retrainings", params={"limit": limit}), _Retrainings).retrainings

    def get_retraining(self, run_id: str) -> Retraining:
        """One retraining.

        Raises:
            FlowRunNotFoundError: There is none of that id.
        """
        return _decode(self._send("GET", f"/admin/retrainings/{run_id}"), Retraining)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, method: str, path: str, *, retried: frozenset[int] = RETRIED, **options: Any) -> httpx.Response:
        tries = _Tries(retried, self._patience_seconds)
        while True:
            try:
                answer = self._http.request(method, path, **options)
            except httpx.HTTPError as error:
                raise _unreachable(self._http, error) from error
            if (pause := tries.pause_after(answer)) is None:
                return _checked(answer)
            time.sleep(pause)


class AsyncClient:
    """The same for asyncio."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout_seconds: float = 30.0,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_seconds)
        self._patience_seconds = patience_seconds
        self._headers = _identity(key)
        self._on_refused: Callable[[], None] | None = None

    def acting_for(
        self, key: str | None, address: str | None = None, on_refused: Callable[[], None] | None = None
    ) -> Self:
        """The same connections for somebody who came to us.

        Args:
            key: Theirs.
            address: Theirs, if it is known.
            on_refused: Called when the server does not take the key, any more or at all.

        Raises:
            AuthenticationError: The key cannot be sent.
        """
        other = copy.copy(self)
        other._headers = _identity(key) | ({"X-Forwarded-For": address} if address else {})
        other._on_refused = on_refused
        return other

    async def predict(self, photo: bytes) -> Prediction:
        """The answer to one encoded photo.

        Raises:
            DandelionError: The server refused it, of the same kind as on the server; or did not answer.
        """
        return _decode_prediction(await self._send("POST", "/predict", content=photo, headers=_headers()))

    async def explain(self, photo: bytes, *, label: str | None = None, strength: float = 0.6) -> bytes:
        """A PNG of the photo with its class activation map."""
        params = _explain(label, strength)
        return (await self._send("POST", "/explain", content=photo, headers=_headers(), params=params)).content

    async def feedback(self, prediction_id: str, label: str) -> bool:
        """Tell the true class of a photo that was answered; whether the answer was right.

        Raises:
            DandelionError: No such prediction, or no such class.
        """
        body = {"prediction_id": prediction_id, "label": label}
        return bool(_object(await self._send("POST", "/feedback", json=body))["correct"])

    async def feedback_file(self, data: bytes, kind: Literal["csv", "jsonl"]) -> BulkVerdict:
        """Send many labels at once; good lines are kept though others are refused.

        Raises:
            DandelionError: The file as a whole cannot be read.
        """
        return _decode(await self._send("POST", "/feedback/bulk", content=data, headers=_TYPES[kind]), BulkVerdict)

    async def withdraw_feedback(self, prediction_id: str) -> None:
        """Withdraw a label."""
        await self._send("DELETE", f"/feedback/{prediction_id}")

    async def queue(self, *, limit: int = 20) -> Queue:
        """Photos most worth labelling, and who labelled how many."""
        return _decode(await self._send("GET", "/queue", params={"limit": limit}), Queue)

    async def queued_photo(self, prediction_id: str) -> bytes:
        """A photo of the queue, encoded."""
        return (await self._send("GET", f"/queue/{prediction_id}/photo")).content

    async def versions(self, *, limit: int = 20) -> list[Version]:
        """Versions of the model, newest first."""
        return _listed(await self._send("GET", "/models", params={"limit": limit}), "versions", Version)

    async def version(self, version: str) -> VersionDetails:
        """One version with its card and the names of its plots.

        Raises:
            DandelionError: There is none of that number.
        """
        return _decode(await self._send("GET", f"/models/{quote(version, safe='')}"), VersionDetails)

    async def plot(self, version: str, name: str) -> bytes:
        """A plot of a version's training, PNG."""
        return (await self._send("GET", f"/models/{quote(version, safe='')}/plots/{quote(name, safe='')}")).content

    async def promote(self, version: str) -> Promoted:
        """Let a version serve.

        Raises:
            DandelionError: There is none of that number.
        """
        return _decode(await self._send("POST", "/admin/promote", json={"version": version}), Promoted)

    async def rollback(self) -> Promoted:
        """Let the version serve that served before. It is sent once: a second rollback would undo the first.

        Raises:
            DandelionError: Nothing served before.
            UnreachableError: No answer came; look which version is champion before you send it again.
        """
        return _decode(await self._send("POST", "/admin/rollback", retried=REFUSED), Promoted)

    async def compare(self, photo: bytes) -> list[Opinion]:
        """What serves and, where there is one, what is on trial, asked about the same photo."""
        return _listed(await self._send("POST", "/compare", content=photo, headers=_headers()), "opinions", Opinion)

    async def accuracy(self) -> list[dict[str, Any]]:
        """Accuracy from feedback, by version and window."""
        return list(_object(await self._send("GET", "/accuracy"))["windows"])

    async def drift(self) -> Drift:
        """Whether photos still look like those of training, to the server that answers and over all of them."""
        return _decode(await self._send("GET", "/drift"), Drift)

    async def prediction(self, prediction_id: str) -> StoredPrediction:
        """One prediction from the history.

        Raises:
            DandelionError: No such prediction.
        """
        return _decode(await self._send("GET", f"/predictions/{prediction_id}"), StoredPrediction)

    async def predictions(self, *, limit: int = 50, cursor: str | None = None, **filters: str | float | bool) -> Page:
        """A page of the history, newest first; `filters` are the route's, `next` is the cursor of the next page."""
        given = {"limit": limit, **({"cursor": cursor} if cursor else {}), **filters}
        return _decode(await self._send("GET", "/predictions", params=given), Page)

    async def photo(self, prediction_id: str) -> bytes:
        """The photo of a prediction, encoded.

        Raises:
            DandelionError: No such prediction, or its photo was not kept.
        """
        return (await self._send("GET", f"/predictions/{prediction_id}/photo")).content

    async def me(self) -> Identity:
        """Whom the server takes us for.

        Raises:
            DandelionError: It does not know our key or token.
        """
        return _decode(await self._send("GET", "/me"), Identity)

    async def model(self) -> dict[str, Any]:
        """What serves now."""
        return _object(await self._send("GET", "/model"))

    async def health(self) -> dict[str, Any]:
        """How the server is."""
        return _object(await self._send("GET", "/health"))

    async def metrics(self) -> str:
        """The server's figures in Prometheus text format."""
        return (await self._send("GET", "/metrics")).text

    async def reload(self) -> dict[str, Any]:
        """Let the server look at its alias now."""
        return _object(await self._send("POST", "/admin/reload"))

    async def retrain(self, force: bool = False, reason: str = "") -> TriggeredRetraining:
        """Ask for a retraining; while one goes on, that one is the answer.

        Raises:
            OrchestrationError: Prefect does not answer, or nobody serves the flows.
        """
        body = {"force": force, "reason": reason}
        return _decode(await self._send("POST", "/admin/retrainings", json=body), TriggeredRetraining)

    async def list_retrainings(self, limit: int = 20) -> list[Retraining]:
        """The last retrainings, newest first."""
        params = {"limit": limit}
        return _decode(await self._send("GET", "/admin/retrainings", params=params), _Retrainings).retrainings

    async def get_retraining(self, run_id: str) -> Retraining:
        """One retraining.

        Raises:
            FlowRunNotFoundError: There is none of that id.
        """
        return _decode(await self._send("GET", f"/admin/retrainings/{run_id}"), Retraining)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _send(
        self, method: str, path: str, *, retried: frozenset[int] = RETRIED, **options: Any
    ) -> httpx.Response:
        headers = {**self._headers, **options.pop("headers", {})}
        tries = _Tries(retried, self._patience_seconds)
        while True:
            try:
                answer = await self._http.request(method, path, headers=headers, **options)
            except httpx.HTTPError as error:
                raise _unreachable(self._http, error) from error
            if answer.status_code == httpx.codes.UNAUTHORIZED and self._on_refused is not None:
                self._on_refused()
            if (pause := tries.pause_after(answer)) is None:
                return _checked(answer)
            await asyncio.sleep(pause)


def is_sendable(key: str) -> bool:
    """Whether a header can carry it; the HTTP library prints a header that it refuses, with the key in it."""
    return key.isascii() and key.isprintable()


def _identity(key: str | None) -> dict[str, str]:
    stripped = (key or "").strip()  # a file or Secret often ends with a line break
    if not is_sendable(stripped):
        raise AuthenticationError(
            "The API key or token has a character that no header can carry.",
            "Give it in one line, as `dandelion keys create` printed it.",
        )
    return {"Authorization": f"Bearer {stripped}"} if stripped else {}


def _headers() -> dict[str, str]:
    # The server reads the format from the bytes themselves.
    return {"Content-Type": "application/octet-stream"}


def _explain(label: str | None, strength: float) -> dict[str, str]:
    return {"strength": str(strength)} | ({} if label is None else {"label": label})


@dataclass(slots=True)
class _Tries:
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


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    try:
        problem = answer.json()
        kind, detail = _REASONS.get(problem["reason"], DandelionError), problem["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        # Not from the API itself: a proxy says that nobody is behind it.
        kind = UnreachableError if answer.status_code in {502, 503, 504} else DandelionError
        detail = f"{answer.url} answered {answer.status_code}."
    raise kind(detail)


def _unreachable(http: httpx.Client | httpx.AsyncClient, error: httpx.HTTPError) -> DandelionError:
    return UnreachableError(
        f"{http.base_url} did not answer ({type(error).__name__}: {error}).", "Start it with `dandelion up`."
    )


def _decode_prediction(answer: httpx.Response) -> Prediction:
    return _decode(answer, Prediction)


def _object(answer: httpx.Response) -> dict[str, Any]:
    return _decode(answer, dict[str, Any])


def _listed(answer: httpx.Response, name: str, kind: type[Decoded]) -> list[Decoded]:
    return _decode(answer, dict[str, list[kind]])[name]  # type: ignore[valid-type]


def _decode(answer: httpx.Response, kind: type[Decoded]) -> Decoded:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise DandelionError(
            f"The answer of {answer.url} cannot be read ({error}).", "Does a Dandelion API answer there?"
        ) from error
