"""`GET /queue`: photos most worth labelling, and labels per person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from litestar import Request, Response, get
from litestar.params import FromPath

from dandelion.api.access import caller_of, needs
from dandelion.api.database import transact
from dandelion.api.history import PHOTO, existing, send_photo
from dandelion.api.problems import documented
from dandelion.api.requests import Limit
from dandelion.db import feedback, predictions
from dandelion.domain import Labeller, Queue, StoredPrediction
from dandelion.errors import ObjectNotFoundError
from dandelion.feedback.queue import rank
from dandelion.feedback.second_opinions import SecondOpinions

SINCE = timedelta(days=30)

_PROBLEMS = documented({400: "A value that cannot be read", 503: "The database does not answer"})
_MISSING = documented({404: "No such photo waits for a label"})


@get("/queue", opt=needs("feedback"), summary="Photos most worth labelling", responses=_PROBLEMS)
async def list_queue(request: Request[Any, Any, Any], limit: Limit = 20) -> Queue:
    """Return stored photos without a label: disputed by the challenger, out of distribution, or of low confidence."""
    since = datetime.now(UTC) - SINCE

    async def query(on: Any) -> tuple[list[StoredPrediction], int, Sequence[Labeller]]:
        return (
            await predictions.unlabelled(on, since, limit=2 * limit),
            await predictions.count_unlabelled(on, since),
            await feedback.labellers(on, since),
        )

    found, waiting, who = await transact(request, query)
    opinions: SecondOpinions = request.app.state.second_opinions
    return Queue(photos=rank(found, await opinions.of(found))[:limit], waiting=waiting, labellers=list(who))


@get(
    "/queue/{prediction_id:uuid}/photo",
    opt=needs("feedback"),
    summary="A photo of the queue",
    responses=PHOTO | _PROBLEMS | _MISSING,
)
async def get_queued_photo(request: Request[Any, Any, Any], prediction_id: FromPath[UUID]) -> Response[bytes]:
    """Return a photo that waits for a label, or that you labelled; needs no access to the history."""

    async def query(on: Any) -> tuple[StoredPrediction, str | None]:
        found = await existing(on, str(prediction_id))
        return found, await feedback.labeller_of(on, str(prediction_id))

    found, labeller = await transact(request, query)
    if found.photo_key is None or labeller not in {None, caller_of(request).name}:
        raise ObjectNotFoundError(f"No photo of {prediction_id} waits for a label.", "Choose one from GET /queue.")
    return await send_photo(request, found.photo_key)
