"""What a body is, whatever its `Content-Type` says, and which probabilities are shown."""

from __future__ import annotations

import io
import json
from functools import cache
from http import HTTPStatus

import httpx
import pytest
from PIL import Image

from dandelion.client import Client
from tests.integration.clients.bodies import base64_of
from tests.integration.clients.replies import probabilities, problem
from tests.integration.conftest import Api
from tests.photos import jpeg
from tests.wire import exchange, post

KINDS = [
    None,
    b"",
    b"application/octet-stream",
    b"application/x-www-form-urlencoded",
    b"text/plain; charset=utf-8",
    b"image/png",
    b"application/json",
    b"multipart/form-data",
    b"multipart/form-data; boundary=X",
    b"nonsense",
    b"image/jpeg;;;=",
    b"\xff\xfe",
]


@cache
def encoded(kind: str) -> bytes:
    """The photo in another format."""
    stream = io.BytesIO()
    Image.open(io.BytesIO(jpeg())).save(stream, kind)
    return stream.getvalue()


# The two letters with which a BMP begins may begin a form's preamble.
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name in ("jpeg", "PNG", "WEBP", "GIF", "BMP", "AVIF")
        for kind in KINDS
        if name != "BMP" or not (kind or b"").startswith(b"multipart")
    ],
)
def test_the_bytes_decide_what_a_photo_is(api: Api, plain: dict[str, float], kind: bytes | None, name: str) -> None:
    photo = jpeg() if name == "jpeg" else encoded(name)
    reply = exchange(api.address, post(photo, *([] if kind is None else [b"Content-Type: " + kind])))
    assert reply.status == HTTPStatus.OK, reply.body
    assert name != "jpeg" or probabilities(reply) == plain


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_photo_in_chunks_or_of_old_http_is_answered(api: Api, plain: dict[str, float], version: bytes) -> None:
    if version == b"1.0":
        whole = post(jpeg(), version=version).replace(b"Host: x\r\n", b"")
    else:
        head = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        whole = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(jpeg()), jpeg())
    assert probabilities(exchange(api.address, whole)) == plain


def test_probabilities_are_limited_on_request(api: Api, plain: dict[str, float]) -> None:
    first, second = sorted(plain.items(), key=lambda each: -each[1])
    expected = {
        b"?top_k=1": [first],
        b"?top_k=2": [first, second],
        b"?top_k=9": [first, second],
        b"?threshold=0": [first, second],
        b"?threshold=1": [],
        b"?threshold=%.6f" % ((first[1] + second[1]) / 2): [first],
        b"?top_k=2&threshold=%.6f" % ((first[1] + second[1]) / 2): [first],
    }
    for query, shown in expected.items():
        reply = exchange(api.address, post(jpeg(), path=b"/predict" + query))
        assert list(probabilities(reply).items()) == shown, query
        assert (reply.json()["label"], reply.json()["confidence"]) == first
    with Client(api.url) as client:
        assert client.predict(jpeg(), top_k=1).probabilities == dict([first])
        assert client.predict(jpeg(), threshold=1.0).probabilities == {}
        assert client.predict(jpeg()).probabilities == plain
    body = json.dumps({"instances": [base64_of(jpeg())] * 2}).encode()
    entries = exchange(api.address, post(body, path=b"/predict?top_k=1")).json()["predictions"]
    assert [entry["probabilities"] for entry in entries] == [dict([first])] * 2


@pytest.mark.parametrize("query", ["top_k=0", "top_k=-1", "top_k=x", "threshold=nan", "threshold=-1", "threshold=1.1"])
def test_a_limit_that_makes_no_sense_is_refused(api: Api, query: str) -> None:
    told = problem(exchange(api.address, post(jpeg(), path=b"/predict?" + query.encode())), 400, "bad_request")
    assert query.partition("=")[0] in told


def test_the_schema_describes_them(api: Api) -> None:
    operation = httpx.get(f"{api.url}/openapi.json").json()["paths"]["/predict"]["post"]
    assert {each["name"] for each in operation["parameters"]} == {"top_k", "threshold"}
    assert "application/json" in operation["requestBody"]["content"]
