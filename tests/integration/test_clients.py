"""What clients really send, byte for byte: forms, bare bodies, JSON, codings, old and impatient HTTP."""

from __future__ import annotations

import asyncio
import base64
import gc
import gzip
import io
import json
import threading
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Any

import brotli
import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar.types import Empty
from litestar.utils.scope.state import ScopeState
from PIL import Image
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from dandelion.api import codings
from dandelion.api import encoded as encoded_photos
from dandelion.api.app import create_app
from dandelion.api.forms import read_form
from dandelion.api.requests import MAX_JSON_BYTES
from dandelion.api.server import create_server, reserve_all
from dandelion.client import Client
from dandelion.errors import UploadError, UploadTooLargeError
from dandelion.settings import Settings
from tests.integration.conftest import Api, running_api
from tests.photos import jpeg
from tests.waiting import wait_until
from tests.wire import Reply, connected, exchange, post

MiB = 1024 * 1024
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SECRETS = {"access": {"enabled": True}}


@pytest.fixture(scope="module")
def plain(api: Api) -> dict[str, float]:
    """The probabilities of the photo that every client here sends."""
    return probabilities(exchange(api.address, post(jpeg(), b"Content-Type: image/jpeg")))


@pytest.fixture(autouse=True)
def a_good_photo_still_works(api: Api) -> Iterator[None]:
    yield
    assert exchange(api.address, post(jpeg(), b"Content-Type: image/jpeg")).status == HTTPStatus.OK


def encoded(kind: str) -> bytes:
    """The photo in another format."""
    stream = io.BytesIO()
    Image.open(io.BytesIO(jpeg())).save(stream, kind)
    return stream.getvalue()


def probabilities(reply: Reply) -> dict[str, float]:
    assert reply.status == HTTPStatus.OK, reply.body
    found: dict[str, float] = reply.json()["probabilities"]
    return found


def problem(reply: Reply, status: int, reason: str) -> str:
    """The detail of a problem."""
    assert (reply.status, reply.json()["reason"]) == (status, reason), reply.body
    assert reply.headers["content-type"] == "application/problem+json"
    return str(reply.json()["detail"])


# Keep-alive


def test_a_connection_outlives_the_pools_of_proxies(make_settings: Callable[..., Settings]) -> None:
    defaults = make_settings()
    assert defaults.api.keep_alive_seconds > 600
    assert defaults.ui.keep_alive_seconds > 600


def test_a_connection_is_held_as_long_as_the_setting_says(make_settings: Callable[..., Settings]) -> None:
    with running_api(make_settings(api={"keep_alive_seconds": 1})) as short, connected(short.address) as wire:
        wire.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.read().status == HTTPStatus.OK
        began = time.monotonic()
        assert wire.rest() == b""
        assert 0.5 < time.monotonic() - began < 5


