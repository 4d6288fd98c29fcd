"""The gRPC port: whom it lets in, encrypted or not, and how it starts and stops."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from pydantic import ValidationError

from dandelion.api.app import create_app
from dandelion.api.grpc import open_inference_pb2 as pb
from dandelion.api.grpc.server import max_message_bytes
from dandelion.api.server import create_server, reserve_all
from dandelion.errors import PortInUseError, SettingsError
from dandelion.package.starter import starter_path
from dandelion.settings import Settings
from tests.integration.conftest import Command, running_api
from tests.integration.grpc_client import SERVICE, GrpcClient, SlowClient, connected, field, photos_in
from tests.integration.test_access import make_key
from tests.photos import jpeg
from tests.servers.api import ApiProcess
from tests.servers.certificates import Certificate, make_certificate
from tests.servers.ports import NEEDS_IPV6, free_ports
from tests.waiting import wait_until

UNAUTHENTICATED, DENIED = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
PREDICTING = ("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics", "ModelInfer")
CHECK = "/grpc.health.v1.Health/Check"
REFLECTION = "grpc.reflection.v1.ServerReflection"
MIB = 1024 * 1024


# Access


@dataclass(frozen=True)
class Guarded:
    """A server that wants keys, and those of two scopes."""

    client: GrpcClient
    settings: Settings
    keys: dict[str, str]


@pytest.fixture(scope="module")
def guarded(make_settings: Callable[..., Settings]) -> Iterator[Guarded]:
    (port,) = free_ports(1)
    access = {"enabled": True, "requests_per_key": 12, "failed_sign_ins_per_address": 5}
    settings = make_settings(
        access=access, grpc={"port": port, "reflection": False}, api={"trusted_proxies": ["127.0.0.1"]}
    )
    keys = {scope: make_key(settings, f"for-{scope}", scope) for scope in ("predict", "read")}
    with running_api(settings), connected(port) as client:
        yield Guarded(client, settings, keys)


def test_methods_need_the_scope_that_rest_needs(guarded: Guarded) -> None:
    client, keys = guarded.client, guarded.keys
    assert client.call(pb.ServerLiveRequest(), pb.ServerLiveResponse).live
    assert client.call(pb.ServerReadyRequest(), pb.ServerReadyResponse).ready
    assert client.call(pb.ServerMetadataRequest(), pb.ServerMetadataResponse).name == "dandelion"
    health: Any = HealthStub(client.channel)
    assert health.Check(HealthCheckRequest()).status == HealthCheckResponse.SERVING
    reader = [("x-api-key", keys["read"])]
    for method in PREDICTING:
        assert client.refused(b"", method)[0] == UNAUTHENTICATED
        assert client.refused(b"", method, metadata=reader)[0] == DENIED
    for name, value in (("x-api-key", keys["predict"]), ("authorization", f"Bearer {keys['predict']}")):
        assert client.infer(photos_in(jpeg()), metadata=[(name, value)])["label"]
    assert "kind 'Basic'" in client.refused(b"", metadata=[("authorization", "Basic YTpi")])[1]


def test_without_reflection_nobody_gets_the_schema(guarded: Guarded) -> None:
    stream: Any = guarded.client.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    with pytest.raises(grpc.RpcError) as caught:
        next(stream(iter([b""]), timeout=30))
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_key_is_refused_before_its_message_is_read(guarded: Guarded) -> None:
    """A message that would be over the limit gets the refusal of the key."""
    big = b"\x3a" + bytes(9 * MIB)
    assert guarded.client.refused(big, metadata=[("x-api-key", "dnd_wrong")])[0] == UNAUTHENTICATED


def test_limits_are_shared_with_http_and_told(guarded: Guarded) -> None:
    client, url, key = guarded.client, guarded.settings.api.url, make_key(guarded.settings, "limited", "predict")
    for _ in range(6):
        assert httpx.get(f"{url}/v2/models/dandelion", headers={"X-API-Key": key}).status_code == 200
    call = None
    for _ in range(6):
        call = client.send("ModelInfer", photos_in(jpeg()).SerializeToString(), metadata=[("x-api-key", key)])
        call.result()
    assert call is not None
    told = dict(call.trailing_metadata())
    assert (told["ratelimit-limit"], told["ratelimit-remaining"]) == ("12", "0")
    refused = client.send("ModelInfer", b"", metadata=[("x-api-key", key), ("x-request-id", "mine-7")])
    assert refused.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    told = dict(refused.trailing_metadata())
    assert int(told["retry-after"]) > 0
    assert told["x-request-id"] == "mine-7"
    assert httpx.get(f"{url}/v2/models/dandelion", headers={"X-API-Key": key}).status_code == 429


def test_who_guesses_keys_waits_whichever_proxy_he_comes_through(guarded: Guarded) -> None:
    def guess(address: str) -> grpc.StatusCode:
        metadata = [("x-api-key", "dnd_wrong"), ("x-forwarded-for", address)]
        return guarded.client.refused(b"", metadata=metadata)[0]

    assert [guess("203.0.113.7") for _ in range(6)] == [UNAUTHENTICATED] * 5 + [grpc.StatusCode.RESOURCE_EXHAUSTED]
    assert guess("203.0.113.8") == UNAUTHENTICATED


# Encryption


@dataclass(frozen=True)
class Encrypted:
    """A server that demands certificates of its clients, and the certificate of both."""

    port: int
    files: Certificate
    client: Certificate


@pytest.fixture(scope="module")
def encrypted(make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    files, client = (make_certificate(tmp_path_factory.mktemp("certificate")) for _ in range(2))
    (port,) = free_ports(1)
    tls = {"tls_certificate": files.file, "tls_key": files.key, "tls_client_ca": client.ca}
    with running_api(make_settings(grpc={"port": port, **tls})):
        yield Encrypted(port, files, client)


def is_live(port: int, ca: Path, own: Certificate | None = None) -> bool:
    pair = (own.key.read_bytes(), own.file.read_bytes()) if own else (None, None)
    with connected(port, grpc.ssl_channel_credentials(ca.read_bytes(), *pair)) as client:
        call = client.send("ServerLive", b"", timeout=5)
        assert call.code() in {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
        return bool(call.code() == grpc.StatusCode.OK)


def test_only_clients_with_a_certificate_of_the_authority_get_in(encrypted: Encrypted, tmp_path: Path) -> None:
    port, files, client = encrypted.port, encrypted.files, encrypted.client
    assert is_live(port, files.ca, client)
    assert not is_live(port, files.ca)
    assert not is_live(port, files.ca, files)
    assert not is_live(port, client.ca, client)
    with connected(port) as plain, pytest.raises(grpc.RpcError):
        plain.call(pb.ServerLiveRequest(), pb.ServerLiveResponse, timeout=5)


def test_a_new_certificate_is_taken_up_without_a_restart(encrypted: Encrypted, tmp_path: Path) -> None:
    newer = make_certificate(tmp_path)
    shutil.copyfile(newer.file, encrypted.files.file)  # the key does not belong to it yet
    assert is_live(encrypted.port, encrypted.files.ca, encrypted.client)
    shutil.copyfile(newer.key, encrypted.files.key)
    assert is_live(encrypted.port, newer.ca, encrypted.client)
    assert not is_live(encrypted.port, encrypted.files.ca, encrypted.client)


def test_files_that_do_not_belong_together_are_an_error_of_their_settings(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
    files, other = make_certificate(first), make_certificate(second)
    missing = {"tls_certificate": tmp_path / "missing", "tls_key": files.key}
    for wrong in (
        {"tls_certificate": files.file, "tls_key": other.key},
        {"tls_certificate": files.file, "tls_key": files.key, "tls_client_ca": files.key},
        missing,
    ):
        with pytest.raises(SettingsError, match="DANDELION_GRPC__TLS_CERTIFICATE"):
            reserve_all(make_settings(grpc={"port": port, **wrong}))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tls_certificate": "/a"}, "set both"),
        ({"tls_key": "/a"}, "set both"),
        ({"tls_client_ca": "/a"}, "no effect"),
        ({"port": 8000}, "both 8000"),
        ({"max_message_mb": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Settings.model_validate({"grpc": given})


def test_the_limit_of_messages_is_that_of_bodies_or_its_own() -> None:
    assert max_message_bytes(Settings()) == 32 * MIB
    assert max_message_bytes(Settings.model_validate({"grpc": {"max_message_mb": 7}})) == 7 * MIB


# Start and stop


def test_a_taken_port_is_named_with_its_setting(make_settings: Callable[..., Settings], dandelion: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = make_settings(grpc={"port": taken.getsockname()[1]})
        with pytest.raises(PortInUseError, match=rf"Port {settings.grpc.port} .* in use.*DANDELION_GRPC__PORT\b"):
            reserve_all(settings)


@NEEDS_IPV6
def test_it_answers_on_an_address_of_ipv6_and_on_its_own(make_settings: Callable[..., Settings]) -> None:
    (port,) = free_ports(1)
    with (
        running_api(make_settings(grpc={"port": port, "host": "::1"})),
        grpc.insecure_channel(f"[::1]:{port}") as channel,
    ):
        assert GrpcClient(channel).call(pb.ServerLiveRequest(), pb.ServerLiveResponse).live


def test_a_port_that_is_taken_after_the_check_is_named_with_its_setting(make_settings: Callable[..., Settings]) -> None:
    (port,) = free_ports(1)
    settings = make_settings(grpc={"port": port})
    listeners = reserve_all(settings)
    server = create_server(create_app(settings), settings)
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(PortInUseError, match=rf"Port {port} .* in use.*DANDELION_GRPC__PORT\b"),
    ):
        server.run(sockets=listeners)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((settings.api.host, settings.api.port), 5)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ApiProcess, int]]:
    (port,) = free_ports(1)
    env = {
        "DANDELION_MODEL__PATH": str(starter_path()),
        "DANDELION_GRPC__PORT": str(port),
        "DANDELION_API__DRAIN_SECONDS": "60",  # or until a second SIGTERM
        "DANDELION_API__MAX_BODIES_BYTES": str(64 * MIB),
        "DANDELION_INFERENCE__WORKERS": "1",
    }
    process = ApiProcess(tmp_path_factory.mktemp("home") / "home", env)
    process.start()
    wait_until(process.answers, "it answers")
    yield process, port
    process.end()


@pytest.mark.parametrize("path", [CHECK, f"/{REFLECTION}/ServerReflectionInfo", f"/{SERVICE}/ModelInfer"])
def test_messages_that_arrive_slowly_hold_little_memory_and_keep_out_no_others(
    served: tuple[ApiProcess, int], path: str
) -> None:
    process, port = served
    before = process.memory_bytes()
    slow, other = SlowClient(port, path, 20, 24 * MIB), SlowClient(port, CHECK, 1, 0, "127.0.0.2")
    try:
        assert 2 * 24 * MIB <= slow.send(patience=1) + 2 * MIB < 64 * MIB
        assert process.memory_bytes() - before < 100 * MIB
        other.send(patience=0.5)
        assert other.statuses == ["0"]
    finally:
        slow.close()
        other.close()


def test_memory_stays_under_what_nobody_should_send(served: tuple[ApiProcess, int]) -> None:
    """Such a message takes a few times its size while it is refused, and nothing of it stays."""
    process, port = served
    good = photos_in(jpeg())
    shape = field(b"\x2a", field(b"\x1a", b"\x01" * (24 * MIB)))
    bodies = [pb.ModelInferRequest(raw_input_contents=[bytes(24 * MIB)]).SerializeToString(), b"\x2a\x00" * (8 * MIB)]

    def misbehave(client: GrpcClient) -> None:
        for body in (*bodies, shape):
            assert client.refused(body)[0] == grpc.StatusCode.INVALID_ARGUMENT
        assert client.infer(good)["label"]

    with connected(port, options=[("grpc.max_send_message_length", -1)]) as client:
        for _ in range(3):
            misbehave(client)
        before = process.memory_bytes()
        process.forget_peak()
        for _ in range(12):
            misbehave(client)
        assert process.memory_bytes() - before < 64 * MIB
        assert process.peak_bytes() - before < 160 * MIB


def test_it_drains_and_finishes_its_calls_before_it_stops(served: tuple[ApiProcess, int]) -> None:
    process, port = served
    body = photos_in(*[jpeg(1200, 900)] * 20).SerializeToString()
    codes: list[grpc.StatusCode] = []

    def call_on(client: GrpcClient, method: str, sent: bytes) -> None:
        """Call until nobody listens any longer."""
        while True:
            call = client.send(method, sent, timeout=60)
            call.exception(60)
            if "failed to connect" in (call.details() or ""):
                return
            codes.append(call.code())

    with connected(port) as client, ExitStack() as others:
        health: Any = HealthStub(client.channel)
        watch = health.Watch(HealthCheckRequest(), timeout=60)
        assert next(watch).status == HealthCheckResponse.SERVING
        process.terminate()
        assert next(watch).status == HealthCheckResponse.NOT_SERVING
        assert client.infer(photos_in(jpeg()))  # it still serves
        done = threading.Event()
        others.callback(done.set)
        reflecting: Any = client.channel.stream_stream(f"/{REFLECTION}/ServerReflectionInfo")
        stream = reflecting((b"" for _ in iter(done.wait, True)), timeout=60)
        dead = SlowClient(port, CHECK, 1, 8)
        others.callback(dead.close)
        threads = [
            threading.Thread(target=call_on, args=(others.enter_context(connected(port)), *each))
            for each in (("ModelInfer", body), *[("ServerLive", b"")] * 8)  # short ones meet the moment of the stop
        ]
        for each in threads:
            each.start()
        wait_until(lambda: len(codes) > 100, "calls are answered")
        began = time.monotonic()
        process.terminate()
        assert process.wait() == 0
        assert time.monotonic() - began < 20
        for each in threads:
            each.join()
        with suppress(grpc.RpcError):
            assert [*watch] == []
        assert stream.code() == grpc.StatusCode.UNAVAILABLE
    assert {*codes} == {grpc.StatusCode.OK}
