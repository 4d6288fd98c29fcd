"""Photos and the history as CSV, fetched from the API on behalf of the visitor."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from dandelion.client import AsyncClient
from dandelion.domain import Page, StoredPrediction
from dandelion.errors import (
    AuthenticationError,
    DandelionError,
    ObjectNotFoundError,
    PredictionNotFoundError,
    RegistryError,
    ScopeError,
)
from dandelion.imaging import shrink
from dandelion.ui.backend import Backend

THUMBNAIL = 160  # twice the size on the page, for high-density screens
LARGEST = 1024
QUALITY = 85
PAGE_ROWS = 500
# The filters of the API's route; other names are ignored, since the client has parameters of its own.
FILTERS = ("since", "until", "label", "version", "min_confidence", "max_confidence", "verdict", "in_distribution")
# A stored photo never changes, but it may be erased: browsers must not cache it for long.
_SHORTLY = {"Cache-Control": "private, max-age=300"}
_STATUSES = {
    AuthenticationError: 401,
    ScopeError: 403,
    ObjectNotFoundError: 404,
    PredictionNotFoundError: 404,
    RegistryError: 502,
}
_COLUMNS = (
    *("prediction_id", "created_at", "label", "confidence", "in_distribution", "model_version", "track"),
    *("duration_ms", "true_label", "verdict", "photo_key"),
)
# Spreadsheets take these for the start of a formula.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")

Side = Annotated[int, Query(ge=16, le=LARGEST)]


def create_router(backend: Backend, examples: Sequence[Path]) -> APIRouter:
    """Create `/examples/...`, `/photos/...`, `/queue/...`, `/plots/...` and `/history.csv`."""
    router = APIRouter()

    @router.get("/examples/{number}")
    async def example(number: int) -> Response:
        if not 0 <= number < len(examples):
            return PlainTextResponse("There is no such example.", 404)
        picture = await asyncio.to_thread(shrink, examples[number].read_bytes(), THUMBNAIL, QUALITY)
        return Response(picture, media_type="image/jpeg", headers=_SHORTLY)

    @router.get("/photos/{prediction_id}")
    async def photo(request: Request, prediction_id: UUID, side: Side = LARGEST) -> Response:
        return await _picture(backend.of(request).photo(str(prediction_id)), side)

    @router.get("/photos/{prediction_id}/heatmap")
    async def heatmap(request: Request, prediction_id: UUID) -> Response:
        client = backend.of(request)

        async def explained() -> bytes:
            return await client.explain(await client.photo(str(prediction_id)))

        return await _respond(explained(), "image/png")

    @router.get("/queue/{prediction_id}")
    async def queued(request: Request, prediction_id: UUID, side: Side = LARGEST) -> Response:
        return await _picture(backend.of(request).queued_photo(str(prediction_id)), side)

    @router.get("/plots/{version}/{name}")
    async def plot(request: Request, version: str, name: str) -> Response:
        return await _respond(backend.of(request).plot(version, name), "image/png")

    @router.get("/history.csv")
    async def history(request: Request) -> Response:
        client = backend.of(request)
        filters = {name: value for name, value in request.query_params.items() if name in FILTERS}
        try:
            first = await client.predictions(limit=PAGE_ROWS, cursor=None, **filters)
        except DandelionError as error:
            return _refused(error)
        name = {"Content-Disposition": 'attachment; filename="predictions.csv"'}
        return StreamingResponse(_lines(client, filters, first), media_type="text/csv; charset=utf-8", headers=name)

    return router


async def _picture(photo: Awaitable[bytes], side: int) -> Response:
    async def small() -> bytes:
        return await asyncio.to_thread(shrink, await photo, side, QUALITY)

    return await _respond(small(), "image/jpeg")


async def _respond(content: Awaitable[bytes], kind: str) -> Response:
    try:
        return Response(await content, media_type=kind, headers=_SHORTLY)
    except DandelionError as error:
        return _refused(error)


def _refused(error: DandelionError) -> Response:
    status = next((_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES), 503)
    return PlainTextResponse(str(error), status)


async def _lines(client: AsyncClient, filters: dict[str, str], page: Page) -> AsyncIterator[str]:
    yield _csv(_COLUMNS)
    while True:
        for row in page.predictions:
            yield _csv([_cell(row, column) for column in _COLUMNS])
        if page.next is None:
            return
        page = await client.predictions(limit=PAGE_ROWS, cursor=page.next, **filters)


def _cell(row: StoredPrediction, column: str) -> str:
    value = getattr(row, column)
    if column == "created_at":
        return str(value.isoformat())
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _csv(values: Any) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerow(values)
    return stream.getvalue()
