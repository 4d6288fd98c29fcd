"""`POST /predict` and `POST /explain`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.exceptions import ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter

from dandelion.api.access import caller_of, needs
from dandelion.api.bodies import PhotoOperation
from dandelion.api.problems import PREDICT, Problem, documented, problem_of
from dandelion.api.uploads import read_photos
from dandelion.concurrency.executor import BoundedExecutor
from dandelion.domain import Prediction
from dandelion.errors import DandelionError, UploadError
from dandelion.inference.service import PredictionService
from dandelion.journal import Journal, Photos
from dandelion.privacy import ClientHasher
from dandelion.telemetry import instruments, tracing

_encoder = msgspec.json.Encoder()


class Failure(msgspec.Struct, kw_only=True):
    """Takes the place of the prediction for a photo that failed."""

    error: Problem


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Predictions for several photos, in the order of the photos."""

    predictions: list[Prediction | Failure]


Predicted: Any = Prediction | Predictions

_PROBLEMS = documented(
    {
        400: "Not an image",
        408: "The body came too slowly",
        413: "Too large in bytes, pixels or photos",
        415: "A type of body or image that is not supported",
        422: "No photo in the form",
        503: "Overloaded or not ready; see Retry-After",
    }
)


@post(
    PREDICT,
    operation_class=PhotoOperation,
    opt=needs("predict"),
    status_code=200,
    summary="Classify photos",
    description="Send multipart with one or more fields `file`, or one photo as an `image/*` body.",
    responses={200: ResponseSpec(Predicted, description="One prediction, or several"), **_PROBLEMS},
)
async def predict(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return one prediction, or several in order; a bad photo among good ones fails alone."""
    started = time.perf_counter()
    state = request.app.state
    service: PredictionService = state.service
    with tracing.stage("read upload"):
        photos = await read_photos(request, state.settings.api)
    results = await service.predict(photos)
    journal: Journal = state.journal
    predicted = [
        (result, photo) for result, photo in zip(results, photos, strict=True) if isinstance(result, Prediction)
    ]
    stored: Photos = state.photos
    with tracing.stage("store"):
        if journal.append([result for result, _ in predicted], client=_client(request)):
            await stored.store(predicted)
    if len(results) == 1:
        only = results[0]
        if not isinstance(only, Prediction):
            raise only
        body = _encoder.encode(only)
    else:
        body = _encoder.encode(Predictions(predictions=[_entry(result) for result in results]))
    trace_id = tracing.trace_id()
    instruments.PREDICTION_SECONDS.labels(state.settings.api.track).observe(
        time.perf_counter() - started, {"trace_id": trace_id} if trace_id else None
    )
    return Response(body, media_type="application/json")


@post(
    "/explain",
    operation_class=PhotoOperation,
    opt=needs("predict"),
    status_code=200,
    summary="Explain a prediction",
    description="The photo as PNG with a class activation map of the class `label`, by default the predicted class.",
    responses={200: ResponseSpec(bytes, media_type="image/png", description="The PNG"), **_PROBLEMS},
)
async def explain(
    request: Request[Any, Any, Any],
    label: Annotated[str | None, Parameter(description="Class to explain; by default the predicted one.")] = None,
    strength: Annotated[float, Parameter(ge=0, le=1, description="Opacity of the strongest evidence.")] = 0.6,
) -> Response[bytes]:
    """Return a PNG of the photo with its class activation map."""
    service: PredictionService = request.app.state.service
    side: BoundedExecutor = request.app.state.side_workers
    photos = await read_photos(request, request.app.state.settings.api)
    if len(photos) != 1:
        raise UploadError(f"/explain accepts one photo, and {len(photos)} were sent.", "Send them one by one.")
    classes = service.serving.classifier.manifest.classes
    if label is not None and label not in classes:
        raise ValidationException(f"The model has no class {label[:80]!r}; its classes: {', '.join(classes)}.")
    picture = await side.run(service.explain, photos[0], label, strength)
    return Response(picture, media_type="image/png")


def _client(request: Request[Any, Any, Any]) -> str | None:
    """The client's hash, if it may be stored."""
    clients: ClientHasher | None = request.app.state.clients
    return clients.hash(caller_of(request).client) if clients is not None else None


def _entry(result: Prediction | DandelionError) -> Prediction | Failure:
    if isinstance(result, Prediction):
        return result
    problem = problem_of(result)
    instruments.PREDICTION_ERRORS.labels(problem.reason).inc()
    return Failure(error=problem)