def test_idle_connections_do_not_delay_the_stop_and_those_in_use_are_told(
    make_settings: Callable[..., Settings],
) -> None:
    prepared = make_settings(api={"drain_seconds": 0.5})
    listeners = reserve_all(prepared)
    app = create_app(prepared)
    server = create_server(app, prepared)
    thread = threading.Thread(target=server.run, kwargs={"sockets": listeners}, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the server has started")
    address = (prepared.api.host, prepared.api.port)
    live = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(address) as unused, connected(address) as idle, connected(address) as used:
        for wire in (idle, used):
            wire.send(live)
            assert "connection" not in wire.read().headers
        began = time.monotonic()
        server.handle_exit(15, None)
        used.send(live)
        assert used.read().headers["connection"] == "close"
        assert unused.rest() == idle.rest() == used.rest() == b""
        thread.join(10)
        assert not thread.is_alive()
        assert time.monotonic() - began < 5
    for listener in listeners:
        listener.close()


# Forms

DISPOSITIONS = {
    "latin1": b'; filename="caf\xe9.jpg"',
    "utf8": 'filename="löwenzahn 🌼.jpg"'.encode().join([b"; ", b""]),
    "shift-jis": b'; filename="\x83\x5c\x83\x5c.jpg"',
    "utf16": b'; filename="' + "löwe.jpg".encode("utf-16-le") + b'"',
    "nul": b'; filename="a\0.jpg"',
    "none": b"",
    "empty": b'; filename=""',
    "star": b"; filename*=UTF-8''l%C3%B6we.jpg",
    "star and plain": b"; filename=\"a.jpg\"; filename*=UTF-8''l%C3%B6we.jpg",
    "star, broken": b"; filename*=nonsense'%ZZ",
    "unquoted": b"; filename=a.jpg",
    "unquoted, blanks": b"; filename=a b c.jpg",
    "quotes": b'; filename="a\\"b\\".jpg"',
    "bare quote": b'; filename="a"b.jpg"',
    "backslash at the end": b'; filename="C:\\photos\\"',
    "percent": b'; filename="100%25 %22.jpg"',
    "semicolons": b'; filename="a; name=b; c.jpg"',
    "another name inside": b'; filename="a"; name="evil".jpg"',
    "line feed": b'; filename="a\nb.jpg"',
    "long": b'; filename="' + b"a" * 20_000 + b'.jpg"',
    "mime word": b'; filename="=?UTF-8?B?bMO2d2U=?="',
}


def form(
    disposition: bytes = b'; filename="a.jpg"',
    *,
    field: bytes = b"file",
    boundary: bytes = b"X",
    end: bytes = b"",
    photo: bytes | None = None,
) -> bytes:
    """A form with one part."""
    return b"".join(
        [
            b"--" + boundary + end + b"\r\n",
            b'Content-Disposition: form-data; name="' + field + b'"' + disposition + b"\r\n\r\n",
            jpeg() if photo is None else photo,
            b"\r\n--" + boundary + b"--" + end + b"\r\n",
        ]
    )


MULTIPART = b"Content-Type: multipart/form-data; boundary=X"


@pytest.mark.parametrize("kind", DISPOSITIONS)
def test_no_file_name_fails_a_photo(api: Api, plain: dict[str, float], kind: str) -> None:
    reply = exchange(api.address, post(form(DISPOSITIONS[kind]), MULTIPART))
    assert probabilities(reply) == plain


@FEW
@given(name=st.binary(max_size=300).filter(lambda name: b"\r" not in name and b"\n" not in name))
def test_a_file_name_of_any_bytes_fails_no_photo(api: Api, name: bytes) -> None:
    assert exchange(api.address, post(form(b'; filename="' + name + b'"'), MULTIPART)).status == HTTPStatus.OK


@pytest.mark.parametrize(
    "field",
    [
        *("file", "files", "file[]", "files[]", "file[0]", "image", "images", "images[]", "Image", "photo", "photos"),
        *("photos[2]", "upload", "uploads"),
    ],
)
def test_fields_that_other_programs_send_are_taken(api: Api, plain: dict[str, float], field: str) -> None:
    assert probabilities(exchange(api.address, post(form(field=field.encode()), MULTIPART))) == plain


@pytest.mark.parametrize("field", ["picture", "", "filename", "file]", "läufer", "\x00"])
def test_other_fields_are_named_with_those_that_are_taken(api: Api, field: str) -> None:
    told = problem(exchange(api.address, post(form(field=field.encode()), MULTIPART)), 422, "upload")
    assert repr(field) in told
    assert all(f"`{taken}`" in told for taken in ("file", "image", "photo", "upload"))


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        (b"multipart/form-data; boundary=X   ", b"X"),
        (b"multipart/form-data; boundary=X ; charset=utf-8", b"X"),
        (b"multipart/form-data; charset=utf-8;boundary=X", b"X"),
        (b'Multipart/Form-Data; Boundary="X"', b"X"),
        (b"multipart/form-data; boundary=----=_Part_1_234.567", b"----=_Part_1_234.567"),
        (b"multipart/form-data; boundary=a/b:c?d'(e)+f", b"a/b:c?d'(e)+f"),
        (b'multipart/form-data; boundary="a b, c"', b"a b, c"),
        (b"multipart/form-data", b"X"),
        (b"application/json", b"----WebKitFormBoundary7MA4YWxkTrZu0gW"),
        (b"", b"X"),
        (b"text/plain", b"X"),
    ],
)
def test_a_form_is_found_by_its_bytes(api: Api, plain: dict[str, float], header: bytes, boundary: bytes) -> None:
    headers = [b"Content-Type: " + header] if header else []
    assert probabilities(exchange(api.address, post(form(boundary=boundary), *headers))) == plain


