"""`GET /queue`: photos most worth labelling, and who labelled how many."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import structlog
from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, Parameter

from dandelion.api.access import caller_of, needs
from dandelion.api.history import PATIENCE_SECONDS, existing, send_photo
from dandelion.api.problems import documented
from dandelion.concurrency.threads import Threads
from dandelion.db import labelling, transact
from dandelion.domain import Labeller, StoredPrediction
from dandelion.errors import DandelionError, ObjectNotFoundError
from dandelion.inference.challenger import Challenger
from dandelion.journal import Journal
from dandelion.labelling import Queue, rank
from dandelion.objects import DATA_LAKE, ObjectStore

SINCE = timedelta(days=30)
MOST = 100
SECOND_OPINION_SECONDS = 2.0
AT_ONCE = 8

log = structlog.get_logger(__name__)

_PROBLEMS = documented({400: "A value that cannot be read", 503: "The database does not answer"})
_MISSING = documented({404: "No such photo waits for its truth"})


class SecondOpinions:
    """What the version on trial says of photos that are kept; asked once for each."""

    MOST = 10_000

    def __init__(self, challenger: Challenger, store: ObjectStore, readers: Threads) -> None:
        self._challenger = challenger
        self._store = store
        self._readers = readers
        self._known: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def of(self, found: Sequence[StoredPrediction]) -> dict[str, str]:
        """Prediction id to label, as far as they can be had in a moment; none where nothing is on trial."""
        try:
            other = await self._challenger.find()
        except DandelionError as error:
            log.info("no_second_opinion", reason=str(error))
            return {}
        if other is None:
            return {}
        digest = other[1]
        fresh = [each for each in found if (digest, each.prediction_id) not in self._known]
        try:
            async with asyncio.timeout(SECOND_OPINION_SECONDS):
                for start in range(0, len(fresh), AT_ONCE):
                    await self._ask(digest, fresh[start : start + AT_ONCE])
        except TimeoutError:
            pass  # the next one who asks gets more
        return {
            each.prediction_id: self._known[digest, each.prediction_id]
            for each in found
            if (digest, each.prediction_id) in self._known
        }

    async def _ask(self, digest: str, found: Sequence[StoredPrediction]) -> None:
        read = (self._readers.run(self._store.get, DATA_LAKE, each.photo_key or "") for each in found)
        photos = {
            each.prediction_id: photo
            for each, photo in zip(found, await asyncio.gather(*read, return_exceptions=True), strict=True)
            if isinstance(photo, bytes)
        }
        answers = await self._challenger.classify(list(photos.values()))
        for prediction_id, answer in zip(photos, answers, strict=False):
            if not isinstance(answer, Exception):
                self._known[digest, prediction_id] = answer.label
        while len(self._known) > self.MOST:
            self._known.popitem(last=False)


@get("/queue", opt=needs("feedback"), summary="Photos most worth labelling", responses=_PROBLEMS)
async def list_queue(
    request: Request[Any, Any, Any],
    limit: Annotated[int, Parameter(ge=1, le=MOST, description="Most that are wanted.")] = 20,
) -> Queue:
    """Photos that are kept and whose truth nobody told: disputed by the version on trial, unlike all known, unsure."""
    state = request.app.state
    journal: Journal = state.journal
    await journal.prepare()
    since = datetime.now(UTC) - SINCE

    async def ask(on: Any) -> tuple[list[StoredPrediction], int, Sequence[Labeller]]:
        return (
            await labelling.unlabelled(on, since, limit=2 * limit),
            await labelling.count_unlabelled(on, since),
            await labelling.labellers(on, since),
        )

    found, waiting, who = await transact(state.engine, ask, patience_seconds=PATIENCE_SECONDS)
    opinions: SecondOpinions = state.second_opinions
    return Queue(photos=rank(found, await opinions.of(found))[:limit], waiting=waiting, labellers=list(who))


@get(
    "/queue/{prediction_id:uuid}/photo",
    opt=needs("feedback"),
    summary="A photo of the queue",
    responses={
        200: ResponseSpec(bytes, media_type="image/*", description="The photo as it is kept, without metadata"),
        **_PROBLEMS,
        **_MISSING,
    },
)
async def get_queued_photo(request: Request[Any, Any, Any], prediction_id: FromPath[UUID]) -> Response[bytes]:
    """The photo, while it waits for its truth, or when you told it: who may label need not be let into the history."""
    state = request.app.state
    journal: Journal = state.journal
    await journal.prepare()

    async def ask(on: Any) -> tuple[StoredPrediction, str | None]:
        found = await existing(on, str(prediction_id))
        return found, await labelling.teller(on, str(prediction_id))

    found, teller = await transact(state.engine, ask, patience_seconds=PATIENCE_SECONDS)
    if found.photo_key is None or teller not in {None, caller_of(request).name}:
        raise ObjectNotFoundError(f"No photo of {prediction_id} waits for its truth.", "Take one from GET /queue.")
    return await send_photo(request, found.photo_key)
