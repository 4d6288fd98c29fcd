"""What nobody should send: each gets its status, a problem, a counted reason, and the next good photo works."""

from __future__ import annotations

import io
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from dandelion.api import app
from dandelion.settings import Settings
from tests.integration.conftest import Api, running_api
from tests.photos import jpeg
from tests.waiting import wait_until

JPEG = {"Content-Type": "image/jpeg"}


def reasons(http: httpx.Client) -> dict[str, float]:
    """How often each reason was counted."""
    return {
        sample.labels["reason"]: sample.value
        for family in text_string_to_metric_families(http.get("/metrics").text)
        for sample in family.samples
        if sample.name == "prediction_errors_total"
    }


def png_bomb() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(90_001)))
        + chunk(b"IEND", b"")
    )


def corrupt_gif() -> bytes:
    stream = io.BytesIO()
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))
    noise.save(stream, "GIF", save_all=True, append_images=[noise.rotate(90)])
    return stream.getvalue()[:1200]


@pytest.fixture(autouse=True)
def a_good_photo_still_works(http: httpx.Client) -> Iterator[None]:
    yield
    assert http.post("/predict", content=jpeg(), headers=JPEG).status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status", "reason"),
    [
        (b"", "image/jpeg", 400, "not_an_image"),
        (b"just some text", "image/jpeg", 400, "not_an_image"),
        (jpeg()[:-2000], "image/jpeg", 400, "not_an_image"),
        (corrupt_gif(), "image/gif", 400, "not_an_image"),
        (png_bomb(), "image/png", 413, "photo_too_large"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", 415, "unsupported_format"),
        (b"{}", "application/json", 422, "upload"),
        (b"", "", 400, "not_an_image"),
        (b"nonsense", "multipart/form-data; boundary=x", 422, "upload"),
        (b"nonsense", "multipart/form-data", 422, "upload"),
        (bytes(9 * 1024 * 1024), "image/jpeg", 413, "upload_too_large"),
    ],
    ids=["empty", "text", "truncated", "gif", "bomb", "svg", "json", "no type", "bad form", "no boundary", "too large"],
)
def test_a_bad_body_gets_its_problem(
    http: httpx.Client, body: bytes, content_type: str, status: int, reason: str
) -> None:
    before = reasons(http).get(reason, 0)
    answer = http.post("/predict", content=body, headers={"Content-Type": content_type} if content_type else {})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["status"] == status
    assert problem["reason"] == reason
    assert problem["detail"]
    assert reasons(http)[reason] == before + 1


def test_a_one_pixel_photo_is_answered(http: httpx.Client) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "PNG")
    assert http.post("/predict", content=stream.getvalue(), headers={"Content-Type": "image/png"}).status_code == 200


def test_a_wrong_field_is_named(http: httpx.Client) -> None:
    answer = http.post("/predict", files={"picture": jpeg()})
    assert answer.status_code == 422
    assert "'picture'" in answer.json()["detail"]


def test_a_thousand_files_are_refused_as_too_many(http: httpx.Client) -> None:
    answer = http.post("/predict", files=[("file", b"x")] * 1000)
    assert answer.status_code == 413
    assert "20 photos" in answer.json()["detail"]


def test_an_endless_body_without_a_length_is_cut_off_at_the_limit(http: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(200):
            yield bytes(1024 * 1024)

    try:
        assert http.post("/predict", content=endless(), headers=JPEG).status_code == 413
    except httpx.TransportError:  # the server may hang up while the client still sends
        assert reasons(http)["upload_too_large"] >= 1


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/predict", "image/jpeg"), ("/feedback", "application/json"), ("/hooks/alertmanager", "application/json")],
)
def test_a_client_that_hangs_up_half_way_is_counted(api: Api, http: httpx.Client, path: str, kind: str) -> None:
    def gone() -> float:
        """Only a prediction that failed is in `prediction_errors_total`; every response is in `http_requests_total`."""
        if path == "/predict":
            return reasons(http).get("client_gone", 0)
        return sum(
            sample.value
            for family in text_string_to_metric_families(http.get("/metrics").text)
            for sample in family.samples
            if sample.name == "http_requests_total"
            and (sample.labels["route"], sample.labels["status"]) == (path, "499")
        )

    before = gone()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 9999\r\n\r\n"
    with socket.create_connection(api.address) as connection:
        connection.sendall(head.encode() + b"half")
    wait_until(lambda: gone() != before, "it is counted")
    assert gone() == before + 1


