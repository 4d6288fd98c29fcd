"""Every kind of HTTP that clients and attackers send, as bytes, and its responses: straight, and behind proxies."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

import brotli

from dandelion.telemetry import instruments
from tests.integration.clients.bodies import MULTIPART, MiB, base64_of, form
from tests.photos import jpeg
from tests.wire import Reply, connected, exchange, post

Statuses = tuple[int, ...]
Way = Literal["straight", "nginx", "envoy"]
LIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
HIDDEN = b"GET /model HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass(frozen=True)
class Kind:
    """Requests on one connection.

    Attributes:
        sent: Their bytes, in segments. What follows `Expect: 100-continue` is sent once that has come.
        straight: The statuses of all responses, in order.
        holds: What the last body holds; a proxy's own body is not looked at.
        nginx, envoy: The statuses behind that proxy, if others.
    """

    sent: tuple[bytes, ...]
    straight: Statuses
    holds: bytes = b""
    nginx: Statuses = ()
    envoy: Statuses = ()

    def statuses(self, way: Way) -> Statuses:
        found: Statuses = getattr(self, way)
        return found or self.straight


def head(*lines: bytes, first: bytes = b"POST /predict HTTP/1.1") -> bytes:
    return b"\r\n".join((first, b"Host: x", *lines, b"", b""))


def chunks(body: bytes, size: int = 1000) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def ask(path: bytes, *lines: bytes, method: bytes = b"GET", version: bytes = b"1.1") -> tuple[bytes]:
    return (head(*lines, first=b"%b %b HTTP/%b" % (method, path, version)),)


def answered(*sent: bytes) -> Kind:
    """A photo, which is classified on every way."""
    return Kind(sent, (200,), b'"label"')


def coded(coding: bytes, body: bytes) -> bytes:
    return post(body, b"Content-Encoding: " + coding)


def expecting(body: bytes, *lines: bytes, path: bytes = b"/predict") -> tuple[bytes, bytes]:
    return head(EXPECT, b"Content-Length: %d" % len(body), *lines, first=b"POST %b HTTP/1.1" % path), body


def offering(protocol: bytes, body: bytes) -> tuple[bytes, bytes]:
    """A request that offers another protocol, and its body in a segment of its own."""
    lines = (b"Content-Length: %d" % len(body), b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAEAAEAAAAI")
    return head(*lines, b"Upgrade: " + protocol), body


def framed(*lines: bytes) -> tuple[bytes, bytes]:
    """A request whose body has another end for who believes another line: a request hides behind an empty chunk."""
    return head(*lines), b"0\r\n\r\n" + HIDDEN


def cut(chunk: bytes) -> tuple[bytes, bytes]:
    """A chunk that is malformed, and a hidden request behind it."""
    return head(CHUNKED), chunk + b"0\r\n\r\n" + HIDDEN


CHUNKED, FOUR, EXPECT = b"Transfer-Encoding: chunked", b"Content-Length: 4", b"Expect: 100-continue"
PHOTO, LARGE = post(jpeg()), bytes(9 * MiB)
IN_JSON = json.dumps({"image": base64_of(jpeg())}).encode()
INSTANCES = json.dumps({"instances": [{"b64": base64_of(jpeg())}] * 2}).encode()
MALFORMED = (400,)

BODIES = {
    "a photo": answered(PHOTO),
    "segments": answered(*(PHOTO[at : at + 997] for at in range(0, len(PHOTO), 997))),
    "chunks": answered(head(CHUNKED), chunks(jpeg())),
    "chunks of few bytes": answered(head(CHUNKED) + chunks(jpeg(), 7)),
    "chunks with extensions, and a trailer": answered(
        head(CHUNKED), b"%x;a=b;c\r\n%b\r\n0\r\nX-Sum: 1\r\n\r\n" % (len(jpeg()), jpeg())
    ),
    "chunks in capitals": answered(head(CHUNKED.upper()), chunks(jpeg())),
    "a form": answered(post(form(), MULTIPART)),
    "a form, its name in Latin-1": answered(post(form(b'; filename="caf\xe9.jpg"'), MULTIPART)),
    "a form in chunks": answered(head(CHUNKED, MULTIPART) + chunks(form())),
    "base64 in JSON": answered(post(IN_JSON, b"Content-Type: application/json")),
    "instances": Kind((post(INSTANCES),), (200,), b'"predictions"'),
    "one class": answered(post(jpeg(), path=b"/predict?top_k=1")),
    "no photo": Kind((post(b"hello"),), (400,), b'"not_an_image"'),
    "no body": Kind((post(b""),), (400,), b'"not_an_image"'),
    "gzip": answered(coded(b"gzip", gzip.compress(jpeg()))),
    "gzip in chunks": answered(head(CHUNKED, b"Content-Encoding: gzip") + chunks(gzip.compress(jpeg()))),
    "deflate": answered(coded(b"deflate", zlib.compress(jpeg()))),
    "br": answered(coded(b"br", brotli.compress(jpeg(), quality=5))),
    "zstd": Kind((coded(b"zstd", jpeg()),), (415,), b'"content_coding"'),
    "a bomb": Kind((coded(b"gzip", gzip.compress(bytes(20 * MiB))),), (413,), b'"upload_too_large"'),
    "too large": Kind((post(LARGE),), (413,), b'"upload_too_large"'),
    "too large, in chunks": Kind((head(CHUNKED) + chunks(LARGE, MiB),), (413,), b'"upload_too_large"'),
    "a gigabyte is announced": Kind((head(b"Content-Length: 1000000000"),), (413,)),
    "continue": Kind(expecting(jpeg()), (100, 200), b'"label"'),
    "continue, in chunks": Kind((head(EXPECT, CHUNKED), chunks(jpeg())), (100, 200), b'"label"'),
    "continue, all at once": Kind((post(jpeg(), EXPECT),), (100, 200), b'"label"'),
    # Both proxies say `100 Continue` themselves.
    "continue, too large": Kind(expecting(LARGE), (413,), b'"upload_too_large"', (100, 413), (100, 413)),
    "continue, zstd": Kind(
        expecting(b"abcd", b"Content-Encoding: zstd"), (415,), b'"content_coding"', (100, 415), (100, 415)
    ),
    "continue, nowhere": Kind(expecting(HIDDEN, path=b"/nowhere"), (404,), b"", (100, 404), (100, 404)),
    "another expectation": answered(post(jpeg(), b"Expect: a-miracle")),
}
HEADS = {
    "root": Kind(ask(b"/"), (200,), b'"docs"'),
    "OPTIONS": Kind(ask(b"/livez", method=b"OPTIONS"), (204,)),
    "OPTIONS of all": Kind(ask(b"*", method=b"OPTIONS"), (404,), nginx=MALFORMED),
    "PROPFIND": Kind(ask(b"/livez", method=b"PROPFIND"), (405,)),
    "TRACE": Kind(ask(b"/livez", method=b"TRACE"), (405,)),
    "a made-up method": Kind(ask(b"/livez", method=b"MAKE"), MALFORMED),
    "a method in small letters": Kind(ask(b"/livez", method=b"get"), MALFORMED),
    "a tunnel": Kind((*ask(b"x:443", method=b"CONNECT"), HIDDEN), MALFORMED, envoy=(404,)),
    "a slash at the end": Kind(ask(b"/livez/"), (200,)),
    "two slashes": Kind(ask(b"//livez"), (200,)),
    "percents": Kind(ask(b"/%6civez"), (200,)),
    # nginx resolves paths before it looks at them.
    "dots": Kind(ask(b"/x/../livez"), (404,), nginx=(200,)),
    "dots in percents": Kind(ask(b"/x%2f..%2flivez"), (404,), nginx=(200,)),
    "nowhere": Kind(ask(b"/nowhere"), (404,)),
    "a whole address": Kind(ask(b"http://x/livez"), (200,)),
    "a body on GET": Kind((*ask(b"/livez", b"Content-Length: %d" % len(HIDDEN)), HIDDEN), (200,)),
    "chunks on GET": Kind((*ask(b"/livez", CHUNKED), chunks(HIDDEN)), (200,)),
    "HTTP/1.0": answered(post(jpeg(), version=b"1.0")),
    "HTTP/1.0, kept": answered(post(jpeg(), b"Connection: keep-alive", version=b"1.0")),
    "HTTP/1.0 without a host": Kind((b"GET /livez HTTP/1.0\r\n\r\n",), (200,), envoy=MALFORMED),
    "HTTP/1.0 in chunks": Kind((head(CHUNKED, first=b"POST /predict HTTP/1.0"), chunks(HIDDEN)), MALFORMED),
    "HTTP/1.2": Kind(ask(b"/livez", version=b"1.2"), MALFORMED, nginx=(200,), envoy=(200,)),
    "HTTP/2 without an offer": Kind((b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",), MALFORMED),
    "TLS": Kind((b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),), MALFORMED),
    "closed": answered(post(jpeg(), b"Connection: close")),
    "pipelined": Kind((PHOTO + PHOTO + LIVE + b"\r\n" + PHOTO,), (200, 200, 200, 200), b'"label"'),
    "pipelined behind an error": Kind((post(b"hello") + LIVE + b"\r\n" + PHOTO,), (400, 200, 200), b'"label"'),
    "blank lines before": answered(b"\r\n\r\n" + PHOTO),
    "no carriage returns": Kind((PHOTO.replace(b"\r\n", b"\n", 3),), MALFORMED, nginx=(200,), envoy=(200,)),
    "a long head": Kind(ask(b"/livez", b"X-A: " + b"a" * 400_000), (431,), nginx=MALFORMED),
    "no host": Kind((b"GET /livez HTTP/1.1\r\n\r\n",), (200,), nginx=MALFORMED, envoy=MALFORMED),
    "two hosts": Kind(ask(b"/livez", b"Host: y"), MALFORMED, envoy=(200,)),
    "a host that is none": Kind((b"GET /livez HTTP/1.1\r\nHost: x:port\r\n\r\n",), MALFORMED),
    "h2c": answered(*offering(b"h2c", jpeg())),
    "h2c, pipelined": Kind((b"".join(offering(b"h2c", jpeg()) * 2) + LIVE + b"\r\n",), (200, 200, 200)),
    "h2c, a hidden request": Kind(offering(b"h2c", HIDDEN), (400,), b'"not_an_image"'),
    # Envoy refuses to pass on what it was not told to.
    "a web socket, a hidden request": Kind(offering(b"websocket", HIDDEN), (400,), b'"not_an_image"', envoy=(403,)),
    "TLS offered, a hidden request": Kind(offering(b"TLS/1.0", HIDDEN), (400,), b'"not_an_image"', envoy=(403,)),
}
# 501 is a proxy's word for a coding that it does not know. Where a proxy sees two requests, (400, 200), it passes on
# two, each with one end.
ENDS = {
    "a length, then chunks": Kind(framed(FOUR, CHUNKED), MALFORMED),
    "chunks, then a length": Kind(framed(CHUNKED, FOUR), MALFORMED),
    "chunks, a length and an offer": Kind(framed(FOUR, CHUNKED, b"Connection: Upgrade", b"Upgrade: h2c"), MALFORMED),
    "two lengths": Kind(framed(FOUR, b"Content-Length: 5"), MALFORMED),
    "a length twice": Kind(framed(FOUR, FOUR), MALFORMED),
    "a list of lengths": Kind(framed(b"Content-Length: 4, 4"), MALFORMED),
    "a length with a sign": Kind(framed(b"Content-Length: +4"), MALFORMED),
    "a length in hex": Kind(framed(b"Content-Length: 0x4"), MALFORMED),
    "a negative length": Kind(framed(b"Content-Length: -1"), MALFORMED),
    "a length without end": Kind(framed(b"Content-Length: 99999999999999999999999"), MALFORMED),
    "an empty length": Kind(framed(b"Content-Length: "), MALFORMED),
    "chunks not last": Kind(framed(CHUNKED + b", identity"), MALFORMED, nginx=(501,), envoy=(501,)),
    "chunks after gzip": Kind(framed(b"Transfer-Encoding: gzip, chunked"), (400, 200), nginx=(501,), envoy=(501,)),
    "chunks twice": Kind(framed(CHUNKED, CHUNKED), MALFORMED, envoy=(501,)),
    "chunks misspelt": Kind(framed(b"Transfer-Encoding: xchunked"), MALFORMED, nginx=(501,), envoy=(501,)),
    "a blank before the colon": Kind(framed(b"Transfer-Encoding : chunked"), MALFORMED),
    "a vertical tab": Kind(framed(b"Transfer-Encoding:\x0bchunked"), MALFORMED, nginx=(501,)),
    "a folded line": Kind(framed(FOUR, b"\tfolded: yes"), MALFORMED),
    "a nul": Kind(framed(FOUR, b"X-A: a\0b"), MALFORMED),
    "a line feed in a header": Kind(framed(FOUR, b"X-A: a\n" + CHUNKED), MALFORMED),
    "a carriage return in a header": Kind(framed(FOUR, b"X-A: a\r" + CHUNKED), MALFORMED, envoy=(400, 200)),
    "a chunk's size with a sign": Kind(cut(b"+4\r\nabcd\r\n"), MALFORMED),
    "a chunk's size in 0x": Kind(cut(b"0x4\r\nabcd\r\n"), MALFORMED),
    "a chunk's size without end": Kind(cut(b"fffffffffffffffff\r\nabcd\r\n"), MALFORMED),
    "a chunk longer than it says": Kind(cut(b"4\r\nabcdef\r\n"), MALFORMED, envoy=(400, 200)),
    "a chunk's size, a line feed": Kind(cut(b"4\nabcd\r\n"), MALFORMED, nginx=(400, 200)),
    "a chunk's size, a blank": Kind(cut(b"4 \r\nabcd\r\n"), MALFORMED, nginx=(400, 200), envoy=(400, 200)),
    "an extension with a line feed": Kind(cut(b"4;a\n=b\r\nabcd\r\n"), MALFORMED),
}
KINDS = BODIES | HEADS | ENDS


def replay(address: tuple[str, int], sent: tuple[bytes, ...], count: int) -> list[Reply]:
    """The responses to some segments, of which so many are expected.

    Raises:
        AssertionError: A hidden request ran, or what came next on this or another connection has another's response.
    """
    replies, before = list[Reply](), hidden_requests()

    def goes_on() -> bool:
        return not replies or replies[-1].headers.get("connection") != "close"

    with connected(address) as wire:
        for segment in sent:
            wire.send(segment)
            if EXPECT in segment:
                replies.append(wire.read())
                if replies[-1].status != HTTPStatus.CONTINUE:
                    break
        while len(replies) < count and goes_on():
            replies.append(wire.read())
        if goes_on():
            wire.send(LIVE + b"X-Request-Id: last\r\nConnection: close\r\n\r\n")
        else:
            with suppress(OSError):  # it is closed already
                wire.socket.shutdown(socket.SHUT_WR)
        replies += wire.read_all()
    if replies[-1].headers.get("x-request-id") == "last":
        assert replies.pop().status == HTTPStatus.OK
    after = exchange(address, LIVE + b"X-Request-Id: next\r\nConnection: close\r\n\r\n")
    assert (after.status, after.headers["x-request-id"]) == (200, "next")
    requests = [each for each in replies if each.status != HTTPStatus.CONTINUE]
    assert hidden_requests() - before == len(requests) - 1 if sent[-1].endswith(HIDDEN) else hidden_requests() == before
    return replies


def hidden_requests() -> float:
    """How often this process has answered what bodies hide."""
    samples = (sample for metric in instruments.REQUESTS.collect() for sample in metric.samples)
    return sum(each.value for each in samples if each.name.endswith("_total") and each.labels["route"] == "/model")
