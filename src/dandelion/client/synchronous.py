"""The synchronous client of the HTTP API. Do not edit: `python -m tests.client` writes it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import httpx

from dandelion.client.exchange import (
    PATIENCE_SECONDS,
    PHOTO_HEADERS,
    REFUSED,
    RETRIED,
    Tries,
    as_list,
    checked,
    content_of,
    decode,
    identity,
    unreachable,
)
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
from dandelion.errors import DandelionError

_TYPES = {"csv": {"Content-Type": "text/csv"}, "jsonl": {"Content-Type": "application/x-ndjson"}}


class Client:
    """A client of one server. It waits and retries if the server requests it (429, 503 with Retry-After).

    Methods raise the same error as on the server, such as `PredictionNotFoundError` or `AuthenticationError`, or
    `UnreachableError` if the server does not respond.

    Args:
        url: Address of the server.
        key: API key or token, if the server requires one.
        timeout_seconds: Maximum wait for one response.
        patience_seconds: Maximum total wait before retries; a longer Retry-After raises an error at once.
        use_proxy: Whether to connect through the proxy that the environment names, if it names one.

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
        use_proxy: bool = True,
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout_seconds, trust_env=use_proxy)
        self._patience_seconds = patience_seconds
        self._headers = identity(key)
        self._on_refused: Callable[[], None] | None = None

    def acting_for(
        self, key: str | None, address: str | None = None, on_refused: Callable[[], None] | None = None
    ) -> Self:
        """A client with the same connections that acts for another caller.

        Args:
            key: The caller's key.
            address: The caller's address, if known.
            on_refused: Called if the server does not accept the key, or no longer.

        Raises:
            AuthenticationError: The key cannot be sent.
        """
        other = copy.copy(self)
        other._headers = identity(key) | ({"X-Forwarded-For": address} if address else {})
        other._on_refused = on_refused
        return other

    def predict(self, photo: bytes, *, top_k: int | None = None, threshold: float | None = None) -> Prediction:
        """The prediction for one encoded photo.

        Args:
            photo: The photo.
            top_k: Number of classes to return probabilities of, the highest first; by default all.
            threshold: Minimum probability to return, in [0, 1].
        """
        given = {"top_k": top_k, "threshold": threshold}
        params = {name: value for name, value in given.items() if value is not None}
        sent = self._send("POST", "/predict", content=photo, headers=PHOTO_HEADERS, params=params)
        return decode(sent, Prediction)

    def try_predict(self, photo: bytes) -> Prediction | DandelionError:
        """The prediction for one photo, or the error."""
        try:
            return self.predict(photo)
        except DandelionError as error:
            return error

    def explain(self, photo: bytes, *, label: str | None = None, strength: float = 0.6) -> bytes:
        """A PNG of the photo with its class activation map."""
        params = {"strength": str(strength)} | ({} if label is None else {"label": label})
        return content_of(self._send("POST", "/explain", content=photo, headers=PHOTO_HEADERS, params=params))

    def feedback(self, prediction_id: str, label: str) -> bool:
        """Send the true label of a prediction; return whether the prediction was right.

        Raises:
            DandelionError: The server has no such prediction, or the model has no such class.
        """
        body = {"prediction_id": prediction_id, "label": label}
        return bool(decode(self._send("POST", "/feedback", json=body), dict[str, Any])["correct"])

    def feedback_file(self, data: bytes, kind: Literal["csv", "jsonl"]) -> BulkVerdict:
        """Send many labels at once. The server stores the valid lines even if it refuses others.

        Raises:
            DandelionError: The file as a whole cannot be read.
        """
        return decode(self._send("POST", "/feedback/bulk", content=data, headers=_TYPES[kind]), BulkVerdict)

    def withdraw_feedback(self, prediction_id: str) -> None:
        """Withdraw the label of a prediction."""
        self._send("DELETE", f"/feedback/{prediction_id}")

    def queue(self, *, limit: int = 20) -> Queue:
        """The photos most worth labelling, and the number of labels by person."""
        return decode(self._send("GET", "/queue", params={"limit": limit}), Queue)

    def queued_photo(self, prediction_id: str) -> bytes:
        """A photo of the queue, encoded."""
        return content_of(self._send("GET", f"/queue/{prediction_id}/photo"))

    def versions(self, *, limit: int = 20) -> list[Version]:
        """Versions of the model, newest first."""
        return as_list(self._send("GET", "/models", params={"limit": limit}), "versions", Version)

    def version(self, version: str) -> VersionDetails:
        """One version with its card and the names of its plots."""
        return decode(self._send("GET", f"/models/{quote(version, safe='')}"), VersionDetails)

    def plot(self, version: str, name: str) -> bytes:
        """A plot of a version's training, PNG."""
        return content_of(self._send("GET", f"/models/{quote(version, safe='')}/plots/{quote(name, safe='')}"))

    def promote(self, version: str) -> Promoted:
        """Put a version in service."""
        return decode(self._send("POST", "/admin/promote", json={"version": version}), Promoted)

    def rollback(self) -> Promoted:
        """Put the previous version back in service. The request is sent once: a second rollback would undo the first.

        Raises:
            VersionNotFoundError: There is no previous version.
            UnreachableError: No response came. Check which version is champion before you send it again.
        """
        return decode(self._send("POST", "/admin/rollback", retried=REFUSED), Promoted)

    def compare(self, photo: bytes) -> list[Opinion]:
        """The predictions of the serving model and, if there is one, the challenger for the same photo."""
        response = self._send("POST", "/compare", content=photo, headers=PHOTO_HEADERS)
        return as_list(response, "opinions", Opinion)

    def accuracy(self) -> list[dict[str, Any]]:
        """Live accuracy from feedback, by version and window."""
        return as_list(self._send("GET", "/accuracy"), "windows", dict[str, Any])

    def drift(self) -> Drift:
        """The drift of photos from training, on the server that responds and over all servers."""
        return decode(self._send("GET", "/drift"), Drift)

    def prediction(self, prediction_id: str) -> StoredPrediction:
        """One prediction from the history."""
        return decode(self._send("GET", f"/predictions/{prediction_id}"), StoredPrediction)

    def predictions(self, *, limit: int = 50, cursor: str | None = None, **filters: str | float | bool) -> Page:
        """A page of the history, newest first. `filters` are those of the route; `next` is the next page's cursor."""
        given = {"limit": limit, **({"cursor": cursor} if cursor else {}), **filters}
        return decode(self._send("GET", "/predictions", params=given), Page)

    def photo(self, prediction_id: str) -> bytes:
        """The photo of a prediction, encoded.

        Raises:
            ObjectNotFoundError: The photo is not stored.
        """
        return content_of(self._send("GET", f"/predictions/{prediction_id}/photo"))

    def me(self) -> Identity:
        """The name and scopes that the server has for this client."""
        return decode(self._send("GET", "/me"), Identity)

    def model(self) -> dict[str, Any]:
        """The serving model."""
        return decode(self._send("GET", "/model"), dict[str, Any])

    def health(self) -> dict[str, Any]:
        """The state of the server."""
        return decode(self._send("GET", "/health"), dict[str, Any])

    def metrics(self) -> str:
        """The server's metrics in Prometheus text format."""
        return content_of(self._send("GET", "/metrics")).decode()

    def reload(self) -> dict[str, Any]:
        """Make the server check its alias now."""
        return decode(self._send("POST", "/admin/reload"), dict[str, Any])

    def retrain(self, force: bool = False, reason: str = "") -> TriggeredRetraining:
        """Trigger a retraining, or return the one that is running.

        Raises:
            OrchestrationError: Prefect does not respond, or no process serves the flows.
        """
        body = {"force": force, "reason": reason}
        return decode(self._send("POST", "/admin/retrainings", json=body), TriggeredRetraining)

    def list_retrainings(self, limit: int = 20) -> list[Retraining]:
        """The latest retrainings, newest first."""
        response = self._send("GET", "/admin/retrainings", params={"limit": limit})
        return as_list(response, "retrainings", Retraining)

    def get_retraining(self, run_id: str) -> Retraining:
        """One retraining."""
        return decode(self._send("GET", f"/admin/retrainings/{run_id}"), Retraining)

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
        headers = {**self._headers, **options.pop("headers", {})}
        tries = Tries(retried, self._patience_seconds)
        while True:
            try:
                response = self._http.request(method, path, headers=headers, **options)
            except httpx.HTTPError as error:
                raise unreachable(self._http, error) from error
            if response.status_code == httpx.codes.UNAUTHORIZED and self._on_refused is not None:
                self._on_refused()
            if (pause := tries.pause_after(response)) is None:
                return checked(response)
            time.sleep(pause)