@pytest.mark.parametrize("end", [b" ", b"\t", b"  \t "])
@pytest.mark.parametrize("cut", [0, 1, 3, 4, 5, 40])
def test_blanks_may_follow_a_boundary(api: Api, plain: dict[str, float], end: bytes, cut: int) -> None:
    body = form(end=end)
    head = post(body, MULTIPART)[: -len(body)]
    with connected(api.address) as wire:
        wire.send(head + body[:cut])
        time.sleep(0.02 if cut else 0)
        wire.send(body[cut:])
        assert probabilities(wire.read()) == plain


def test_several_photos_under_several_names_are_answered_in_their_order(api: Api) -> None:
    parts = [form(field=b"images[]"), form(field=b"file", photo=b"none"), form(field=b"photo")]
    body = b"".join(part.removesuffix(b"--X--\r\n") for part in parts) + b"--X--\r\n"
    entries = exchange(api.address, post(body, MULTIPART)).json()["predictions"]
    assert ["label" in entry for entry in entries] == [True, False, True]


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'filename="a; name=evil; b"; name="file"', "file"),
        (b'filename="a\\"; name=evil; b"; name="file"', "file"),
        (b'filename="C:\\photos\\"; name="file"', "file"),
        (b"filename=a.jpg; NAME = file", "file"),
        (b'name="file"; filename="a"; name="evil".jpg"', "file"),
        (b'x-name="file"; name="evil"', "evil"),
    ],
)
async def test_a_file_name_names_no_field(disposition: bytes, name: str) -> None:
    body = b"--X\r\nContent-Disposition: form-data; " + disposition + b"\r\n\r\nphoto\r\n--X--\r\n"
    if name == "file":
        assert await read_form(body, parts(), "X", 1) == [b"photo"]
    else:
        with pytest.raises(UploadError, match=repr(name)):
            await read_form(body, parts(), "X", 1)


