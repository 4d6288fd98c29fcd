"""The Open Inference Protocol over gRPC; its real clients are driven in test_triton_client.py."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from structlog.testing import capture_logs

from dandelion import __version__
from dandelion.api.codings import PIECE_BYTES, Decoder, create_decoder
from dandelion.api.grpc import open_inference_pb2 as pb
from dandelion.api.grpc import reading, reflection
from dandelion.api.grpc.calls import address_of
from dandelion.db.tables import predictions
from dandelion.domain import ModelRef
from dandelion.imaging import prepare
from dandelion.inference.source import Found
from dandelion.settings import Settings
from dandelion.telemetry import tracing
from tests.integration.conftest import Api, running_api
from tests.integration.grpc_client import SERVICE, GrpcClient, connected, field, photos_in, tensor_in, values_of
from tests.integration.protocol_client import packed
from tests.integration.test_api import figures
from tests.integration.test_photos import rows
from tests.photos import jpeg, labelled_photos
from tests.servers.ports import free_ports
from tests.waiting import wait_until

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
EXHAUSTED, UNIMPLEMENTED = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNIMPLEMENTED
JPEG = {"Content-Type": "image/jpeg"}
NAMES = ["label", "probabilities", "in_distribution", "prediction_id"]
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def settings(make_settings: Callable[..., Settings]) -> Settings:
    sections: dict[str, dict[str, object]] = {"journal": {"photos": "all", "ship_seconds": 0.1}}
    return make_settings(grpc={"port": free_ports(1)[0]}, api={"trusted_proxies": ["127.0.0.1"]}, **sections)


@pytest.fixture(scope="module")
def api(settings: Settings) -> Iterator[Api]:
    with running_api(settings) as running:
        yield running


@pytest.fixture(scope="module")
def client(settings: Settings, api: Api) -> Iterator[GrpcClient]:
    unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    with connected(settings.grpc.port, options=unlimited) as found:
        yield found


@pytest.fixture(autouse=True)
def a_good_photo_still_works(client: GrpcClient) -> Iterator[None]:
    yield
    assert client.infer(photos_in(jpeg()))["label"]


# What there is


def test_the_server_and_its_model_describe_themselves_as_over_rest(client: GrpcClient, http: httpx.Client) -> None:
    assert client.call(pb.ServerLiveRequest(), pb.ServerLiveResponse).live
    assert client.call(pb.ServerReadyRequest(), pb.ServerReadyResponse).ready
    server = client.call(pb.ServerMetadataRequest(), pb.ServerMetadataResponse)
    assert (server.name, server.version) == ("dandelion", __version__)
    assert {"classification", "statistics"} <= {*server.extensions} < {*http.get("/v2").json()["extensions"]}
    for version in ("", "local"):
        named = {"name": "dandelion", "version": version}
        assert client.call(pb.ModelReadyRequest(**named), pb.ModelReadyResponse).ready
        model = client.call(pb.ModelMetadataRequest(**named), pb.ModelMetadataResponse)
        wanted = http.get("/v2/models/dandelion").json()
        assert (model.name, [*model.versions], model.platform) == (
            wanted["name"],
            wanted["versions"],
            wanted["platform"],
        )
        tensors = [("inputs", model.inputs), ("outputs", model.outputs)]
        for side, found in tensors:
            assert [{"name": each.name, "datatype": each.datatype, "shape": [*each.shape]} for each in found] == wanted[
                side
            ]
        config = client.call(pb.ModelConfigRequest(**named), pb.ModelConfigResponse).config
        assert [each.data_type for each in config.input] == [pb.TYPE_STRING, pb.TYPE_UINT8]
        assert all(each.optional for each in config.input)
        assert json.loads(config.parameters["classes"].string_value) == ["dandelion", "grass"]


@pytest.mark.parametrize("model", [{"model_name": "grass"}, {"model_version": "7"}, {"model_name": "x" * 5000}])
def test_another_model_or_version_is_not_found(client: GrpcClient, model: dict[str, Any]) -> None:
    assert client.refused(photos_in(jpeg(), **model))[0] == NOT_FOUND
    named = {key.removeprefix("model_"): value for key, value in model.items()}
    for kind in (pb.ModelReadyRequest, pb.ModelMetadataRequest, pb.ModelConfigRequest, pb.ModelStatisticsRequest):
        request = kind(**named)
        assert client.refused(request, kind.__name__.removesuffix("Request"))[0] == NOT_FOUND


@pytest.mark.parametrize("method", ["ModelStreamInfer", "RepositoryIndex", "TraceSetting", "CudaSharedMemoryStatus"])
def test_what_there_is_not_says_so(client: GrpcClient, method: str) -> None:
    assert client.refused(b"", method) == (UNIMPLEMENTED, f"{method} is not supported: docs/protocol.md.")


def test_statistics_are_those_of_rest(client: GrpcClient, http: httpx.Client) -> None:
    client.infer(photos_in(jpeg(), jpeg()))
    (found,) = client.call(pb.ModelStatisticsRequest(), pb.ModelStatisticsResponse).model_stats
    (wanted,) = http.get("/v2/models/stats").json()["model_stats"]
    assert found.inference_count == wanted["inference_count"] > 1
    assert found.last_inference == wanted["last_inference"]
    stages = found.inference_stats
    assert stages.success.ns == wanted["inference_stats"]["success"]["ns"] > 0
    assert stages.compute_input.count == stages.compute_infer.count == stages.compute_output.count


def test_what_a_request_without_fields_holds_is_not_read(client: GrpcClient) -> None:
    for method in ("ServerLive", "ServerReady", "ServerMetadata"):
        assert client.send(method, b"\xff" * MIB).result()
    assert client.refused(b"\xff" * MIB, "ModelStreamInfer")[0] == UNIMPLEMENTED


# Photos in, outputs


def test_every_way_in_gets_the_predictions_of_predict(client: GrpcClient, http: httpx.Client, api: Api) -> None:
    photos = [photo for _, photo in labelled_photos(3)]
    wanted = [http.post("/predict", content=photo, headers=JPEG).json() for photo in photos]
    spec = api.service.serving.classifier.manifest.input
    pixels = np.stack([prepare(photo, spec) for photo in photos])
    numbers = tensor_in({"name": "pixels", "datatype": "UINT8", "shape": pixels.shape})
    numbers.inputs[0].contents.uint_contents.extend(pixels.ravel().tolist())
    raw = tensor_in(
        {"name": "pixels", "datatype": "UINT8", "shape": pixels.shape}, raw_input_contents=[pixels.tobytes()]
    )
    column = photos_in(*photos)
    column.inputs[0].shape.append(1)
    unnamed = photos_in(*photos, model_name="")
    for request in (photos_in(*photos), column, unnamed, photos_in(*photos, model_version="local"), numbers):
        found = client.infer(request)
        assert list(found) == NAMES
        assert found["label"] == [each["label"] for each in wanted]
        assert found["in_distribution"] == [each["in_distribution"] for each in wanted]
        rows_of = [[*each["probabilities"].values()] for each in wanted]
        assert np.reshape(found["probabilities"], (-1, 2)) == pytest.approx(np.array(rows_of), abs=1e-3)
    for request in (photos_in(*photos, raw=True), raw):
        response = client.call(request, pb.ModelInferResponse)
        assert not any(output.HasField("contents") for output in response.outputs)
        assert [[*output.shape] for output in response.outputs] == [[6], [6, 2], [6], [6]]
        label, probabilities, inside, _ = response.raw_output_contents
        assert label == packed(*(each["label"].encode() for each in wanted))
        assert np.frombuffer(probabilities, "<f4").reshape(-1, 2) == pytest.approx(np.array(rows_of), abs=1e-3)
        assert [*inside] == [each["in_distribution"] for each in wanted]


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_compressed_request_is_read(client: GrpcClient, compression: grpc.Compression) -> None:
    wanted = client.infer(photos_in(jpeg()))["probabilities"]
    assert client.infer(photos_in(jpeg()), compression=compression)["probabilities"] == wanted


def test_a_compressed_message_is_decoded_in_small_slices(client: GrpcClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it at once would be copied for each piece that comes out."""
    fed: list[int] = []

    def create_watched(coding: str) -> Decoder:
        decoder = create_decoder(coding)
        feed = decoder.feed

        def watch(data: bytes) -> Iterator[bytes]:
            fed.append(len(data))
            return feed(data)

        monkeypatch.setattr(decoder, "feed", watch)
        return decoder

    monkeypatch.setattr(reading, "create_decoder", create_watched)
    size = 4 * MIB
    refused = client.refused(gzip.compress(photos_in(os.urandom(size)).SerializeToString(), 0))
    assert "not an image" in refused[1]
    assert max(fed) <= PIECE_BYTES
    assert size < sum(fed) < size + 64 * 1024


