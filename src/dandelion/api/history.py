"""`GET /predictions`, `GET /predictions/{id}` and `POST /feedback`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, Parameter
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.api.problems import Problem
from dandelion.db import feedback, predictions, transact
from dandelion.domain import Feedback, Page, StoredPrediction
from dandelion.errors import PredictionNotFoundError
from dandelion.journal import Journal
from dandelion.telemetry import instruments

Result = TypeVar("Result")

PATIENCE_SECONDS = 2.0
_Probability = Annotated[float | None, Parameter(ge=0, le=1)]


class Told(msgspec.Struct, kw_only=True):
    """The true class of a photo.

    Attributes:
        prediction_id: From the answer.
        label: One of the model's classes.
    """

    prediction_id: UUID
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class Verdict(msgspec.Struct, kw_only=True):
    """What the truth made of the answer."""

    prediction_id: UUID
    label: str
    correct: bool


_PROBLEMS = {
    status: ResponseSpec(Problem, description=text, media_type="application/problem+json")
    for status, text in {400: "A value that cannot be read", 503: "The database does not answer"}.items()
}
_MISSING = {404: ResponseSpec(Problem, description="No such prediction", media_type="application/problem+json")}
_NO_CLASS = {422: ResponseSpec(Problem, description="No such class", media_type="application/problem+json")}


@get("/predictions", summary="History", responses=_PROBLEMS)
async def list_predictions(
    request: Request[Any, Any, Any],
    since: Annotated[datetime | None, Parameter(description="Made then or later; UTC where no zone is given.")] = None,
    until: Annotated[datetime | None, Parameter(description="Made before then.")] = None,
    label: Annotated[str | None, Parameter(max_length=100, description="Class that was given.")] = None,
    version: Annotated[str | None, Parameter(max_length=32, description="Model version that answered.")] = None,
    min_confidence: _Probability = None,
    max_confidence: _Probability = None,
    verdict: Annotated[
        Literal["right", "wrong", "unknown"] | None, Parameter(description="What the truth made of it.")
    ] = None,
    in_distribution: Annotated[bool | None, Parameter(description="Whether the photo resembled known ones.")] = None,
    limit: Annotated[int, Parameter(ge=1, le=predictions.MAX_PAGE, description="Most in one page.")] = 50,
    cursor: Annotated[UUID | None, Parameter(description="`next` of the page before.")] = None,
) -> Page:
    """Predictions, newest first, a page at a time."""
    wanted = predictions.Filter(
        since=_utc(since),
        until=_utc(until),
        label=label,
        version=version,
        min_confidence=min_confidence,
        max_confidence=max_confidence,
        verdict=verdict,
        in_distribution=in_distribution,
    )
    before = str(cursor) if cursor else None
    found = await _transact(request, lambda on: predictions.page(on, wanted, before=before, limit=limit))
    return Page(predictions=found, next=found[-1].prediction_id if len(found) == limit else None)


@get("/predictions/{prediction_id:uuid}", summary="One prediction", responses=_PROBLEMS | _MISSING)
async def get_prediction(request: Request[Any, Any, Any], prediction_id: FromPath[UUID]) -> StoredPrediction:
    """One prediction with its truth, once that was told."""
    return await _fresh(request, lambda on: _existing(on, str(prediction_id)))


@post(
    "/feedback", status_code=200, summary="Tell the truth about an answer", responses=_PROBLEMS | _MISSING | _NO_CLASS
)
async def give_feedback(request: Request[Any, Any, Any], data: JSONBody[Told]) -> Verdict:
    """Store the true class; told twice, the last word counts."""
    told = Feedback(prediction_id=str(data.prediction_id), label=data.label)
    correct = await _fresh(request, lambda on: feedback.give(on, told, actor="anonymous"))
    instruments.FEEDBACK.labels("right" if correct else "wrong").inc()
    return Verdict(prediction_id=data.prediction_id, label=data.label, correct=correct)


async def _existing(connection: AsyncConnection, prediction_id: str) -> StoredPrediction:
    if (found := await predictions.find(connection, prediction_id)) is None:
        raise PredictionNotFoundError(f"No prediction {prediction_id} is stored.", "Check the id.")
    return found


async def _fresh(request: Request[Any, Any, Any], work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """Run `work`; a prediction that is not stored may be on its way, so ship what waits and look again."""
    try:
        return await _transact(request, work)
    except PredictionNotFoundError:
        journal: Journal = request.app.state.journal
        with contextlib.suppress(TimeoutError):  # a long backlog: what is asked for may be far behind
            async with asyncio.timeout(PATIENCE_SECONDS):
                await journal.ship()
        # Even when there was nothing to ship: another turn may just have shipped it.
        return await _transact(request, work)


async def _transact(request: Request[Any, Any, Any], work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    journal: Journal = request.app.state.journal
    await journal.prepare()
    return await transact(request.app.state.engine, work, patience_seconds=PATIENCE_SECONDS)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
