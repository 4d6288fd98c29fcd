"""`GET /predictions`, `GET /predictions/{id}` and `POST /feedback`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.exceptions import ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, Parameter
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.api.access import caller_of, needs
from dandelion.api.database import transact
from dandelion.api.problems import BODY_REFUSALS, documented
from dandelion.api.requests import MAX_JSON_BYTES
from dandelion.api.uploads import LabelFileOperation, read_body
from dandelion.concurrency.executor import BoundedExecutor
from dandelion.concurrency.patience import REQUEST_PATIENCE_SECONDS
from dandelion.db import feedback, predictions
from dandelion.db.arrivals import wait_for_arrival
from dandelion.domain import LABEL_LENGTH, BulkVerdict, Page, StoredPrediction, class_name
from dandelion.errors import MediaTypeError, ObjectNotFoundError, PredictionNotFoundError
from dandelion.feedback.labels import Kind, Line, observe_lag, read_labels, store_labels
from dandelion.journal import Journal
from dandelion.objects import DATA_LAKE, PHOTO_TYPES, ObjectStore
from dandelion.telemetry import instruments

Result = TypeVar("Result")

KINDS: dict[str, Kind] = {"text/csv": "csv", "application/x-ndjson": "jsonl", "application/jsonl": "jsonl"}
# Litestar checks the limits, but leaves them out of the schema of optional parameters.
_Probability = Annotated[float | None, Parameter(ge=0, le=1, schema_extra={"minimum": 0, "maximum": 1})]


class Verdict(msgspec.Struct, kw_only=True):
    """Whether the label agrees with the prediction."""

    prediction_id: UUID
    label: str
    correct: bool


PHOTO = {200: ResponseSpec(bytes, media_type="image/*", description="The stored photo, without metadata")}
_PROBLEMS = documented({400: "A value that cannot be read", 503: "The database does not answer"})
_MISSING = documented({404: "No such prediction"})


@get("/predictions", opt=needs("read"), summary="History", responses=_PROBLEMS)
async def list_predictions(
    request: Request[Any, Any, Any],
    since: Annotated[datetime | None, Parameter(description="Made at this time or later; UTC by default.")] = None,
    until: Annotated[datetime | None, Parameter(description="Made before this time; UTC by default.")] = None,
    label: Annotated[
        str | None, Parameter(schema_extra={"max_length": LABEL_LENGTH}, description="Predicted class.")
    ] = None,
    version: Annotated[
        str | None, Parameter(max_length=32, description="Model version that made the prediction.")
    ] = None,
    min_confidence: _Probability = None,
    max_confidence: _Probability = None,
    verdict: Annotated[
        Literal["right", "wrong", "unknown"] | None,
        Parameter(description="Whether the true label agrees; `unknown` means unlabelled."),
    ] = None,
    in_distribution: Annotated[bool | None, Parameter(description="Whether the photo was in distribution.")] = None,
    limit: Annotated[int, Parameter(ge=1, le=predictions.MAX_PAGE, description="Maximum number in one page.")] = 50,
    cursor: Annotated[UUID | None, Parameter(description="`next` of the previous page.")] = None,
) -> Page:
    """Return predictions, newest first, one page at a time."""
    wanted = predictions.Filter(
        since=_utc(since),
        until=_utc(until),
        label=_label(label),
        version=version,
        min_confidence=min_confidence,
        max_confidence=max_confidence,
        verdict=verdict,
        in_distribution=in_distribution,
    )
    before = str(cursor) if cursor else None
    found = await transact(request, lambda on: predictions.page(on, wanted, before=before, limit=limit))
    return Page(predictions=found, next=found[-1].prediction_id if len(found) == limit else None)


@get(
    "/predictions/{prediction_id:uuid}",
    opt=needs("read"),
    summary="One prediction",
    responses=_PROBLEMS | _MISSING,
)
async def get_prediction(request: Request[Any, Any, Any], prediction_id: FromPath[UUID]) -> StoredPrediction:
    """Return one prediction, with its true label if there is one."""
    return await _fresh(request, prediction_id, lambda on: existing(on, str(prediction_id)))


@get(
    "/predictions/{prediction_id:uuid}/photo",
    opt=needs("read"),
    summary="The photo of a prediction",
    responses=PHOTO | _PROBLEMS | _MISSING,
)
async def get_photo(request: Request[Any, Any, Any], prediction_id: FromPath[UUID]) -> Response[bytes]:
    """Return the photo, if it was stored and has not expired."""
    found = await _fresh(request, prediction_id, lambda on: existing(on, str(prediction_id)))
    if found.photo_key is None:
        raise ObjectNotFoundError(
            f"No photo of {prediction_id} is stored.",
            "DANDELION_JOURNAL__PHOTOS sets which photos are; a new photo arrives within seconds.",
        )
    return await send_photo(request, found.photo_key)


@post(
    "/feedback",
    opt=needs("feedback"),
    request_max_body_size=MAX_JSON_BYTES,
    status_code=200,
    summary="Label a prediction",
    responses=_PROBLEMS | _MISSING | documented(BODY_REFUSALS | {422: "No such class"}),
)
async def give_feedback(request: Request[Any, Any, Any], data: JSONBody[Line]) -> Verdict:
    """Store the true label of a prediction; a later label replaces an earlier one."""
    given = data.as_feedback()
    correct = await _fresh(
        request, data.prediction_id, lambda on: feedback.give(on, given, actor=caller_of(request).name)
    )
    instruments.FEEDBACK.labels("right" if correct else "wrong").inc()
    observe_lag(given)
    return Verdict(prediction_id=data.prediction_id, label=given.label, correct=correct)


@delete(
    "/feedback/{prediction_id:uuid}",
    opt=needs("feedback"),
    status_code=204,
    summary="Withdraw a label",
    responses=_PROBLEMS | _MISSING,
)
async def withdraw_feedback(request: Request[Any, Any, Any], prediction_id: FromPath[UUID]) -> None:
    """Remove the label of a prediction; the audit log still records it."""
    await _fresh(
        request, prediction_id, lambda on: feedback.withdraw(on, str(prediction_id), actor=caller_of(request).name)
    )


@post(
    "/feedback/bulk",
    opt=needs("feedback"),
    status_code=200,
    summary="Send many labels",
    operation_class=LabelFileOperation,
    responses={200: ResponseSpec(BulkVerdict, description="How many predictions were right")}
    | _PROBLEMS
    | documented(BODY_REFUSALS | {415: "Neither CSV nor JSONL", 422: "A file that cannot be read"}),
)
async def give_bulk_feedback(request: Request[Any, Any, Any]) -> BulkVerdict:
    """Store the labels of a CSV with the columns `prediction_id,label` and, optionally, `at`, or of a JSONL file.

    Good lines are stored even if others are refused.
    """
    media_type, _ = request.content_type
    if media_type not in KINDS:
        raise MediaTypeError(
            f"A body of type {media_type or 'none'!r} is not supported.", "Send text/csv or application/x-ndjson."
        )
    state = request.app.state
    true_labels = read_labels(await read_body(request, state.settings.api), KINDS[media_type])
    await state.journal.prepare()
    await _ship(state.journal)  # the labels may be for new predictions
    done = await store_labels(
        state.engine,
        true_labels,
        actor=caller_of(request).name,
        ship_seconds=state.settings.journal.ship_seconds,
    )
    instruments.FEEDBACK.labels("right").inc(done.right)
    instruments.FEEDBACK.labels("wrong").inc(done.wrong)
    return done


async def send_photo(request: Request[Any, Any, Any], key: str) -> Response[bytes]:
    """Return a photo of the data lake.

    Raises:
        ObjectStoreError: The store does not answer.
        ObjectNotFoundError: It has expired.
        OverloadedError: Too many requests wait for the store.
    """
    store: ObjectStore = request.app.state.store
    readers: BoundedExecutor = request.app.state.store_readers
    photo = await readers.run(store.get, DATA_LAKE, key)
    return Response(photo, media_type=PHOTO_TYPES[Path(key).suffix])


async def existing(connection: AsyncConnection, prediction_id: str) -> StoredPrediction:
    """Find a prediction.

    Raises:
        PredictionNotFoundError: No prediction with that id is stored.
    """
    if (found := await predictions.find(connection, prediction_id)) is None:
        raise PredictionNotFoundError(f"No prediction {prediction_id} is stored.", "Check the id.")
    return found


async def _fresh(
    request: Request[Any, Any, Any], prediction_id: UUID, work: Callable[[AsyncConnection], Awaitable[Result]]
) -> Result:
    """Run `work`; if the prediction is not stored yet, wait for it: it may come from here or from another replica."""
    try:
        return await transact(request, work)
    except PredictionNotFoundError:
        await _ship(request.app.state.journal)
    await wait_for_arrival(
        request.app.state.engine,
        [str(prediction_id)],
        ship_seconds=request.app.state.settings.journal.ship_seconds,
        patience_seconds=REQUEST_PATIENCE_SECONDS,
    )
    return await transact(request, work)


async def _ship(journal: Journal) -> None:
    with contextlib.suppress(TimeoutError):  # a long backlog: the prediction may be far behind
        async with asyncio.timeout(REQUEST_PATIENCE_SECONDS):
            await journal.ship()


def _label(text: str | None) -> str | None:
    """In NFC, and no longer than that."""
    label = None if text is None else class_name(text)
    if label is not None and len(label) > LABEL_LENGTH:
        raise ValidationException(f"The label has {len(label)} characters; the limit is {LABEL_LENGTH}.")
    return label


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