def test_outputs_and_classes_are_those_that_are_requested(client: GrpcClient) -> None:
    request = photos_in(jpeg(), jpeg(), id="Löwenzahn-1")
    request.outputs.add(name="embedding")
    request.outputs.add(name="probabilities").parameters["classification"].int64_param = 9
    response = client.call(request, pb.ModelInferResponse)
    assert (response.model_name, response.model_version, response.id) == ("dandelion", "local", "Löwenzahn-1")
    embedding, classes = response.outputs
    assert (embedding.name, [*embedding.shape], len(embedding.contents.fp32_contents)) == ("embedding", [2, 1280], 2560)
    assert (classes.datatype, [*classes.shape]) == ("BYTES", [2, 2])
    best, worst = (text.split(":") for text in values_of(response)["probabilities"][:2])
    assert float(best[0]) > float(worst[0])
    assert {best[1], worst[1]} == {"0", "1"}
    request.parameters["binary_data_output"].bool_param = True
    assert len(client.call(request, pb.ModelInferResponse).raw_output_contents) == 2


def test_predictions_are_counted_and_stored_like_those_of_predict(
    client: GrpcClient, http: httpx.Client, settings: Settings
) -> None:
    before = figures(http)
    stored = client.infer(photos_in(jpeg(), jpeg(120, 90)))["prediction_id"]
    assert client.refused(photos_in(jpeg(), b"no photo"))[0] == INVALID
    after, text = figures(http), http.get("/metrics").text
    assert after["predictions_total"] == before["predictions_total"] + 3
    assert after["prediction_duration_seconds_count"] == before["prediction_duration_seconds_count"] + 1
    assert after["prediction_errors_total"] == before.get("prediction_errors_total", 0) + 1
    for status in (200, 400):  # so that alerts and dashboards see them
        series = f'method="gRPC",route="/v2/models/{{name:str}}/infer",status="{status}"'
        assert f"http_requests_total{{{series}" in text
    wait_until(lambda: {*stored} <= {row[0] for row in rows(settings, predictions.c.id)}, "the rows are stored")