async def parts(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def turns_while(work: Awaitable[Any]) -> int:
    """How often others run while something is awaited, which may fail."""
    task, turns = asyncio.ensure_future(work), 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    return turns


@pytest.mark.parametrize("end", [b"", b" \t"])
async def test_others_run_while_a_large_form_is_read(end: bytes) -> None:
    body = form(end=end, photo=bytes(4 * MiB))
    assert await turns_while(read_form(body, parts(), "X", 1)) > 4 * MiB // (64 * 1024)


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
async def test_blanks_after_boundaries_are_found_wherever_the_bytes_are_cut(size: int) -> None:
    photos = [np.random.default_rng(7).bytes(3000), b"\r\n--X", b"\r\n--X \t", b"\r\n--Y  \r\n", b""]
    head = b'--X \t\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
    body = b"".join(head + photo + b"\r\n" for photo in photos[:1] + photos[3:]) + b"--X--  \r\n"
    cut = [body[at : at + size] for at in range(len(head), len(body), size)]
    assert await read_form(body[: len(head)], parts(*cut), "X", 9) == photos[:1] + photos[3:]


@pytest.mark.parametrize("end", [b"", b" "])
@pytest.mark.parametrize(
    ("field", "told"),
    [
        (b"--X%b\r\n" + (b"A: b\r\n" + b" a\r\n" * 20_000) * 30, "header lines"),
        (b"--X%b\r\n" + b"A: b\r\n" * MiB, "header"),
        (b'--X%b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 100_000, "segment count"),
    ],
    ids=["continued", "many", "parts"],
)
async def test_headers_and_parts_without_end_are_refused_at_the_limit(end: bytes, field: bytes, told: str) -> None:
    body = field.replace(b"%b", end)
    began = time.process_time()
    with pytest.raises(UploadError, match=told):
        await read_form(body, parts(), "X", 20)
    assert time.process_time() - began < 0.5


async def test_a_header_may_be_continued_for_some_lines() -> None:
    continued = b"".join(b"\r\n part" for _ in range(20))
    body = b'--X\r\nContent-Disposition: form-data; name="file";' + continued + b"\r\n\r\nphoto\r\n--X--\r\n"
    assert await read_form(body, parts(), "X", 1) == [b"photo"]


def test_the_server_answers_others_while_it_reads_a_hostile_form(api: Api) -> None:
    field = b"--X \r\n" + (b"A: b\r\n" + b" a\r\n" * 20_000) * 30
    with connected(api.address) as wire:
        wire.send(post(gzip.compress(field), MULTIPART, b"Content-Encoding: gzip"))
        began = time.monotonic()
        assert httpx.get(f"{api.url}/livez").status_code == HTTPStatus.OK
        assert time.monotonic() - began < 2
        problem(wire.read(), 422, "upload")


# Types


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


# Codings


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
    "br": (b"br", brotli.compress),
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
    text = json.dumps({"image": base64.b64encode(jpeg()).decode()}).encode()
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


@pytest.mark.parametrize("name", ["gzip", "zlib", "raw deflate", "br"])
@pytest.mark.parametrize("path", [b"/predict", b"/feedback"])
def test_a_bomb_is_inflated_up_to_the_limit_only(
    api: Api, monkeypatch: pytest.MonkeyPatch, name: str, path: bytes
) -> None:
    coding, encode = CODED[name]
    bomb, pieces = encode(b" " * (40 * MiB)), list[int]()

    def counted(body: bytes, *, more: bool) -> Any:
        pieces.append(len(body))
        return {"type": "http.request", "body": body, "more_body": more}

    monkeypatch.setattr(codings, "_message", counted)
    kind = b"Content-Type: application/json"
    reply = exchange(api.address, post(bomb, kind, b"Content-Encoding: " + coding, path=path))
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


# Expectations


def expecting(*headers: bytes, path: bytes = b"/predict", length: int = 0, version: bytes = b"1.1") -> bytes:
    lines = (b"POST %b HTTP/%b" % (path, version), b"Host: x", b"Content-Length: %d" % length, b"Expect: 100-continue")
    return b"\r\n".join((*lines, *headers, b"", b""))


def test_an_expected_continue_comes_at_once_and_the_connection_lives_on(api: Api, plain: dict[str, float]) -> None:
    with connected(api.address) as wire:
        for _ in range(2):
            wire.send(expecting(length=len(jpeg())))
            assert wire.read().status == HTTPStatus.CONTINUE
            wire.send(jpeg())
            reply = wire.read()
            assert probabilities(reply) == plain
            assert "connection" not in reply.headers


@pytest.mark.parametrize(
    ("headers", "path", "length", "status"),
    [
        ((), b"/predict", 9 * MiB, 413),
        ((b"Content-Type: application/json",), b"/feedback", 9 * MiB, 413),
        ((b"Content-Encoding: gzip",), b"/predict", 9 * MiB, 413),
        ((b"Content-Encoding: zstd",), b"/predict", 1000, 415),
        ((), b"/nowhere", 1000, 404),
        ((), b"/model", 1000, 405),
        ((b"Origin: http://evil",), b"/predict", 1000, 403),
    ],
)
def test_a_refusal_comes_before_the_body(
    api: Api, headers: tuple[bytes, ...], path: bytes, length: int, status: int
) -> None:
    with connected(api.address) as wire:
        wire.send(expecting(*headers, path=path, length=length))
        reply = wire.read()
        assert reply.status == status
        assert reply.headers["connection"] == "close"  # what comes next could be the body, or another request
        assert wire.rest() == b""


def test_a_key_is_asked_for_before_the_body(make_settings: Callable[..., Settings]) -> None:
    with running_api(make_settings(**SECRETS)) as guarded, connected(guarded.address) as wire:
        wire.send(expecting(length=1000))
        assert wire.read().status == HTTPStatus.UNAUTHORIZED
        assert wire.rest() == b""


def test_what_follows_a_refused_expectation_is_no_request(api: Api) -> None:
    with connected(api.address) as wire:
        wire.send(expecting(path=b"/nowhere", length=1000))
        assert wire.read().status == HTTPStatus.NOT_FOUND
        wire.send(b"GET /model HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.rest() == b""


def test_old_http_expects_nothing(api: Api, plain: dict[str, float]) -> None:
    with connected(api.address) as wire:
        wire.send(expecting(length=len(jpeg()), version=b"1.0"))
        assert wire.is_silent(0.3)
        wire.send(jpeg())
        assert probabilities(wire.read()) == plain
        assert wire.rest() == b""


# Methods and paths


def paths_of(api: Api) -> list[str]:
    """Every GET route without a parameter."""
    schema = httpx.get(f"{api.url}/openapi.json").json()
    return [
        "/docs",
        "/openapi.json",
        *(path for path, each in schema["paths"].items() if "get" in each and "{" not in path),
    ]


def test_every_get_route_answers_head_and_options_and_a_slash_at_its_end(api: Api) -> None:
    paths = paths_of(api)
    assert {"/", "/model", "/health", "/predictions", "/metrics"} <= set(paths)
    with httpx.Client(base_url=api.url) as http:
        for path in paths:
            shown, head, options = http.get(path), http.head(path), http.options(path)
            assert (head.status_code, head.content) == (shown.status_code, b""), path
            assert head.headers["content-type"] == shown.headers["content-type"], path
            assert (options.status_code, options.content) == (204, b""), path
            assert {"GET", "HEAD", "OPTIONS"} <= set(options.headers["allow"].split(", ")), path
            assert http.get(f"{path}/" if path != "/" else "//").status_code == shown.status_code, path
            refused = http.request("PROPFIND", path)
            assert refused.status_code == 405, path
            assert {"GET", "HEAD"} <= set(refused.headers["allow"].split(", ")), path


def test_head_is_counted_as_head(api: Api) -> None:
    httpx.head(f"{api.url}/model")
    assert 'http_requests_total{method="HEAD",route="/model"' in httpx.get(f"{api.url}/metrics").text


def test_head_and_options_need_the_key_that_get_needs(make_settings: Callable[..., Settings]) -> None:
    with running_api(make_settings(**SECRETS)) as guarded:
        assert httpx.head(f"{guarded.url}/model").status_code == 401
        assert httpx.head(f"{guarded.url}/").status_code == 200
        assert httpx.get(f"{guarded.url}/").status_code == 200


def test_the_root_says_where_the_documentation_is(api: Api) -> None:
    answer = httpx.get(api.url)
    assert answer.status_code == 200
    assert answer.json()["docs"] == "/docs"


@pytest.mark.parametrize("path", [b"/", b"/docs", b"/openapi.json", b"/metrics", b"/predictions", b"/livez"])
@pytest.mark.parametrize("connection", [b"", b"Connection: Keep-Alive\r\n"])
def test_old_http_gets_no_chunks_and_a_closed_connection(api: Api, path: bytes, connection: bytes) -> None:
    with connected(api.address) as wire:
        wire.send(b"GET " + path + b" HTTP/1.0\r\n" + connection + b"\r\n")
        reply = wire.read()
        assert reply.status == HTTPStatus.OK
        assert "transfer-encoding" not in reply.headers
        assert wire.rest() == b""


# Sub-paths


@pytest.fixture(scope="module")
def proxied(make_settings: Callable[..., Settings]) -> Iterator[Api]:
    """A server that trusts the proxy on this machine, which forwards `X-Forwarded-Prefix`."""
    trusting = {"trusted_proxies": ("127.0.0.1",), "trust_forwarded_prefix": True, "root_path": "/set"}
    with running_api(make_settings(api=trusting)) as running:
        yield running


@pytest.mark.parametrize(
    ("sent", "root"),
    [
        ([], "/set"),
        (["/plants"], "/plants"),
        (["/plants/"], "/plants"),
        (["/"], ""),
        ([""], "/set"),
        (["/outer, /inner"], "/outer/inner"),
        (["/outer", "/inner"], "/outer/inner"),
        (["/predict"], "/predict"),
        (["/docs"], "/docs"),
        (["plants"], "/set"),
        (["//evil.example"], "/set"),
        (["/a/../b"], "/set"),
        (["/a/./b"], "/set"),
        (["/'><script>alert(1)</script>"], "/set"),
        (["https://evil.example/"], "/set"),
        (["/plänts"], "/set"),
    ],
)
def test_documentation_and_schema_name_the_path_that_browsers_see(proxied: Api, sent: list[str], root: str) -> None:
    headers = [(b"X-Forwarded-Prefix", each.encode("latin-1")) for each in sent]
    with httpx.Client(base_url=proxied.url) as http:
        assert http.get("/", headers=headers).json()["docs"] == f"{root}/docs"
        for path in ("/openapi.json", "/docs/openapi.json"):
            assert http.get(path, headers=headers).json()["servers"] == [{"url": root or "/"}]
        page = http.get("/docs", headers=headers)
        assert f'src="{root}/docs/assets/swagger-ui-bundle.js"' in page.text
        assert f'"servers":[{{"url":"{root or "/"}"}}]' in page.text
        assert "script-src" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
        assert http.get("/docs/assets/swagger-ui.css", headers=headers).status_code == 200
        assert http.post("/predict", content=jpeg(), headers=headers).status_code == 200
        assert http.get("/nowhere", headers=headers).status_code == 404


def test_a_prefix_of_somebody_else_is_not_believed(api: Api) -> None:
    answer = httpx.get(api.url, headers={"X-Forwarded-Prefix": "/evil"})
    assert answer.json()["docs"] == "/docs"


def test_a_prefix_that_a_trusted_proxy_passes_on_is_not_believed_unasked(
    make_settings: Callable[..., Settings],
) -> None:
    with running_api(make_settings(api={"trusted_proxies": ("127.0.0.1",)})) as behind:
        answer = httpx.get(behind.url, headers={"X-Forwarded-Prefix": "/evil"})
        assert answer.json()["docs"] == "/docs"


def test_only_assets_may_be_stored(api: Api) -> None:
    with httpx.Client(base_url=api.url) as http:
        assert "cache-control" not in http.get("/docs/assets/swagger-ui.css").headers
        for path in ("/", "/docs", "/docs/openapi.json", "/openapi.json", "/nowhere"):
            assert http.get(path).headers["cache-control"] == "no-store", path


@pytest.mark.parametrize("text", ["plants", "//evil", "/a b", "/a?b", "/ä", "/..", "/<x>"])
def test_a_root_path_that_is_none_is_refused(make_settings: Callable[..., Settings], text: str) -> None:
    with pytest.raises(ValueError, match="such as /dandelion"):
        make_settings(api={"root_path": text})


# JSON


def base64_of(photo: bytes) -> str:
    return base64.b64encode(photo).decode()


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


# Some of the probabilities


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
