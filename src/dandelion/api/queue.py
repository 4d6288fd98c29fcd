"""`GET /queue`: photos most worth labelling, and labels per person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, Parameter

from dandelion.api.access import caller_of, needs
from dandelion.api.history import existing, send_photo
from dandelion.api.problems import documented
from dandelion.concurrency.patience import REQUEST_PATIENCE_SECONDS
from dandelion.db import labelling, transact
from dandelion.domain import Labeller, Queue, StoredPrediction
from dandelion.errors import ObjectNotFoundError
from dandelion.feedback.queue import rank
from dandelion.feedback.second_opinions import SecondOpinions
from dandelion.journal import Journal

SINCE = timedelta(days=30)
MOST = 100


_PROBLEMS = documented({400: "A value that cannot be read", 503: "The database does not answer"})
_MISSING = documented({404: "No such photo waits for a label"})


@get("/queue", opt=needs("feedback"), summary="Photos most worth labelling", responses=_PROBLEMS)
async def list_queue(
    request: Request[Any, Any, Any],
    limit: Annotated[int, Parameter(ge=1, le=MOST, description="Maximum number to return.")] = 20,
) -> Queue:
    """Return stored photos without a label: disputed by the challenger, out of distribution, or of low confidence."""
    state = request.app.state
    journal: Journal = state.journal
    await journal.prepare()
    since = datetime.now(UTC) - SINCE

    async def query(on: Any) -> tuple[list[StoredPrediction], int, Sequence[Labeller]]:
        return (
            await labelling.unlabelled(on, since, limit=2 * limit),
            await labelling.count_unlabelled(on, since),
            await labelling.labellers(on, since),
        )

    found, waiting, who = await transact(state.engine, query, patience_seconds=REQUEST_PATIENCE_SECONDS)
    opinions: SecondOpinions = state.second_opinions
    return Queue(photos=rank(found, await opinions.of(found))[:limit], waiting=waiting, labellers=list(who))


@get(
    "/queue/{prediction_id:uuid}/photo",
    opt=needs("feedback"),
    summary="A photo of the queue",
    responses={
        200: ResponseSpec(bytes, media_type="image/*", description="The stored photo, without metadata"),
        **_PROBLEMS,
        **_MISSING,
    },
)
async def get_queued_photo(request: Request[Any, Any, Any], prediction_id: FromPath[UUID]) -> Response[bytes]:
    """Return a photo that waits for a label, or that you labelled; needs no access to the history."""
    state = request.app.state
    journal: Journal = state.journal
    await journal.prepare()

    async def query(on: Any) -> tuple[StoredPrediction, str | None]:
        found = await existing(on, str(prediction_id))
        return found, await labelling.labeller_of(on, str(prediction_id))

    found, labeller = await transact(state.engine, query, patience_seconds=REQUEST_PATIENCE_SECONDS)
    if found.photo_key is None or labeller not in {None, caller_of(request).name}:
        raise ObjectNotFoundError(f"No photo of {prediction_id} waits for a label.", "Choose one from GET /queue.")
    return await send_photo(request, found.photo_key)