def test_the_log_names_a_call_shortly_and_its_trace_by_route(
    client: GrpcClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced: list[str] = []

    def trace(name: str, *_: object, **__: object) -> contextlib.AbstractContextManager[None]:
        traced.append(name)
        return contextlib.nullcontext()

    monkeypatch.setattr(tracing, "request", trace)
    with capture_logs() as lines:
        client.refused(b"", "x" * 4000)
        client.infer(photos_in(jpeg()))
    assert [len(line["path"]) for line in lines if line["event"] == "request_refused"] == [200]
    assert traced == ["gRPC unmatched", "gRPC /v2/models/{name:str}/infer"]


def test_the_address_of_a_client_is_read_from_its_peer() -> None:
    peers = ("ipv4:10.1.2.3:4", "ipv6:%5B2001:db8::1%5D:4", "unix:/a:b", "")
    assert [address_of(peer) for peer in peers] == ["10.1.2.3", "2001:db8::1", "", ""]


def test_a_version_that_another_replaces_is_never_answered_by_it(client: GrpcClient, api: Api) -> None:
    serving = api.service.serving
    try:
        api.service.swap(Found(ModelRef(name="dandelion", version="8"), serving.classifier.package))
        assert client.call(photos_in(jpeg(), model_version="8"), pb.ModelInferResponse).model_version == "8"
        assert client.refused(photos_in(jpeg(), model_version="local"))[0] == NOT_FOUND
    finally:
        api.service.swap(Found(serving.ref, serving.classifier.package))


# What nobody should send

IMAGE: dict[str, Any] = {"name": "image", "datatype": "BYTES", "shape": [1]}
PIXELS = {"name": "pixels", "datatype": "UINT8", "shape": [1, 192, 192, 3]}
FRAME = 192 * 192 * 3


def raw_of(tensor: dict[str, Any], *data: bytes) -> pb.ModelInferRequest:
    return tensor_in(tensor, raw_input_contents=data)


def contents_of(tensor: dict[str, Any], **contents: Any) -> pb.ModelInferRequest:
    request = tensor_in(tensor)
    request.inputs[0].contents.MergeFrom(pb.InferTensorContents(**contents))
    return request


def with_output(name: str, **parameters: pb.InferParameter) -> pb.ModelInferRequest:
    request = photos_in(jpeg())
    request.outputs.add(name=name, parameters=parameters)
    return request


def with_parameter(**value: Any) -> pb.ModelInferRequest:
    return photos_in(jpeg(), parameters={"binary_data_output": pb.InferParameter(**value)})


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (pb.ModelInferRequest(), "none"),
        (tensor_in(IMAGE), "no field"),
        (tensor_in({**IMAGE, "name": "INPUT__0"}, [jpeg()]), "INPUT__0"),
        (tensor_in({**IMAGE, "datatype": "UINT8"}, [jpeg()]), "UINT8"),
        (tensor_in({**IMAGE, "datatype": "FP32"}, [jpeg()]), "FP32"),
        (tensor_in({**IMAGE, "shape": [-1]}, [jpeg()]), "shape [-1]"),
        (tensor_in({**IMAGE, "shape": [-(2**63)]}, [jpeg()]), "which no tensor has"),
        (tensor_in({**IMAGE, "shape": [2**63 - 1]}, [jpeg()]), "which no tensor has"),
        (tensor_in({**IMAGE, "shape": [2**31 - 1] * 8}, [jpeg()]), "[N]"),
        (tensor_in({**IMAGE, "shape": [1] * 100_000}, [jpeg()]), "which no tensor has"),
        (tensor_in({**IMAGE, "shape": []}, [jpeg()]), "[N]"),
        (tensor_in({**IMAGE, "shape": [0]}, [jpeg()]), "no photo"),
        (tensor_in({**IMAGE, "shape": [2]}, [jpeg()]), "1 elements"),
        (pb.ModelInferRequest(inputs=[pb.ModelInferRequest.InferInputTensor(**IMAGE)] * 2), "one input"),
        (photos_in(b""), "empty"),
        (photos_in(b"no photo"), "not an image"),
        (photos_in(jpeg(), b"no photo"), "Photo 2 of 2"),
        (raw_of(IMAGE, packed(jpeg())[:-1]), "are left"),
        (raw_of(IMAGE, packed(jpeg()) + b"\1\0\0"), "3 bytes follow"),
        (raw_of(IMAGE, struct.pack("<I", 2**32 - 1)), "4294967299"),
        (raw_of(IMAGE, jpeg()), "are left"),
        (raw_of(IMAGE, b""), "are left"),
        (raw_of(IMAGE, packed(jpeg()), packed(jpeg())), "2 elements"),
        (raw_of(IMAGE, bytes(4 * MIB)), "bytes follow"),
        (raw_of(PIXELS, bytes(FRAME - 1)), "elements"),
        (raw_of({**PIXELS, "shape": [1, 3, 192, 192]}, bytes(FRAME)), "another size"),
        (tensor_in(IMAGE, [jpeg()], raw_input_contents=[packed(jpeg())]), "`contents` has bytes_contents"),
        (contents_of(IMAGE, int_contents=[1]), "int_contents"),
        (contents_of(IMAGE, bytes_contents=[jpeg()], fp32_contents=[1.0]), "fp32_contents, bytes_contents"),
        (contents_of(PIXELS, int_contents=[0] * FRAME), "uint_contents"),
        (contents_of(PIXELS, uint_contents=[0]), "1 elements"),
        (contents_of(PIXELS, uint_contents=[256] * FRAME), "0 to 255"),
        (contents_of(PIXELS, uint_contents=[2**32 - 1] * FRAME), "0 to 255"),
        (tensor_in({**IMAGE, "parameters": {"shared_memory_region": pb.InferParameter(string_param="a")}}), "Shared"),
        (with_output("logits"), "logits"),
        (with_output("label", classification=pb.InferParameter(int64_param=2)), "label"),
        (with_output("probabilities", classification=pb.InferParameter(string_param="2")), "classification"),
        (with_output("probabilities", classification=pb.InferParameter(int64_param=-1)), "classification"),
        (with_parameter(double_param=1.0), "binary_data_output"),
        (with_parameter(), "binary_data_output"),
    ],
)
def test_a_bad_request_is_refused_with_its_reason(client: GrpcClient, sent: pb.ModelInferRequest, says: str) -> None:
    code, details = client.refused(sent)
    assert code == INVALID
    assert says in details


