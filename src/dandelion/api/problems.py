"""Errors become HTTP here, and only here: problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import ClientException, HTTPException, InternalServerException
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import Scope

from dandelion import errors
from dandelion.api.requests import request_id_of
from dandelion.http.methods import with_head
from dandelion.telemetry import instruments

log = structlog.get_logger(__name__)

PREDICT = "/predict"
# The Open Inference Protocol, which has errors of its own form.
OPEN_INFERENCE = "/v2"

# The first match along an error's class hierarchy counts.
_STATUSES: dict[type[Exception], int] = {
    errors.NotAnImageError: 400,
    errors.UnsupportedFormatError: 415,
    errors.PhotoTooLargeError: 413,
    errors.TensorError: 400,
    errors.MediaTypeError: 415,
    errors.ContentCodingError: 415,
    errors.UploadTooLargeError: 413,
    errors.SlowUploadError: 408,
    errors.ClientGoneError: 499,  # nobody reads it; proxies log this number
    errors.UploadError: 422,
    errors.RateLimitedError: 429,
    errors.AuthenticationError: 401,
    errors.ScopeError: 403,
    errors.ForeignOriginError: 403,
    errors.OverloadedError: 503,
    errors.NotReadyError: 503,
    errors.VersionNotFoundError: 404,
    errors.RegistryError: 502,
    errors.DatabaseError: 503,
    errors.ObjectNotFoundError: 404,
    errors.ObjectCorruptError: 502,
    errors.ObjectStoreError: 503,
    errors.PredictionNotFoundError: 404,
    errors.FeedbackError: 422,
    errors.FeedbackFileError: 422,
    errors.FlowRunNotFoundError: 404,
    errors.OrchestrationError: 503,
    errors.PackageError: 502,
}


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An RFC 9457 problem.

    Attributes:
        title: The condition, always in the same words.
        status: HTTP status.
        detail: What is wrong this time, and what to do.
        reason: The condition as an identifier for programs and metrics.
        request_id: Id to quote in a bug report.
    """

    title: str
    status: int
    detail: str
    reason: str
    request_id: str = ""


REFUSALS = {
    401: "No key or token, or a wrong one",
    403: "The key lacks the scope, or a page of another site sent the request",
    429: "Too many requests; see Retry-After",
}

BODY_REFUSALS = {408: "The body arrived too slowly", 413: "The body is too large"}


def documented(problems: Mapping[int, str]) -> dict[int, ResponseSpec]:
    """Describe the problems of a route, and those that every route with access control may return."""
    return {
        status: ResponseSpec(Problem, description=text, media_type="application/problem+json")
        for status, text in (REFUSALS | dict(problems)).items()
    }


def problem_of(error: Exception, request_id: str = "") -> Problem:
    """Convert an error to a problem; an unexpected error becomes a 500 without details."""
    error = _distinguish(error)
    if isinstance(error, errors.DandelionError):
        status = next((_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES), 500)
        reason, detail = error.reason(), str(error)
        title = reason.replace("_", " ").capitalize()
    elif isinstance(error, HTTPException):
        status, title = error.status_code, HTTPStatus(error.status_code).phrase
        reason, detail = title.lower().replace(" ", "_").replace("-", "_"), _detail(error) or title
    else:
        status, title, reason = 500, "Internal error", "internal"
        detail = "The server failed. Its log has the details under this request id."
    return Problem(title=title, status=status, detail=detail, reason=reason, request_id=request_id)


def to_response(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Create the response to a failed request, count it and log it."""
    problem = problem_of(error, request_id_of(request.scope))
    # Other routes' failures are in `http_requests_total`; these decide on retrainings.
    template, is_open_inference = request.scope.get("path_template", ""), _is_open_inference(request.scope)
    if template == PREDICT or (is_open_inference and template.endswith("/infer")):
        instruments.PREDICTION_ERRORS.labels(problem.reason).inc()
    log_problem(problem, error, request.scope["path"])
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    headers.pop("content-type", None)
    if "allow" in headers:
        headers["allow"] = with_head(headers["allow"].encode()).decode()
    if problem.status in {429, 503}:
        headers["Retry-After"] = str(getattr(error, "retry_after_seconds", 1))
    if isinstance(error, errors.AuthenticationError):  # RFC 6750
        headers["WWW-Authenticate"] = "Bearer" if error.is_missing else 'Bearer error="invalid_token"'
    if isinstance(error, errors.ContentCodingError):  # RFC 9110, section 15.5.16
        headers["Accept-Encoding"] = ", ".join(error.accepted)
    if isinstance(error, errors.ScopeError):
        headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{error.scope}"'
    if problem.status in {408, 413}:
        headers["Connection"] = "close"  # the rest of the body will not be read
    return Response(
        msgspec.json.encode({"error": problem.detail} if is_open_inference else problem),
        status_code=problem.status,
        media_type="application/json" if is_open_inference else "application/problem+json",
        headers=headers,
    )


def log_problem(problem: Problem, error: Exception, path: str) -> None:
    """Write a line about a failed request; with a traceback if nobody foresaw the error."""
    if problem.status == 500 and not isinstance(error, errors.DandelionError):
        log.error("request_failed", path=path, exc_info=error)
    else:
        log.info("request_refused", path=path, status=problem.status, reason=problem.reason)


def _is_open_inference(scope: Scope) -> bool:
    # Litestar removes the root path only once it has found a route.
    path = scope.get("path_template") or scope["path"].removeprefix(scope.get("root_path", ""))
    return f"{path}/".startswith(f"{OPEN_INFERENCE}/")


def _distinguish(error: Exception) -> Exception:
    """Find client errors that libraries raise in the same types as server errors; only their text differs."""
    if isinstance(error, RecursionError) and "deserializing" in str(error):
        return ClientException("The JSON is nested too deeply.")
    if isinstance(error, InternalServerException) and "client disconnected" in error.detail:
        return errors.ClientGoneError("The client disconnected before its body was complete.")
    return error


def _detail(error: HTTPException) -> str:
    extra = error.extra
    if isinstance(extra, list) and extra and isinstance(extra[0], dict):
        found = "; ".join(f"{each.get('key', '')}: {each.get('message', '')}" for each in extra)
        return f"{error.detail} ({found})"
    return error.detail
