"""A typed client of the HTTP API, sync and async: the command line, the page and the tests use it."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import msgspec

from dandelion import errors
from dandelion.domain import Page, Prediction, StoredPrediction
from dandelion.errors import DandelionError

Decoded = TypeVar("Decoded")

RETRIED = frozenset({429, 503})
MAX_TRIES = 4
MAX_PAUSE_SECONDS = 10.0

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
}


class Client:
    """Talks to one server; waits and tries again when it is told to (429, 503 with Retry-After)."""

    def __init__(self, url: str, *, timeout_seconds: float = 30.0) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout_seconds)

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

    def model(self) -> dict[str, Any]:
        """What serves now."""
        return _object(self._send("GET", "/model"))

    def health(self) -> dict[str, Any]:
        """How the server is."""
        return _object(self._send("GET", "/health"))

    def reload(self) -> dict[str, Any]:
        """Let the server look at its alias now."""
        return _object(self._send("POST", "/admin/reload"))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        for attempt in range(1, MAX_TRIES + 1):
            try:
                answer = self._http.request(method, path, **options)
            except httpx.HTTPError as error:
                raise _unreachable(self._http, error) from error
            if answer.status_code not in RETRIED or attempt == MAX_TRIES:
                return _checked(answer)
            time.sleep(_pause(answer))
        raise AssertionError


class AsyncClient:
    """The same for asyncio."""

    def __init__(self, url: str, *, timeout_seconds: float = 30.0) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_seconds)

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

    async def model(self) -> dict[str, Any]:
        """What serves now."""
        return _object(await self._send("GET", "/model"))

    async def health(self) -> dict[str, Any]:
        """How the server is."""
        return _object(await self._send("GET", "/health"))

    async def reload(self) -> dict[str, Any]:
        """Let the server look at its alias now."""
        return _object(await self._send("POST", "/admin/reload"))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        for attempt in range(1, MAX_TRIES + 1):
            try:
                answer = await self._http.request(method, path, **options)
            except httpx.HTTPError as error:
                raise _unreachable(self._http, error) from error
            if answer.status_code not in RETRIED or attempt == MAX_TRIES:
                return _checked(answer)
            await asyncio.sleep(_pause(answer))
        raise AssertionError


def _headers() -> dict[str, str]:
    # The server reads the format from the bytes themselves.
    return {"Content-Type": "application/octet-stream"}


def _explain(label: str | None, strength: float) -> dict[str, str]:
    return {"strength": str(strength)} | ({} if label is None else {"label": label})


def _pause(answer: httpx.Response) -> float:
    told = answer.headers.get("retry-after", "1")
    return min(float(told) if told.isdecimal() else 1.0, MAX_PAUSE_SECONDS)


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    try:
        problem = answer.json()
        kind, detail = _REASONS.get(problem["reason"], DandelionError), problem["detail"]
    except (ValueError, KeyError, TypeError):
        kind, detail = DandelionError, f"{answer.url} answered {answer.status_code}."
    raise kind(detail)


def _unreachable(http: httpx.Client | httpx.AsyncClient, error: httpx.HTTPError) -> DandelionError:
    return DandelionError(
        f"{http.base_url} did not answer ({type(error).__name__}: {error}).", "Start it with `dandelion up`."
    )


def _decode_prediction(answer: httpx.Response) -> Prediction:
    return _decode(answer, Prediction)


def _object(answer: httpx.Response) -> dict[str, Any]:
    return _decode(answer, dict[str, Any])


def _decode(answer: httpx.Response, kind: type[Decoded]) -> Decoded:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.MsgspecError as error:
        raise DandelionError(
            f"The answer of {answer.url} cannot be read ({error}).", "Does a Dandelion API answer there?"
        ) from error