@pytest.mark.parametrize(
    "body",
    [b"no message", b"\xff" * 100, b"\x0a\xff\xff\xff\xff\x0f", b"\x2a" * 100_000, b"\x2b" * 100_000, os.urandom(5000)],
)
@pytest.mark.parametrize("method", ["ModelInfer", "ModelMetadata", "ModelStatistics"])
def test_bytes_that_are_no_message_are_refused(client: GrpcClient, body: bytes, method: str) -> None:
    code, details = client.refused(body, method)
    assert code in {INVALID, NOT_FOUND}
    assert details


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"\x2a\x00" * (3 * MIB), "fields"),  # inputs
        (b"\x3a\x00" * (3 * MIB), "fields"),  # raw_input_contents
        (field(b"\x2a", b"\x22\x00" * (3 * MIB)), "fields"),  # parameters of an input
        (field(b"\x2a", field(b"\x2a", b"\x42\x00" * (3 * MIB))), "fields"),  # bytes_contents
        (field(b"\x2a", field(b"\x2a", b"\x18\x01" * (3 * MIB))), "numbers"),  # int64_contents
        (field(b"\x2a", field(b"\x1a", b"\x01" * (3 * MIB))), "which no tensor has"),  # shape
        (b"\x0a\xff\xff\xff\xff\x0f" + bytes(2 * MIB), "cannot be read"),
        (b"\xff" * (2 * MIB), "cannot be read"),
        (b"\x2b" * (2 * MIB), "cannot be read"),
    ],
)
def test_millions_of_tiny_fields_are_refused_before_they_are_parsed(client: GrpcClient, body: bytes, says: str) -> None:
    code, details = client.refused(body)
    assert code in {INVALID, EXHAUSTED}
    assert says in details