@pytest.mark.parametrize(("path", "kind"), [("/predict", "image/jpeg"), ("/feedback", "application/json")])
def test_bodies_find_the_room_there_is(make_settings: Callable[..., Settings], path: str, kind: str) -> None:
    """Each is within its own bound; together they are more than the server may hold."""
    most = 1024 * 1024
    bounds = {"max_upload_bytes": most, "max_bodies_bytes": most, "body_timeout_seconds": 20.0}
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {most}\r\n\r\n"
    with running_api(make_settings(api=bounds)) as small, httpx.Client(base_url=small.url, headers=JPEG) as http:

        def ask() -> httpx.Response:
            return http.post("/predict", content=jpeg() + bytes(1))

        def ask_beside() -> httpx.Response:
            with socket.create_connection(small.address, timeout=10) as connection:
                connection.sendall(head.encode() + bytes(most - len(jpeg())))
                time.sleep(0.2)  # nothing tells how much of it has come
                return ask()

        answers: list[httpx.Response] = []

        def is_refused() -> bool:
            answers.append(ask_beside())
            return not answers[-1].is_success

        # Where the other one had not come yet, it found no room itself.
        wait_until(is_refused, "a photo that finds no room", every=0)
        answer = answers[-1]
        assert (answer.status_code, answer.json()["reason"]) == (503, "overloaded")
        assert answer.headers["retry-after"] == "1"
        assert "DANDELION_API__MAX_BODIES_BYTES" in answer.json()["detail"]
        wait_until(lambda: ask().is_success, "the server notices that the other one is gone")
        assert http.post("/predict", content=jpeg().ljust(most, b"\0")).is_success, "it is given back in part only"


@pytest.mark.parametrize("length", ["0" * 5_000 + "5", "9" * 5_000], ids=["zeros", "digits"])
@pytest.mark.parametrize("path", ["/predict", "/feedback/bulk", "/feedback"])
def test_a_length_of_thousands_of_digits_is_no_fault_of_the_server(api: Api, path: str, length: str) -> None:
    kind = {"/predict": "image/jpeg", "/feedback/bulk": "text/csv", "/feedback": "application/json"}[path]
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n"
    )
    with socket.create_connection(api.address, timeout=10) as connection:
        connection.sendall(head.encode() + b"\r\nhello")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("path", ["/feedback", "/hooks/alertmanager"])
@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_json_nested_without_end_is_refused(http: httpx.Client, path: str, depth: int) -> None:
    for body in (
        "[" * depth + "]" * depth,
        f'{{"alerts": {"[" * depth}{"]" * depth}}}',
        '{"x":' * depth + "1" + "}" * depth,
    ):
        answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["reason"]) == (400, "bad_request")


