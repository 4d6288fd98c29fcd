"""Where a request ends: whatever its head offers and however its bytes arrive, one request gets one response."""

from __future__ import annotations

import http
import itertools
import socket
import time
from contextlib import suppress

import httptools
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.conftest import Api
from tests.photos import jpeg

HIDDEN = b"GET /model HTTP/1.1\r\nHost: x\r\n\r\n"
OFFERS = ("h2c", "websocket", "TLS/1.0", "h2c, websocket", "made-up/7")
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Responses:
    """The statuses that a server sends, in order; `100 Continue` is none."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        if (status := self._parser.get_status_code()) != http.HTTPStatus.CONTINUE:
            self.statuses.append(status)


def statuses_of(api: Api, *segments: bytes, expected: int = 1) -> list[int]:
    """The statuses that answer some segments; waits a moment for more than expected, which there must not be."""
    responses = Responses()
    with socket.create_connection(api.address, timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(ConnectionError):  # refused before all was sent
            for segment in segments:
                connection.sendall(segment)
                if len(segments) > 1:
                    time.sleep(0.002)  # so that the server reads them apart
        try:
            while more := connection.recv(65536):
                responses.feed(more)
                if len(responses.statuses) >= expected:
                    connection.settimeout(0.05)
        except TimeoutError:
            assert len(responses.statuses) >= expected, "the server neither answered nor closed"
        except ConnectionError:
            pass
    return responses.statuses


def post(body: bytes, *headers: str, path: str = "/predict", framing: str = "") -> tuple[bytes, bytes]:
    """Head and body of a request."""
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: x",
        "Content-Type: image/jpeg",
        framing or f"Content-Length: {len(body)}",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode(), body


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_an_offer_of_another_protocol_is_ignored_and_the_photo_is_classified(
    api: Api, offer: str, chunked: bool
) -> None:
    photo = jpeg()
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": offer, "HTTP2-Settings": "AAEAAEAAAAIAAAAB"}
    headers["Content-Type"] = "image/jpeg"
    response = httpx.post(f"{api.url}/predict", content=iter([photo]) if chunked else photo, headers=headers)
    assert response.status_code == http.HTTPStatus.OK
    assert response.json()["label"]


@pytest.mark.parametrize("offer", OFFERS)
def test_a_body_never_runs_as_a_request(api: Api, offer: str) -> None:
    head, body = post(HIDDEN, "Connection: Upgrade", f"Upgrade: {offer}")
    assert statuses_of(api, head, body) == [http.HTTPStatus.BAD_REQUEST]


def test_a_connection_lives_on_after_an_offer(api: Api) -> None:
    head, body = post(jpeg(), "Connection: upgrade", "Upgrade: h2c")
    assert statuses_of(api, head + body + head + body, HIDDEN, expected=3) == [200, 200, 200]


def test_a_tunnel_is_refused(api: Api) -> None:
    assert statuses_of(api, b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", HIDDEN) == [400]


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: +4",
        "Content-Length: 4, 4",
        "Content-Length: 0x4",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: gzip, chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\x0bchunked",
        "Content-Length: 4\r\n\tfolded: yes",
    ],
)
@pytest.mark.parametrize("offer", [(), ("Connection: Upgrade", "Upgrade: h2c")], ids=["plain", "offer"])
def test_a_length_in_doubt_closes_the_connection(api: Api, framing: str, offer: tuple[str, ...]) -> None:
    head, body = post(b"0\r\n\r\n" + HIDDEN, *offer, framing=framing)
    assert statuses_of(api, head, body) == [http.HTTPStatus.BAD_REQUEST]


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from([b"", b"x", HIDDEN, HIDDEN * 3, b"0\r\n\r\n" + HIDDEN, b"\r\n" * 5]),
        st.booleans(),
        st.sampled_from(["", *OFFERS]),
    ),
    min_size=1,
    max_size=4,
)


@FEW
@given(requests=REQUESTS, data=st.data())
def test_as_many_responses_as_requests(api: Api, requests: list[tuple[bytes, bool, str]], data: st.DataObject) -> None:
    """Pipelined, cut into segments anywhere, with bodies that look like requests."""
    sent = b""
    for body, chunked, offer in requests:
        headers = ("Connection: Upgrade", f"Upgrade: {offer}") if offer else ()
        framed = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n" if chunked else body
        sent += b"".join(post(framed, *headers, framing="Transfer-Encoding: chunked" if chunked else ""))
    cuts = sorted(data.draw(st.lists(st.integers(1, len(sent) - 1), max_size=8), label="cuts"))
    segments = [sent[start:end] for start, end in itertools.pairwise([0, *cuts, len(sent)])]
    found = statuses_of(api, *segments, expected=len(requests))
    assert len(found) == len(requests)
    assert http.HTTPStatus.OK not in found, "a body ran as a request"


@FEW
@given(
    offer=st.binary(max_size=100).filter(lambda offer: not {0x0A, 0x0D} & {*offer}),
    connection=st.sampled_from([b"Upgrade", b"upgrade, close", b" ,Upgrade,, ", b"keep-alive", b"\xffUpgrade"]),
)
def test_whatever_is_offered_a_body_is_none_but_a_body(api: Api, offer: bytes, connection: bytes) -> None:
    head, body = post(HIDDEN)
    head = head[:-2] + b"Connection: " + connection + b"\r\nUpgrade: " + offer + b"\r\n\r\n"
    assert statuses_of(api, head, body) == [http.HTTPStatus.BAD_REQUEST]