def test_too_many_photos_and_bytes_are_refused(client: GrpcClient, http: httpx.Client) -> None:
    before = figures(http).get("prediction_errors_total", 0)
    assert client.refused(photos_in(*[b"x"] * 21)) == (EXHAUSTED, client.refused(photos_in(*[b"x"] * 21))[1])
    assert client.refused(raw_of(IMAGE, bytes(9 * MIB)))[0] == EXHAUSTED
    bomb = client.refused(raw_of(IMAGE, bytes(64 * MIB)), compression=grpc.Compression.Gzip)
    assert bomb[0] == EXHAUSTED
    assert "8,388,608 bytes" in bomb[1]
    wait_until(lambda: figures(http)["prediction_errors_total"] == before + 4, "all are counted", every=0.1)


def test_a_call_without_a_message_is_refused(client: GrpcClient) -> None:
    call: Any = client.channel.stream_unary(f"/{SERVICE}/ModelInfer")
    with pytest.raises(grpc.RpcError) as caught:
        call(iter(()), timeout=30)
    assert caught.value.code() == EXHAUSTED


def test_a_message_that_does_not_arrive_is_not_awaited_for_long(client: GrpcClient) -> None:
    call: Any = client.channel.stream_unary(f"/{SERVICE}/ModelInfer")
    done = threading.Event()
    with pytest.raises(grpc.RpcError) as caught:
        call((b"" for _ in iter(done.wait, True)), timeout=30)
    done.set()
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert "longer than 2 s" in (caught.value.details() or "")