@pytest.mark.parametrize("name", ["%00", "a" * 5_000, "swagger-ui.css/x", "..%2F__init__.py", "", "nothing.js"])
def test_a_part_of_the_page_that_does_not_exist_is_not_found(http: httpx.Client, name: str) -> None:
    for ask in (http.get, http.head):
        assert ask(f"/docs/assets/{name}").status_code == 404
        assert ask("/docs/assets/swagger-ui.css").status_code == 200


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/predict", "image/jpeg"),
        ("/feedback/bulk", "text/csv"),
        *((path, "application/json") for path in ("/feedback", "/hooks/alertmanager", "/admin/promote")),
    ],
)
def test_a_slow_client_is_given_up(api: Api, http: httpx.Client, path: str, media_type: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {media_type}\r\nContent-Length: 9999\r\n\r\n"
    with socket.create_connection(api.address, timeout=10) as connection:
        connection.sendall(head.encode() + b"half")
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")
    assert reasons(http)["slow_upload"] >= 1


@pytest.mark.parametrize("start", ["X-Request-ID: mine", "Authorization: Bearer mine"])
@pytest.mark.parametrize("end", ["\r\n ", "\r\n\t", "\n", "\r", "\r\r\n", "\0"], ids=ascii)
def test_a_header_that_is_folded_or_broken_off_brings_none_of_its_own(api: Api, start: str, end: str) -> None:
    answer = exchange(api, f"{start}{end}X-Evil: 1")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"evil" not in answer.lower()


# The last is CR and LF to whoever keeps the low byte of each character.
@pytest.mark.parametrize("end", ["%0d%0a", "\\r\\n", "\u560d\u560a"], ids=ascii)
def test_an_end_of_line_in_another_spelling_stays_out_of_the_answer(api: Api, end: str) -> None:
    answer = exchange(api, f"X-Request-ID: mine{end}X-Evil: 1")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\r\nx-request-id: " in answer.lower()
    assert b"evil" not in answer.lower()


def exchange(api: Api, header: str) -> bytes:
    """All that is answered to a request with a header as it stands."""
    with socket.create_connection(api.address, timeout=10) as connection:
        connection.sendall(f"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_an_unknown_route_and_a_wrong_method_are_problems_too(http: httpx.Client) -> None:
    for answer, status in ((http.get("/nowhere"), 404), (http.get("/predict"), 405)):
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("application/problem+json")


def test_a_full_queue_says_when_to_come_back(make_settings: Callable[..., Settings]) -> None:
    with running_api(make_settings(inference={"max_queue": 1, "workers": 1})) as busy:
        answer = httpx.post(f"{busy.url}/predict", files=[("file", jpeg())] * 5)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["reason"] == "overloaded"


@pytest.mark.parametrize("path", ["/explain", "/compare"])
def test_what_is_no_traffic_waits_in_a_line_of_its_own(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(app, "SIDE_WORKERS", 1)
    monkeypatch.setattr(app, "MAX_WAITING", 1)
    with running_api(make_settings()) as busy, ThreadPoolExecutor(20) as many:

        def ask(_: int) -> httpx.Response:
            return httpx.post(f"{busy.url}{path}", content=jpeg(), headers=JPEG, timeout=30)

        answers = list(many.map(ask, range(20)))
        assert {each.status_code for each in answers} == {200, 503}
        refused = next(each for each in answers if each.status_code == 503)
        assert (refused.json()["reason"], refused.headers["retry-after"]) == ("overloaded", "1")
        assert ask(0).is_success


def test_a_draining_server_is_not_ready_but_still_answers(make_settings: Callable[..., Settings]) -> None:
    with running_api(make_settings()) as stopping:
        stopping.service.drain()
        assert httpx.get(f"{stopping.url}/readyz").status_code == 503
        assert httpx.get(f"{stopping.url}/health").json()["status"] == "draining"
        assert httpx.post(f"{stopping.url}/predict", content=jpeg(), headers=JPEG).status_code == 200


def test_pages_of_other_origins_may_call_only_when_allowed(
    make_settings: Callable[..., Settings], http: httpx.Client
) -> None:
    origin = {"Origin": "https://example.org"}
    assert "access-control-allow-origin" not in http.get("/model", headers=origin).headers
    with running_api(make_settings(api={"cors_origins": ["https://example.org"]})) as open_api:
        allowed = httpx.get(f"{open_api.url}/model", headers=origin).headers["access-control-allow-origin"]
    assert allowed == "https://example.org"
