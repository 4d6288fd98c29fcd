"""`POST /compare`: what serves and what is on trial, asked about the same photo."""

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
from dandelion.inference.classifier import Answer
from dandelion.inference.service import PredictionService


class Comparison(msgspec.Struct, kw_only=True):
    """What serves here first, then the other one, if there is any."""

    opinions: list[Opinion]


@post(
    "/compare",
    operation_class=PhotoOperation,
    opt=needs("predict"),
    status_code=200,
    summary="Ask the champion and the challenger",
    description="One photo, as in /predict. What is answered here is no traffic: it is neither counted nor kept.",
    responses=documented(
        {
            400: "Not an image",
            408: "The body came too slowly",
            413: "Too large in bytes, pixels or photos",
            415: "A type of body or picture that is not taken",
            422: "Not one photo in the form",
            502: "MLflow does not answer, or delivers a damaged package",
            503: "No model is loaded yet",
        }
    ),
)
async def compare(request: Request[Any, Any, Any]) -> Comparison:
    """Both versions' answers to one photo."""
    state = request.app.state
    photos = await read_photos(request, state.settings.api)
    if len(photos) != 1:
        raise UploadError(f"/compare takes one photo, and {len(photos)} were sent.", "Send them one by one.")
    service: PredictionService = state.service
    side: BoundedExecutor = state.side_workers
    serving = service.serving
    opinions = [_opinion(serving.ref, (await side.run(serving.classifier.classify, photos))[0])]
    challenger: Challenger = state.challenger
    if (other := await challenger.find()) is not None and other[0].version != serving.ref.version:
        opinions += [_opinion(other[0], answer) for answer in await challenger.classify(photos)]
    return Comparison(opinions=opinions)


def _opinion(ref: ModelRef, answer: Answer | PhotoError) -> Opinion:
    if isinstance(answer, PhotoError):
        raise answer
    return Opinion(
        model=ref,
        label=answer.label,
        confidence=answer.confidence,
        probabilities=answer.probabilities,
        in_distribution=answer.in_distribution,
    )