def test_many_calls_at_once_and_cancelled_ones_harm_nobody(client: GrpcClient) -> None:
    body = photos_in(jpeg()).SerializeToString()
    calls = [client.send("ModelInfer", body) for _ in range(60)]
    for call in calls[::3]:
        call.cancel()
    bad = [client.send("ModelInfer", b"no message") for _ in range(50)]
    for call in (*calls, *bad):
        with suppress(grpc.RpcError, grpc.FutureCancelledError):
            call.result()
    assert {each.code() for number, each in enumerate(calls) if number % 3} == {grpc.StatusCode.OK}
    assert {each.code() for each in calls[::3]} <= {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED}
    assert {each.code() for each in bad} == {INVALID}


@pytest.fixture
def busy(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Workers that wait until this is set, so that photos stay in the queue."""
    go = threading.Event()
    classify = api.service._batcher._process

    def wait_and_classify(photos: Any) -> Any:
        go.wait(30)
        return classify(photos)

    monkeypatch.setattr(api.service._batcher, "_process", wait_and_classify)
    yield go
    go.set()


@pytest.mark.parametrize("way", ["deadline", "cancel"])
def test_a_photo_nobody_waits_for_any_more_is_not_classified(
    client: GrpcClient, http: httpx.Client, api: Api, busy: threading.Event, way: str
) -> None:
    before = figures(http)
    body = photos_in(jpeg()).SerializeToString()
    workers = api.service._workers
    held = [client.send("ModelInfer", body) for _ in range(workers)]
    wait_until(lambda: figures(http)["predictions_in_flight"] == workers, "all workers are busy")
    wait_until(lambda: figures(http)["prediction_queue_photos"] == 0, "all workers are busy")
    late = client.send("ModelInfer", body, timeout=0.2 if way == "deadline" else 30)
    if way == "cancel":
        wait_until(lambda: figures(http)["prediction_queue_photos"] == 1, "the photo waits")
        late.cancel()
    with suppress(grpc.FutureCancelledError, grpc.RpcError):
        late.result()
    assert late.code() in {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
    wait_until(lambda: figures(http)["predictions_in_flight"] == workers, "the server let go of it")
    busy.set()
    assert all(each.result() for each in held)
    wait_until(lambda: figures(http)["prediction_queue_photos"] == 0, "the queue is empty")
    after = figures(http)
    assert after["prediction_decode_seconds_count"] == before["prediction_decode_seconds_count"] + workers
    assert after.get("prediction_errors_total") == before.get("prediction_errors_total")


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /v2/models/dandelion/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 10_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + b"\xff\xff\xff\1\5\0\0\0\1",
        b"\0" * 100_000,
        os.urandom(4096),
        "tls",
    ],
)
def test_garbage_on_the_port_harms_nobody(settings: Settings, sent: bytes | str) -> None:
    with socket.create_connection(("127.0.0.1", settings.grpc.port), timeout=20) as connection:
        if isinstance(sent, str):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with pytest.raises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(connection)
        else:
            with suppress(ConnectionError):
                connection.sendall(sent)
                while connection.recv(65536):
                    pass


# Health and reflection


def test_health_follows_readiness(client: GrpcClient, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    stub: Any = HealthStub(client.channel)
    for service in ("", SERVICE):
        assert stub.Check(HealthCheckRequest(service=service)).status == HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(HealthCheckRequest(service="other"))
    assert caught.value.code() == NOT_FOUND
    watch, other = (stub.Watch(HealthCheckRequest(service=name), timeout=30) for name in (SERVICE, "other"))
    assert next(watch).status == HealthCheckResponse.SERVING
    assert next(other).status == HealthCheckResponse.SERVICE_UNKNOWN
    monkeypatch.setattr(api.service, "_draining", True)
    assert next(watch).status == HealthCheckResponse.NOT_SERVING
    assert stub.Check(HealthCheckRequest()).status == HealthCheckResponse.NOT_SERVING
    assert not client.call(pb.ServerReadyRequest(), pb.ServerReadyResponse).ready
    assert not client.call(pb.ModelReadyRequest(), pb.ModelReadyResponse).ready
    monkeypatch.setattr(api.service, "_draining", False)
    assert next(watch).status == HealthCheckResponse.SERVING
    for each in (watch, other):
        each.cancel()


def test_health_and_reflection_read_small_messages_compressed_or_not(client: GrpcClient) -> None:
    health: Any = HealthStub(client.channel)
    options = {"compression": grpc.Compression.Gzip, "timeout": 30}
    for size, code, says in ((4000, NOT_FOUND, "no service"), (5000, EXHAUSTED, "4,096 bytes")):
        for more in ({}, options):
            with pytest.raises(grpc.RpcError) as caught:
                health.Check(HealthCheckRequest(service="a" * size), **more)
            assert caught.value.code() == code
            assert says in (caught.value.details() or "")
    check: Any = client.channel.unary_unary("/grpc.health.v1.Health/Check")
    with pytest.raises(grpc.RpcError) as caught:
        check(b"no message", timeout=30)
    assert caught.value.code() == INVALID
    for name in reflection.NAMES:
        stream: Any = client.channel.stream_stream(f"/{name}/ServerReflectionInfo")
        sent = ServerReflectionRequest(file_containing_symbol="a" * 4000).SerializeToString()
        (response,) = stream(iter([sent]), **options)
        assert ServerReflectionResponse.FromString(response).HasField("error_response")
        for wrong, code in ((bytes(5000), EXHAUSTED), (b"no message", INVALID)):
            with pytest.raises(grpc.RpcError) as caught:
                next(stream(iter([wrong]), timeout=30))
            assert caught.value.code() == code


def test_a_client_without_the_schema_finds_it_by_reflection(client: GrpcClient) -> None:
    database: Any = ProtoReflectionDescriptorDatabase(client.channel)
    assert {SERVICE, "grpc.health.v1.Health"} <= {*database.get_services()}
    service: Any = DescriptorPool(database).FindServiceByName(SERVICE)
    assert "ModelInfer" in service.methods_by_name
    assert service.methods_by_name["ModelInfer"].input_type.fields_by_name["raw_input_contents"].number == 7
    newer: Any = client.channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ServerReflectionRequest.SerializeToString,
        ServerReflectionResponse.FromString,
    )
    (response,) = newer(iter([ServerReflectionRequest(list_services="")]), timeout=30)
    assert SERVICE in {each.name for each in response.list_services_response.service}
