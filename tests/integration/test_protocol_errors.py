"""What nobody should send by the Open Inference Protocol."""

from __future__ import annotations

import io
import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.integration.conftest import Api
from tests.integration.protocol_client import (
    JPEG,
    LENGTH,
    MODEL,
    binary,
    error_of,
    image,
    infer,
    packed,
)
from tests.integration.test_request_boundaries import statuses_of
from tests.photos import jpeg


@pytest.fixture(autouse=True)
def a_good_photo_still_works(http: httpx.Client) -> Iterator[None]:
    yield
    assert http.post("/predict", content=jpeg(), headers=JPEG).status_code == 200


BOMB = {"name": "image", "shape": [1], "datatype": "BYTES"}
GOOD = image(jpeg())


def deep(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "truncated"),
        ("{", "truncated"),
        ("[]", "object"),
        ("{}", "inputs"),
        ("\udcff", "malformed"),
        ('{"inputs": []}', "none"),
        ('{"inputs": {}}', "array"),
        ('{"inputs": [1]}', "object"),
        ('{"inputs": [{"name": "image"}]}', "shape"),
        (json.dumps({"inputs": [GOOD], "id": 7}), "id"),
        (json.dumps({"inputs": [GOOD, GOOD]}), "one input"),
        (json.dumps({"inputs": [{**GOOD, "name": "INPUT__0"}]}), "INPUT__0"),
        (json.dumps({"inputs": [{**GOOD, "datatype": "UINT8"}]}), "UINT8"),
        (json.dumps({"inputs": [{**GOOD, "datatype": "PICTURE"}]}), "PICTURE"),
        (json.dumps({"inputs": [{**GOOD, "shape": [-1]}]}), ">= 0"),
        (json.dumps({"inputs": [{**GOOD, "shape": [0]}]}), "no photo"),
        (json.dumps({"inputs": [{**GOOD, "shape": []}]}), "[N]"),
        (json.dumps({"inputs": [{**GOOD, "shape": [2]}]}), "1 elements"),
        (json.dumps({"inputs": [{**GOOD, "shape": [1, 3]}]}), "[N]"),
        (json.dumps({"inputs": [{**GOOD, "shape": [10**4000]}]}), "cannot be read"),
        (json.dumps({"inputs": [{**GOOD, "shape": [2**31 - 1] * 8}]}), "[N]"),
        (json.dumps({"inputs": [{**GOOD, "shape": [1] * 9}]}), "shape"),
        (json.dumps({"inputs": [{**GOOD, "shape": [1.5]}]}), "shape"),
        (json.dumps({"inputs": [{**GOOD, "shape": "1"}]}), "shape"),
        (json.dumps({"inputs": [{**GOOD, "data": [{"b64": GOOD["data"][0]}]}]}), "base64"),
        (json.dumps({"inputs": [{**GOOD, "data": GOOD["data"][0]}]}), "strings"),
        (json.dumps({"inputs": [{**GOOD, "data": [None]}]}), "strings"),
        (json.dumps({"inputs": [{**GOOD, "data": None}]}), "strings"),
        (json.dumps({"inputs": [{**GOOD, "data": []}]}), "0 elements"),
        (json.dumps({"inputs": [{**GOOD, "data": ["http://169.254.169.254/photo.jpg"]}]}), "request forgery"),
        (json.dumps({"inputs": [{**GOOD, "data": ["ä"]}]}), "no base64"),
        (json.dumps({"inputs": [{**GOOD, "data": ["!AAAA"]}]}), "no base64"),
        (json.dumps({"inputs": [{**GOOD, "data": ["AAAAA"]}]}), "no base64"),
        (json.dumps({"inputs": [{**GOOD, "data": ["\ud800"]}]}), "read"),
        (json.dumps({"inputs": [{**GOOD, "data": [""]}]}), "empty"),
        (json.dumps({"inputs": [BOMB]}), "neither"),
        (json.dumps({"inputs": [{**BOMB, "parameters": {"shared_memory_region": "a"}}]}), "Shared memory"),
        (json.dumps({"inputs": [{**GOOD, "parameters": {"binary_data_size": 0}}]}), "both"),
        (json.dumps({"inputs": [{**BOMB, "parameters": {"binary_data_size": -1}}]}), "binary_data_size"),
        (json.dumps({"inputs": [{**BOMB, "parameters": {"binary_data_size": 2**31}}]}), "2147483648"),
        (json.dumps({"inputs": [{**BOMB, "parameters": {"binary_data_size": 2**70}}]}), "binary_data_size"),
        (json.dumps({"inputs": [{**BOMB, "parameters": {"binary_data_size": "9"}}]}), "binary_data_size"),
        (json.dumps({"inputs": [GOOD], "outputs": [{"name": "logits"}]}), "logits"),
        (json.dumps({"inputs": [GOOD], "outputs": [{"name": "embedding"}] * 1000}), "twice"),
        (json.dumps({"inputs": [GOOD], "outputs": [{"name": "label", "parameters": {"classification": 2}}]}), "label"),
        (
            json.dumps({"inputs": [GOOD], "outputs": [{"name": "label", "parameters": {"binary_data": 1}}]}),
            "binary_data",
        ),
        ('{"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": ' + deep(100_000) + "}]}", "deep"),
        ('{"inputs": [{"name": "image", "shape": ' + deep(100_000) + "}]}", "read"),
        ('{"inputs": [], "parameters": {"a": ' + deep(100_000) + "}}", "deep"),
        ('{"a": ' * 100_000 + "1" + "}" * 100_000, "deep"),
    ],
)
def test_a_bad_request_is_refused_with_its_reason(http: httpx.Client, body: str, says: str) -> None:
    sent = body.encode(errors="surrogateescape")
    assert says in error_of(http.post(f"{MODEL}/infer", content=sent, headers={"Content-Type": "application/json"}))


