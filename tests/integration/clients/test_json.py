"""Photos in base64 inside JSON."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import time
import tracemalloc
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.types import Empty
from litestar.utils.scope.state import ScopeState
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from dandelion.api import encoded as encoded_photos
from dandelion.api.requests import MAX_JSON_BYTES
from dandelion.errors import UploadError, UploadTooLargeError
from tests.integration.clients.bodies import MiB, base64_of
from tests.integration.clients.replies import FEW, probabilities, problem
from tests.integration.conftest import Api
from tests.photos import jpeg
from tests.wire import connected, exchange, post


def lines_of(photo: bytes) -> str:
    return base64.encodebytes(photo).decode().replace("\n", "\r\n")


SHAPES: dict[str, Callable[[str], Any]] = {
    "image": lambda text: {"image": text},
    "file": lambda text: {"file": text, "name": "a.jpg", "size": 12},
    "b64": lambda text: {"image": {"b64": text}},
    "nested": lambda text: {"photo": {"image": {"b64": text}}},
}
TEXTS: dict[str, Callable[[bytes], str]] = {
    "bare": base64_of,
    "data url": lambda photo: f"data:image/jpeg;base64,{base64_of(photo)}",
    "data url without type": lambda photo: f"data:;base64,{base64_of(photo)}",
    "data url in capitals": lambda photo: f" DATA:image/jpeg;charset=utf-8;BASE64,{base64_of(photo)}",
    "lines": lines_of,
    "safe for urls": lambda photo: base64.urlsafe_b64encode(photo).decode().rstrip("="),
    "no padding": lambda photo: base64_of(photo + b"\0" * (3 - len(photo) % 3 + 1)).rstrip("="),
    "percent, in lines": lambda photo: (
        lines_of(photo).replace("+", "%2b").replace("/", "%2f").replace("=", "%3d").replace("\r\n", "%0d%0A%20")
    ),
    "percent": lambda photo: "data:image/jpeg;base64," + base64_of(photo).replace("+", "%2B").replace("/", "%2F"),
}
WRITERS: dict[str, Callable[[Any], bytes]] = {
    "compact": lambda value: json.dumps(value, separators=(",", ":")).encode(),
    "php": lambda value: json.dumps(value).replace("/", "\\/").encode(),
    ".net": lambda value: json.dumps(value).replace("+", "\\u002B").encode(),
    "marked": lambda value: b"\xef\xbb\xbf\r\n " + json.dumps(value, indent=2).encode(),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("writer", WRITERS)
def test_base64_in_json_is_answered(api: Api, plain: dict[str, float], shape: str, text: str, writer: str) -> None:
    body = WRITERS[writer](SHAPES[shape](TEXTS[text](jpeg())))
    assert probabilities(exchange(api.address, post(body, b"Content-Type: application/json"))) == plain


@pytest.mark.parametrize("kind", [b"", b"application/json; charset=utf-8", b"text/plain", b"application/vnd.api+json"])
def test_json_is_found_by_its_bytes(api: Api, plain: dict[str, float], kind: bytes) -> None:
    body = json.dumps({"image": base64_of(jpeg())}).encode()
    assert probabilities(exchange(api.address, post(body, *([b"Content-Type: " + kind] if kind else [])))) == plain


def test_instances_are_answered_in_their_order_and_one_as_a_list(api: Api, plain: dict[str, float]) -> None:
    good, bad = base64_of(jpeg()), base64_of(b"no photo")
    sent = [{"b64": good}, {"b64": bad}, good, {"image": {"b64": good}}, {"image_bytes": {"b64": good}}]
    answer = exchange(api.address, post(json.dumps({"signature_name": "x", "instances": sent[:4]}).encode()))
    entries = answer.json()["predictions"]
    assert [entry.get("probabilities") for entry in entries] == [plain, None, plain, plain]
    assert entries[1]["error"]["reason"] == "not_an_image"
    for one in ([{"b64": good}], [{"b64": bad}]):
        answer = exchange(api.address, post(json.dumps({"instances": one}).encode()))
        assert (answer.status, len(answer.json()["predictions"])) == (200, 1)
    answer = exchange(api.address, post(json.dumps({"images": [good, f"data:image/png;base64,{good}"]}).encode()))
    assert [entry["probabilities"] for entry in answer.json()["predictions"]] == [plain, plain]


@pytest.mark.parametrize("path", [b"/explain", b"/compare"])
def test_routes_for_one_photo_take_json_with_one(api: Api, path: bytes) -> None:
    one, two = ({"instances": [{"b64": base64_of(jpeg())}] * count} for count in (1, 2))
    assert exchange(api.address, post(json.dumps(one).encode(), path=path)).status == HTTPStatus.OK
    assert "one photo" in problem(exchange(api.address, post(json.dumps(two).encode(), path=path)), 422, "upload")


URLS = [
    "https://example.org/a.jpg",
    "http://169.254.169.254/latest/meta-data/",
    "HTTP://localhost:8000/metrics",
    "file:///etc/passwd",
    "s3://bucket/a.jpg",
    " gopher://x",
]


@pytest.mark.parametrize("address", URLS)
@pytest.mark.parametrize("php", [False, True])
def test_an_address_is_refused_with_the_reason(api: Api, address: str, php: bool) -> None:
    shapes = [
        {"image": address},
        {"url": address},
        {"image_url": address},
        {"instances": [{"b64": address}]},
        {"instances": [{"url": address}]},
        {"instances": [address]},
        {"images": [address]},
    ]
    for shape in shapes:
        body = json.dumps(shape).replace("/", "\\/" if php else "/").encode()
        assert "server-side request forgery" in problem(exchange(api.address, post(body)), 422, "upload"), shape


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{}", "its fields: none"),
        (b'{"picture": "AAAA"}', "'picture'"),
        (b'{"instances": []}', "'instances'"),
        (b'{"instances": 7}', "instances of the JSON is no text in base64"),
        (b'{"instances": [7]}', "instances[0] of the JSON is no text"),
        (b'{"instances": [{"b64": 7}]}', "instances[0].b64 of the JSON is no text"),
        (b'{"instances": [{"c": 7}]}', "instances[0] of the JSON has no field with a photo; its fields: 'c'"),
        (b'{"image": null}', "image of the JSON is no text"),
        (b'{"image": "no base64!"}', "image of the JSON is no base64"),
        (b'{"image": "AAAAA"}', "image of the JSON is no base64"),
        (b'{"image": "AA=A"}', "image of the JSON is no base64"),
        (b'{"image": "AAA%41"}', "image of the JSON is no base64"),
        (b'{"image": "AAAA%2"}', "image of the JSON is no base64"),
        (b'{"image": "\\ud83c\\udf3c"}', "image of the JSON is no base64"),
        (b'{"image": "data:image/svg+xml,%3Csvg%3E"}', "without `;base64`"),
        (b'{"image": "AAAA"', "malformed"),
        (b'{"image": "AAAA"} x', "malformed"),
        (b'{"image": AAAA}', "malformed"),
        (b"[]", "malformed"),
        (b'{"image": "\xff"}', "malformed"),
    ],
)
def test_json_without_a_photo_says_what_it_lacks(api: Api, body: bytes, told: str) -> None:
    assert told in problem(exchange(api.address, post(body)), 422, "upload")


def test_json_has_the_limits_of_other_bodies(api: Api) -> None:
    many = json.dumps({"instances": [{"b64": ""}] * 21}).encode()
    assert "20 photos" in problem(exchange(api.address, post(many)), 413, "upload_too_large")
    large = b'{"image": "' + b"A" * 9 * MiB + b'"}'
    problem(exchange(api.address, post(large)), 413, "upload_too_large")
    assert "empty" in problem(exchange(api.address, post(b'{"image": ""}')), 400, "not_an_image")


@pytest.mark.parametrize(
    "body",
    [
        b'{"image": "' + b"%" * 8 * MiB + b'"}',
        b'{"image": "' + b"%2B" * (8 * MiB // 3) + b'!"}',
        b'{"instances": [' + b"1," * 4 * MiB + b"1]}",
        b'{"instances": [' + b"[]," * (8 * MiB // 3) + b"1]}",
        b'{"instances": [{' + b",".join(b'"%x":0' % number for number in range(MiB // 2)) + b"}]}",
        b"{" + b",".join(b'"%x":0' % number for number in range(MiB // 2)) + b"}",
    ],
    ids=["percent", "escapes", "numbers", "lists", "inner keys", "keys"],
)
def test_hostile_json_takes_little_time_and_memory(body: bytes) -> None:
    began = time.process_time()
    with pytest.raises((UploadError, UploadTooLargeError)):
        encoded_photos.read_photos(body, 20)
    assert time.process_time() - began < 1
    tracemalloc.start()
    try:
        with pytest.raises((UploadError, UploadTooLargeError)):
            encoded_photos.read_photos(body, 20)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(body)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("size", "apart"), [(1000, False), (MiB, True)])
def test_megabytes_of_json_are_read_apart_from_the_loop(
    api: Api, monkeypatch: pytest.MonkeyPatch, size: int, apart: bool
) -> None:
    read, seen = encoded_photos.read_photos, list[bool]()

    def noted(text: bytes, max_files: int) -> Any:
        seen.append(asyncio._get_running_loop() is None)
        return read(text, max_files)

    monkeypatch.setattr(encoded_photos, "read_photos", noted)
    body = json.dumps({"image": base64_of(bytes(size))}).encode()
    problem(exchange(api.address, post(body)), 400, "not_an_image")
    assert seen == [apart]


def test_an_idle_connection_keeps_no_body(api: Api) -> None:
    kind = b"Content-Type: application/json"
    sent = b'{"prediction_id": "01a227e2-c700-7000-8000-000000000000", "label": "grass"}' + b" " * (MAX_JSON_BYTES // 2)
    with connected(api.address) as wire:
        wire.send(post(sent, kind, path=b"/feedback"))
        problem(wire.read(), 404, "prediction_not_found")
        cycles = [each for each in gc.get_objects() if isinstance(each, RequestResponseCycle)]
        kept = [ScopeState.from_scope(each.scope) for each in cycles if each.scope["path"] == "/feedback"]  # type: ignore[arg-type]
        assert kept
        assert all(each.body is Empty and each.json is Empty for each in kept)


def test_json_without_a_photo_has_a_limit_of_its_own(api: Api) -> None:
    body = b'{"label": "grass"}' + b" " * MAX_JSON_BYTES
    reply = exchange(api.address, post(body, b"Content-Type: application/json", path=b"/feedback"))
    assert reply.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


@pytest.mark.parametrize("depth", [10, 1000, 100_000])
def test_json_nested_without_end_fails_no_server(api: Api, depth: int) -> None:
    for name in ("image", "instances", "other"):
        for opening, closing in (("[", "]"), ('{"image":', "}")):
            body = f'{{"{name}": {opening * depth}1{closing * depth}}}'.encode()
            assert exchange(api.address, post(body)).status in {400, 422}


@FEW
@given(body=st.binary(max_size=100), inside=st.booleans())
def test_no_json_fails_the_server(api: Api, body: bytes, inside: bool) -> None:
    sent = b'{"image": "' + body + b'"}' if inside else b"{" + body
    assert 400 <= exchange(api.address, post(sent)).status < 500
