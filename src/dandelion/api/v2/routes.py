"""Routes of `/v2`. Their errors are `{"error": "..."}`: `dandelion.api.problems` sees to that."""

from __future__ import annotations

import time
from typing import Any

from litestar import Request, Response, Router, get, post, route
from litestar.enums import HttpMethod
from litestar.exceptions import HTTPException

from dandelion import __version__
from dandelion.api.access import ANYBODY, OPEN, caller_of, needs
from dandelion.api.predict import observe_duration
from dandelion.api.problems import OPEN_INFERENCE
from dandelion.api.uploads import read_body
from dandelion.api.v2.inference import find_model, predict
from dandelion.api.v2.inputs import read_inputs
from dandelion.api.v2.messages import ResponseOptions
from dandelion.api.v2.metadata import COMMON_EXTENSIONS, ModelMetadata, configure, describe
from dandelion.api.v2.outputs import check_outputs, encode_response
from dandelion.api.v2.statistics import ModelStatistics, measure
from dandelion.api.v2.tensors import LENGTH_HEADER
from dandelion.inference.service import PredictionService, ServingModel
from dandelion.telemetry import tracing

EXTENSIONS = ["binary_tensor_data", *COMMON_EXTENSIONS]
# Extensions of other servers whose clients call them unprompted.
_UNSUPPORTED = [
    *("/repository/index", "/repository/models/{model:str}/{action:str}"),
    *(f"/{memory}sharedmemory/{{call:path}}" for memory in ("system", "cuda")),
    *("/logging", "/trace/setting", "/models/{name:str}/trace/setting"),
    *(f"/models/{{name:str}}/{call}" for call in ("generate", "generate_stream")),
    *(f"/models/{{name:str}}/versions/{{version:str}}/{call}" for call in ("generate", "generate_stream")),
]


@get("/", opt=ANYBODY)
async def describe_server() -> dict[str, Any]:
    """Return name, version and extensions of the server."""
    return {"name": "dandelion", "version": __version__, "extensions": EXTENSIONS}


@get("/health/live", opt=OPEN)
async def is_live() -> dict[str, bool]:
    """Always return 200."""
    return {"live": True}


@get("/health/ready", opt=OPEN)
async def is_ready(request: Request[Any, Any, Any]) -> Response[dict[str, bool]]:
    """Return 200 if the server can classify photos, else 503."""
    ready = _service(request).is_ready
    return Response({"live": True, "ready": ready}, status_code=200 if ready else 503)


@get(["/models/{name:str}", "/models/{name:str}/versions/{version:str}"], opt=needs("predict"))
async def describe_model(request: Request[Any, Any, Any]) -> ModelMetadata:
    """Return inputs and outputs of the model."""
    return describe(_find(request))


@get(["/models/{name:str}/config", "/models/{name:str}/versions/{version:str}/config"], opt=needs("predict"))
async def configure_model(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Return the same as a configuration of Triton's."""
    return configure(_find(request))


@get(["/models/{name:str}/ready", "/models/{name:str}/versions/{version:str}/ready"], opt=needs("predict"))
async def is_model_ready(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Return 200 if the model can classify photos, else 503."""
    ref, ready = _find(request).ref, _service(request).is_ready
    return Response({"name": ref.name, "ready": ready}, status_code=200 if ready else 503)


@get(
    ["/models/stats", "/models/{name:str}/stats", "/models/{name:str}/versions/{version:str}/stats"],
    opt=needs("predict"),
)
async def get_statistics(request: Request[Any, Any, Any]) -> dict[str, list[ModelStatistics]]:
    """Return what this process counted."""
    return {"model_stats": [measure(_find(request).ref, request.app.state.last_prediction)]}


@post(
    ["/models/{name:str}/infer", "/models/{name:str}/versions/{version:str}/infer"],
    opt=needs("predict"),
    status_code=200,
)
async def infer(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return the predictions for the photos of a request; one bad photo fails them all."""
    started = time.perf_counter()
    state = request.app.state
    options, photos = await _read(request, _find(request))
    check_outputs(options)
    given = await predict(state, caller_of(request), photos, request.path_params.get("version", ""))
    content, length = encode_response(options, given)
    observe_duration(state, started)
    if length is None:
        return Response(content, media_type="application/json")
    return Response(content, media_type="application/octet-stream", headers={LENGTH_HEADER: str(length)})


@route(_UNSUPPORTED, http_method=[HttpMethod.GET, HttpMethod.POST], opt=needs("predict"), status_code=501)
async def refuse(request: Request[Any, Any, Any]) -> None:
    """Say that the server lacks an extension, which is no mistake in the path."""
    raise HTTPException(status_code=501, detail=f"{request.scope['path'][:80]} is not supported: docs/protocol.md.")


router = Router(
    OPEN_INFERENCE,
    route_handlers=[
        describe_server,
        is_live,
        is_ready,
        describe_model,
        configure_model,
        is_model_ready,
        get_statistics,
        infer,
        refuse,
    ],
    # The protocol's own text describes them; our schema could not tell of binary tensors.
    include_in_schema=False,
)


def _service(request: Request[Any, Any, Any]) -> PredictionService:
    service: PredictionService = request.app.state.service
    return service


def _find(request: Request[Any, Any, Any]) -> ServingModel:
    path = request.path_params
    return find_model(_service(request), path.get("name", ""), path.get("version", ""))


async def _read(request: Request[Any, Any, Any], serving: ServingModel) -> tuple[ResponseOptions, list[bytes]]:
    # Apart from `infer`, which would hold the body beside its photos until the response.
    limits = request.app.state.settings.api
    with tracing.stage("read upload"):
        body = await read_body(request, limits)
    return read_inputs(body, request.headers.get(LENGTH_HEADER), serving.classifier.manifest.input, limits.max_files)