@pytest.mark.parametrize(
    ("shape", "data", "says"),
    [
        ([1, 7, 7, 3], [0] * 147, "another size"),
        ([1, 3, 192, 192], [0], "another size"),
        ([1, 192, 192, 4], [0], "another size"),
        ([192, 192, 3], [0], "another size"),
        ([1, 192, 192, 3], [0], "1 elements"),
        ([1, 192, 192, 3], [256], "0 to 255"),
        ([1, 192, 192, 3], [-1], "0 to 255"),
        ([1, 192, 192, 3], [2**200], "0 to 255"),
        ([1, 192, 192, 3], [0.5], "0 to 255"),
        ([1, 192, 192, 3], [True], "0 to 255"),
        ([1, 192, 192, 3], ["1"], "0 to 255"),
        ([1, 192, 192, 3], [None], "0 to 255"),
        ([1, 192, 192, 3], [], "0 elements"),
        ([1, 192, 192, 3], {"b64": "AA=="}, "0 to 255"),
        ([1, 192, 192, 3], [[0], [0, 0]], "0 to 255"),
        ([1, 192, 192, 3], [[[[0], [0, 0]]]], "0 to 255"),
        ([1, 192, 192, 3], [[[[[0]]]]], "0 to 255"),
        ([1, 192, 192, 3], "AA==", "0 to 255"),
    ],
)
def test_bad_pixels_are_refused_with_their_reason(
    http: httpx.Client, shape: list[int], data: object, says: str
) -> None:
    assert says in error_of(infer(http, {"name": "pixels", "shape": shape, "datatype": "UINT8", "data": data}))


