"""`POST /compare`: predictions of the champion and the challenger for the same photo."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, post

from dandelion.api.access import needs
from dandelion.api.bodies import PhotoOperation
from dandelion.api.problems import documented
from dandelion.api.uploads import read_photos
from dandelion.concurrency.executor import BoundedExecutor
from dandelion.domain import ModelRef, Opinion
from dandelion.errors import PhotoError, UploadError
from dandelion.inference.challenger import Challenger
from dandelion.inference.classifier import Classification
from dandelion.inference.service import PredictionService


class Opinions(msgspec.Struct, kw_only=True):
    """First the prediction of the serving model, then the challenger's, if there is one."""

    opinions: list[Opinion]


@post(
    "/compare",
    operation_class=PhotoOperation,
    opt=needs("predict"),
    status_code=200,
    summary="Compare champion and challenger",
    description="One photo, as in /predict. These predictions are neither counted nor stored.",
    responses=documented(
        {
            400: "Not an image",
            408: "The body came too slowly",
            413: "Too large in bytes, pixels or photos",
            415: "A type of body or image that is not supported",
            422: "Not exactly one photo in the form",
            502: "MLflow does not answer, or returns a damaged package",
            503: "No model is loaded yet",
        }
    ),
)
async def compare(request: Request[Any, Any, Any]) -> Opinions:
    """Return both versions' predictions for one photo."""
    state = request.app.state
    photos = await read_photos(request, state.settings.api)
    if len(photos) != 1:
        raise UploadError(f"/compare accepts one photo, and {len(photos)} were sent.", "Send them one by one.")
    service: PredictionService = state.service
    side: BoundedExecutor = state.side_workers
    serving = service.serving
    opinions = [_opinion(serving.ref, (await side.run(serving.classifier.classify, photos))[0])]
    challenger: Challenger = state.challenger
    if (other := await challenger.find()) is not None and other[0].version != serving.ref.version:
        opinions += [_opinion(other[0], result) for result in await challenger.classify(photos)]
    return Opinions(opinions=opinions)


def _opinion(ref: ModelRef, result: Classification | PhotoError) -> Opinion:
    if isinstance(result, PhotoError):
        raise result
    return Opinion(
        model=ref,
        label=result.label,
        confidence=result.confidence,
        probabilities=result.probabilities,
        in_distribution=result.in_distribution,
    )
