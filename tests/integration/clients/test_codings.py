"""Bodies that are compressed."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from functools import cache, partial
from http import HTTPStatus
from typing import Any

import brotli
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dandelion.api import codings
from tests.integration.clients.bodies import MULTIPART, MiB, base64_of, form
from tests.integration.clients.replies import FEW, probabilities, problem
from tests.integration.conftest import Api
from tests.photos import jpeg
from tests.wire import connected, exchange, post


def raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


def halves(data: bytes) -> bytes:
    return gzip.compress(data[:500]) + gzip.compress(b"") + gzip.compress(data[500:]) + bytes(100)


CODED: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "gzip": (b"gzip", gzip.compress),
    "x-gzip": (b"X-GZip", gzip.compress),
    "gzip in members, padded": (b"gzip", halves),
    "zlib": (b"deflate", zlib.compress),
    "raw deflate": (b"deflate", raw_deflate),
    "br": (b"br", partial(brotli.compress, quality=5)),  # the best costs seconds
    "identity": (b"identity", bytes),
    "identity and gzip": (b"identity, gzip", gzip.compress),
    "none": (b"", bytes),
}


@pytest.mark.parametrize("name", CODED)
@pytest.mark.parametrize("size", [1, 7, 1000, MiB])
def test_a_coded_body_is_decoded(api: Api, plain: dict[str, float], name: str, size: int) -> None:
    coding, encode = CODED[name]
    body = encode(jpeg())
    head = (
        b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Encoding: " + coding + b"\r\n\r\n"
    )
    pieces = [body[at : at + size] for at in range(0, min(len(body), 64 * size), size)] + [body[64 * size :]]
    with connected(api.address) as wire:
        wire.send(head, *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece), b"0\r\n\r\n")
        assert probabilities(wire.read()) == plain


@pytest.mark.parametrize("name", ["gzip", "zlib", "raw deflate", "br"])
@pytest.mark.parametrize("size", [100_000, 4 * MiB])
async def test_megabytes_are_decoded_in_small_pieces(name: str, size: int) -> None:
    coding, encode = CODED[name]
    for body in (np.random.default_rng(7).bytes(MiB) * 3, bytes(3 * MiB)):
        sent = encode(body)
        chunks = [sent[at : at + size] for at in range(0, len(sent), size)]

        async def receive(chunks: list[bytes] = chunks) -> Any:
            return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

        messages: list[Any] = [each async for each in codings.decoded(receive, coding.decode(), 4 * MiB)]
        found = [message["body"] for message in messages]
        assert b"".join(found) == body
        assert max(map(len, found)) <= 2 * 64 * 1024


def test_json_and_forms_and_other_routes_may_be_coded(api: Api, plain: dict[str, float]) -> None:
    coded = b"Content-Encoding: gzip"
    assert probabilities(exchange(api.address, post(gzip.compress(form()), MULTIPART, coded))) == plain
    text = json.dumps({"image": base64_of(jpeg())}).encode()
    assert probabilities(exchange(api.address, post(gzip.compress(text), coded))) == plain
    kind = b"Content-Type: application/json"
    sent = gzip.compress(b'{"prediction_id": "01a227e2-c700-7000-8000-000000000000", "label": "grass"}')
    problem(exchange(api.address, post(sent, kind, coded, path=b"/feedback")), 404, "prediction_not_found")


@pytest.mark.parametrize("coding", [b"zstd", b"compress", b"gzip, gzip", b"gzip, br", b"aes128gcm", b"\xff"])
@pytest.mark.parametrize("path", [b"/predict", b"/explain", b"/feedback"])
def test_an_unknown_coding_is_refused_with_the_known_ones(api: Api, coding: bytes, path: bytes) -> None:
    kind = b"Content-Type: application/json"
    reply = exchange(api.address, post(jpeg(), kind, b"Content-Encoding: " + coding, path=path))
    problem(reply, 415, "content_coding")
    assert reply.headers["accept-encoding"] == "gzip, deflate, br"


@pytest.mark.parametrize("name", ["gzip", "zlib", "raw deflate", "br"])
def test_a_coded_body_that_is_cut_off_or_damaged_is_refused(api: Api, name: str) -> None:
    coding, encode = CODED[name]
    whole = encode(jpeg())
    for body in (whole[:-1], whole[: len(whole) // 2], whole[:1], whole[:9] + b"\xff" * 40, b"nonsense" * 9):
        told = problem(exchange(api.address, post(body, b"Content-Encoding: " + coding)), 422, "upload")
        assert coding.decode() in told


@cache
def bomb(name: str) -> bytes:
    return CODED[name][1](b" " * (40 * MiB))


@pytest.mark.parametrize("name", ["gzip", "zlib", "raw deflate", "br"])
@pytest.mark.parametrize("path", [b"/predict", b"/feedback"])
def test_a_bomb_is_inflated_up_to_the_limit_only(
    api: Api, monkeypatch: pytest.MonkeyPatch, name: str, path: bytes
) -> None:
    coding, pieces = CODED[name][0], list[int]()

    def counted(body: bytes, *, more: bool) -> Any:
        pieces.append(len(body))
        return {"type": "http.request", "body": body, "more_body": more}

    monkeypatch.setattr(codings, "_message", counted)
    kind = b"Content-Type: application/json"
    reply = exchange(api.address, post(bomb(name), kind, b"Content-Encoding: " + coding, path=path))
    assert reply.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert sum(pieces) <= 8 * MiB + 2 * codings.PIECE_BYTES
    assert max(pieces) <= 2 * codings.PIECE_BYTES


@pytest.mark.parametrize(
    ("coding", "unit", "status"),
    [(b"gzip", gzip.compress(b"", mtime=0), 422), (b"deflate", b"\0\0\0\xff\xff", 413)],
    ids=["gzip", "deflate"],
)
def test_coded_bytes_that_decode_to_nothing_end_too(api: Api, coding: bytes, unit: bytes, status: int) -> None:
    nothing = unit * (MiB // len(unit))
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Encoding: %b\r\n\r\n" % coding
    with connected(api.address) as wire:
        wire.send(head, *[b"%x\r\n%b\r\n" % (len(nothing), nothing)] * 12)
        assert wire.read().status == status


@FEW
@given(body=st.binary(max_size=200), coding=st.sampled_from([b"gzip", b"deflate", b"br"]))
def test_no_coded_bytes_fail_the_server(api: Api, body: bytes, coding: bytes) -> None:
    assert 400 <= exchange(api.address, post(body, b"Content-Encoding: " + coding)).status < 500