@pytest.mark.parametrize(
    ("data", "more", "says"),
    [
        (packed(jpeg())[:-1], {}, "are left"),
        (packed(jpeg()) + b"\1\0\0", {}, "3 bytes follow"),
        (struct.pack("<I", 2**31) + jpeg(), {}, "2147483652"),
        (struct.pack("<I", 2**32 - 1), {}, "4294967299"),
        (jpeg(), {}, "are left"),
        (packed(jpeg(), jpeg()), {}, "bytes follow the 1 elements"),
        (packed(jpeg()), {"shape": [2]}, "Element 2 of 2"),
        (b"", {}, "are left"),
        (bytes(4_000_000), {}, "bytes follow"),
        (packed(jpeg()) + b"more", {"parameters": {"binary_data_size": len(packed(jpeg()))}}, "follow the JSON"),
        (packed(jpeg()), {"parameters": {}}, "announce 0 bytes"),
        (packed(jpeg()), {"shape": [2**31 - 1]}, "photos in one request"),
        (packed(b""), {}, "empty"),
        (packed(b"no photo"), {}, "not an image"),
        (packed(jpeg()), {"datatype": "FP32"}, "FP32"),
        (bytes(192 * 192 * 3 - 1), {"name": "pixels", "shape": [1, 192, 192, 3], "datatype": "UINT8"}, "elements"),
    ],
)
def test_bytes_that_do_not_add_up_are_refused(http: httpx.Client, data: bytes, more: dict[str, Any], says: str) -> None:
    response = binary(http, {"name": "image", "shape": [1], "datatype": "BYTES", **more}, data)
    assert says in error_of(response, 413 if "one request" in says else 400)


@pytest.mark.parametrize(
    "length", ["-1", "x", "", "+5", "0x10", "99999999", "9" * 5000, "0" * 5000, "٣", "1, 2", "1.0"]
)
def test_a_length_that_is_none_is_refused(http: httpx.Client, length: str) -> None:
    body = json.dumps({"inputs": [GOOD]}).encode()
    response = http.post(f"{MODEL}/infer", content=body, headers=[(LENGTH.encode(), length.encode())])
    assert LENGTH in error_of(response)


def test_a_length_in_the_middle_of_the_json_is_refused(http: httpx.Client) -> None:
    assert error_of(binary(http, {"name": "image", "shape": [1], "datatype": "BYTES"}, packed(jpeg()), length=20))


def test_a_photo_fails_by_its_number_and_with_its_status(http: httpx.Client) -> None:
    stream = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(stream, "PNG")
    assert "Photo 2 of 2" in error_of(infer(http, image(jpeg(), b"no photo")))
    assert "pixels" in error_of(infer(http, image(stream.getvalue())), 413)
    assert "SVG" in error_of(infer(http, image(b"<svg xmlns='http://www.w3.org/2000/svg'/>")), 415)


def test_too_many_photos_and_bytes_are_refused(http: httpx.Client) -> None:
    assert "20 photos" in error_of(infer(http, image(*[b"x"] * 21)), 413)
    assert "bytes" in error_of(http.post(f"{MODEL}/infer", content=bytes(9 * 1024 * 1024)), 413)


def test_two_gigabytes_are_refused_as_they_are_announced(api: Api) -> None:
    with socket.create_connection(api.address, timeout=10) as connection:
        head = f"POST {MODEL}/infer HTTP/1.1\r\nHost: x\r\n{LENGTH}: 100\r\nContent-Length: {2**31}\r\n\r\n"
        connection.sendall(head.encode())
        response = b"".join(iter(lambda: connection.recv(65536), b""))
    assert response.startswith(b"HTTP/1.1 413")
    assert b'{"error":' in response


def test_pipelined_requests_are_answered_one_by_one(api: Api) -> None:
    head = json.dumps({"inputs": [{**BOMB, "parameters": {"binary_data_size": len(packed(jpeg()))}}]}).encode()
    body = head + packed(jpeg())
    lines = f"POST {MODEL}/infer HTTP/1.1\r\nHost: x\r\n{LENGTH}: {len(head)}\r\nContent-Length: {len(body)}\r\n\r\n"
    bad = f"POST {MODEL}/infer HTTP/1.1\r\nHost: x\r\n{LENGTH}: 9\r\nContent-Length: {len(body)}\r\n\r\n"
    sent = (lines.encode() + body + bad.encode() + body) * 50
    assert statuses_of(api, sent, expected=100) == [200, 400] * 50
