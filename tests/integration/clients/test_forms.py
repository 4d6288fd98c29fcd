"""Forms as clients send them: file names, fields, boundaries, and what is hostile in them."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Awaitable
from http import HTTPStatus
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dandelion.api.forms import read_form
from dandelion.errors import UploadError
from tests.integration.clients.bodies import MULTIPART, MiB, form
from tests.integration.clients.replies import FEW, probabilities, problem
from tests.integration.conftest import Api
from tests.wire import connected, exchange, post

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
