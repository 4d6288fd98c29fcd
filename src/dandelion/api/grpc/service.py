"""The methods of `inference.GRPCInferenceService`."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import grpc
import msgspec
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from dandelion import __version__
from dandelion.access import Caller
from dandelion.api.access import ANYBODY, OPEN, needs
from dandelion.api.grpc import open_inference_pb2 as pb
from dandelion.api.grpc.calls import Calls, Method
from dandelion.api.grpc.messages import create_response, parse_request, read_options, read_photos
from dandelion.api.grpc.reading import parse
from dandelion.api.predict import observe_duration
from dandelion.api.v2.inference import find_model, predict
from dandelion.api.v2.metadata import COMMON_EXTENSIONS, configure, describe
from dandelion.api.v2.outputs import check_outputs
from dandelion.api.v2.statistics import measure
from dandelion.inference.service import PredictionService, ServingModel
from dandelion.settings import Settings

NAME = str(pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name)

_Request = TypeVar("_Request", bound=Message)
_Named = pb.ModelReadyRequest | pb.ModelMetadataRequest | pb.ModelConfigRequest | pb.ModelStatisticsRequest
_MODEL = "/v2/models/{name:str}"


class InferenceService(grpc.GenericRpcHandler):
    """Answers every method of the service, those that Dandelion lacks with UNIMPLEMENTED.

    Each is read as a stream of one request, which is the same on the wire: so access is checked before the request is
    read.
    """

    def __init__(self, state: State, calls: Calls) -> None:
        self._state = state
        self._service: PredictionService = state.service
        self._calls = calls
        # Once, rather than for each call.
        methods = {f"/{NAME}/{name}": method for name, method in self._create_methods().items()}
        self._handlers = {path: self._create_handler(method, path) for path, method in methods.items()}

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler of a call; None for those of other services."""
        path: str = handler_call_details.method
        if handler := self._handlers.get(path):
            return handler
        service, _, name = path.removeprefix("/").partition("/")
        if service != NAME:
            return None
        unknown = Method("unmatched", needs("predict"), partial(_refuse, name), is_read=False)
        return self._create_handler(unknown, path)

    def _create_handler(self, method: Method, path: str) -> grpc.RpcMethodHandler[Any, Any]:
        async def run(_: Any, context: Any) -> bytes:
            return await self._calls.run(method, path, context)

        return grpc.stream_unary_rpc_method_handler(run)

    def _create_methods(self) -> Mapping[str, Method]:
        predicts = needs("predict")
        return {
            # Their requests have no fields.
            "ServerLive": Method("/v2/health/live", OPEN, self._is_live, is_read=False),
            "ServerReady": Method("/v2/health/ready", OPEN, self._is_ready, is_read=False),
            "ServerMetadata": Method("/v2", ANYBODY, self._describe_server, is_read=False),
            "ModelReady": Method(f"{_MODEL}/ready", predicts, _parsed(pb.ModelReadyRequest, self._is_model_ready)),
            "ModelMetadata": Method(_MODEL, predicts, _parsed(pb.ModelMetadataRequest, self._describe_model)),
            "ModelConfig": Method(f"{_MODEL}/config", predicts, _parsed(pb.ModelConfigRequest, self._configure_model)),
            "ModelStatistics": Method(
                f"{_MODEL}/stats", predicts, _parsed(pb.ModelStatisticsRequest, self._get_statistics)
            ),
            "ModelInfer": Method(f"{_MODEL}/infer", predicts, self._infer, is_prediction=True),
        }

    async def _is_live(self, _: Caller, __: bytes) -> Message:
        return pb.ServerLiveResponse(live=True)

    async def _is_ready(self, _: Caller, __: bytes) -> Message:
        return pb.ServerReadyResponse(ready=self._service.is_ready)

    async def _describe_server(self, _: Caller, __: bytes) -> Message:
        return pb.ServerMetadataResponse(name="dandelion", version=__version__, extensions=COMMON_EXTENSIONS)

    async def _is_model_ready(self, request: pb.ModelReadyRequest) -> Message:
        self._find(request)
        return pb.ModelReadyResponse(ready=self._service.is_ready)

    async def _describe_model(self, request: pb.ModelMetadataRequest) -> Message:
        return _filled(pb.ModelMetadataResponse(), describe(self._find(request)))

    async def _configure_model(self, request: pb.ModelConfigRequest) -> Message:
        return _filled(pb.ModelConfigResponse(), {"config": configure(self._find(request))})

    async def _get_statistics(self, request: pb.ModelStatisticsRequest) -> Message:
        measured = measure(self._find(request).ref, self._state.last_prediction)
        return _filled(pb.ModelStatisticsResponse(), {"model_stats": [measured]})

    async def _infer(self, caller: Caller, data: bytes) -> Message:
        started = time.perf_counter()
        settings: Settings = self._state.settings
        request = parse_request(data, settings.api.max_files)
        serving = find_model(self._service, request.model_name, request.model_version)
        options, version = read_options(request), request.model_version
        check_outputs(options)
        photos = read_photos(request, serving.classifier.manifest.input, settings.api.max_files)
        del data, request  # which would lie beside the photos until the response
        response = create_response(options, await predict(self._state, caller, photos, version))
        observe_duration(self._state, started)
        return response

    def _find(self, request: _Named) -> ServingModel:
        return find_model(self._service, request.name, request.version)


def _parsed(
    kind: type[_Request], answer: Callable[[_Request], Awaitable[Message]]
) -> Callable[[Caller, bytes], Awaitable[Message]]:
    """The method whose requests are of this kind."""

    async def run(_: Caller, data: bytes) -> Message:
        return await answer(parse(kind, data))

    return run


async def _refuse(name: str, _: Caller, __: bytes) -> Message:
    raise HTTPException(status_code=501, detail=f"{name[:80]} is not supported: docs/protocol.md.")


def _filled(message: Message, values: Any) -> Message:
    """The message with these values, by the names that both protocols share; those that it lacks are left out."""
    return ParseDict(msgspec.to_builtins(values), message, ignore_unknown_fields=True)
