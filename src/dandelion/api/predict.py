"""`POST /predict`, `POST /explain` and `POST /compare`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.datastructures import State
from litestar.exceptions import ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter

from dandelion.access import Caller
from dandelion.api.access import caller_of, needs
from dandelion.api.problems import PREDICT, Problem, documented, problem_of
from dandelion.api.uploads import PhotoOperation, read_photos
from dandelion.concurrency.executor import BoundedExecutor
from dandelion.domain import ModelRef, Opinion, Prediction, class_name
from dandelion.errors import DandelionError, PhotoError, UploadError
from dandelion.inference.challenger import Challenger
from dandelion.inference.classifier import Classification
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


class Opinions(msgspec.Struct, kw_only=True):
    """First the prediction of the serving model, then the challenger's, if there is one."""

    opinions: list[Opinion]


TopK = Annotated[
    int | None, Parameter(ge=1, description="Return only the probabilities of so many classes, the highest first.")
]
Threshold = Annotated[
    float | None, Parameter(ge=0, le=1, description="Return only probabilities of at least this, the highest first.")
]
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
    description="Send multipart with one or more fields `file`, one photo as the body, or base64 in JSON.",
    responses={200: ResponseSpec(Predicted, description="One prediction, or several"), **_PROBLEMS},
)
async def predict(request: Request[Any, Any, Any], top_k: TopK = None, threshold: Threshold = None) -> Response[bytes]:
    """Return one prediction, or several in order; a bad photo among good ones fails alone."""
    started = time.perf_counter()
    state = request.app.state
    service: PredictionService = state.service
    with tracing.stage("read upload"):
        upload = await read_photos(request, state.settings.api)
        photos = upload.photos
    results = await service.predict(photos)
    await record_predictions(
        state,
        caller_of(request),
        [(each, photo) for each, photo in zip(results, photos, strict=True) if isinstance(each, Prediction)],
    )
    if upload.is_list:
        body = _encoder.encode(Predictions(predictions=[_entry(result, top_k, threshold) for result in results]))
    else:
        only = results[0]
        if not isinstance(only, Prediction):
            raise only
        body = _encoder.encode(_shown(only, top_k, threshold))
    observe_duration(state, started)
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
    photo = await _read_one(request, "/explain")
    classes = service.serving.classifier.manifest.classes
    if label is not None and (label := class_name(label)) not in classes:
        raise ValidationException(f"The model has no class {label[:80]!r}; its classes: {', '.join(classes)}.")
    picture = await side.run(service.explain, photo, label, strength)
    return Response(picture, media_type="image/png")


@post(
    "/compare",
    operation_class=PhotoOperation,
    opt=needs("predict"),
    status_code=200,
    summary="Compare champion and challenger",
    description="One photo, as in /predict. These predictions are neither counted nor stored.",
    responses=_PROBLEMS
    | documented(
        {
            422: "Not exactly one photo in the form",
            502: "MLflow does not answer, or returns a damaged package",
            503: "No model is loaded yet",
        }
    ),
)
async def compare(request: Request[Any, Any, Any]) -> Opinions:
    """Return both versions' predictions for one photo."""
    photo = await _read_one(request, "/compare")
    service: PredictionService = request.app.state.service
    side: BoundedExecutor = request.app.state.side_workers
    serving = service.serving
    opinions = [_opinion(serving.ref, (await side.run(serving.classifier.classify, [photo]))[0])]
    challenger: Challenger = request.app.state.challenger
    if (other := await challenger.find()) is not None and other[0].version != serving.ref.version:
        opinions += [_opinion(other[0], result) for result in await challenger.classify([photo])]
    return Opinions(opinions=opinions)


async def record_predictions(state: State, caller: Caller, predicted: Sequence[tuple[Prediction, bytes]]) -> None:
    """Store the predictions of a request, and those of their photos that the settings select.

    Raises:
        JournalFullError: They can be stored nowhere, so they must not be sent.
    """
    journal: Journal = state.journal
    photos: Photos = state.photos
    clients: ClientHasher | None = state.clients
    client = clients.hash(caller.client) if clients is not None else None
    with tracing.stage("store"):
        if journal.append([prediction for prediction, _ in predicted], client=client):
            await photos.store(predicted)


def observe_duration(state: State, started: float) -> None:
    """Add a request for predictions to the metrics; it began at `started`, by `time.perf_counter`."""
    state.last_prediction = time.time()
    trace_id = tracing.trace_id()
    instruments.PREDICTION_SECONDS.labels(state.settings.api.track).observe(
        time.perf_counter() - started, {"trace_id": trace_id} if trace_id else None
    )


async def _read_one(request: Request[Any, Any, Any], path: str) -> bytes:
    photos = (await read_photos(request, request.app.state.settings.api)).photos
    if len(photos) != 1:
        raise UploadError(f"{path} accepts one photo, and {len(photos)} were sent.", "Send them one by one.")
    return photos[0]


def _entry(result: Prediction | DandelionError, top_k: int | None, threshold: float | None) -> Prediction | Failure:
    if isinstance(result, Prediction):
        return _shown(result, top_k, threshold)
    problem = problem_of(result)
    instruments.PREDICTION_ERRORS.labels(problem.reason).inc()
    return Failure(error=problem)


def _shown(prediction: Prediction, top_k: int | None, threshold: float | None) -> Prediction:
    """The prediction with the probabilities that were asked for, highest first; all in the model's order by default."""
    if top_k is None and threshold is None:
        return prediction
    ranked = sorted(prediction.probabilities.items(), key=lambda each: -each[1])[:top_k]
    return msgspec.structs.replace(
        prediction, probabilities={label: each for label, each in ranked if each >= (threshold or 0)}
    )


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
