"""The client against a server that misbehaves in every way that it must bear."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest

from dandelion.client import AsyncClient, Client
from dandelion.domain import ModelRef, Prediction, Promoted
from dandelion.errors import (
    AuthenticationError,
    DandelionError,
    FlowRunNotFoundError,
    NotAnImageError,
    OverloadedError,
    RateLimitedError,
    UnreachableError,
    errors_by_reason,
)
from tests.client import TARGET, synchronous
from tests.servers.scripted import Handler, listening

ANSWER = Prediction(
    prediction_id="019a0000-0000-7000-8000-000000000000",
    label="grass",
    confidence=0.9,
    probabilities={"dandelion": 0.1, "grass": 0.9},
    in_distribution=True,
    model=ModelRef(name="dandelion", version="1", alias="champion"),
    duration_ms=3.0,
)


def problem(status: int, reason: str, detail: str) -> tuple[int, dict[str, str], bytes]:
    body = {"title": reason, "status": status, "reason": reason, "detail": detail}
    return status, {"Retry-After": "0"}, msgspec.json.encode(body)


@dataclass
class Script:
    """A server that gives these answers in turn, the last one for ever.

    Attributes:
        answers: Status, headers and body.
        asked: Paths that were asked for.
        at: When, seconds.
        signed: Their `Authorization`.
    """

    url: str = ""
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    signed: list[str | None] = field(default_factory=list)


@pytest.fixture
def script() -> Iterator[Script]:
    told = Script()

    class Server(Handler):
        def do_POST(self) -> None:
            if self.command == "POST":
                self.read_body()
            told.at.append(time.monotonic())
            told.asked.append(self.path)
            told.signed.append(self.headers["Authorization"])
            status, headers, body = told.answers[min(len(told.asked), len(told.answers)) - 1]
            self.answer(status, body, headers)

        do_GET = do_POST

    with listening(Server) as told.url:
        yield told


GOOD: tuple[int, dict[str, str], bytes] = (200, {}, msgspec.json.encode(ANSWER))


def test_an_answer_becomes_a_prediction(script: Script) -> None:
    script.answers = [GOOD]
    with Client(script.url) as client:
        assert client.predict(b"photo") == ANSWER


def test_a_busy_server_is_asked_again(script: Script) -> None:
    script.answers = [problem(503, "overloaded", "Full."), problem(429, "rate_limited", "Slower."), GOOD]
    with Client(script.url) as client:
        assert client.predict(b"photo") == ANSWER
    assert len(script.asked) == 3


async def test_a_busy_server_is_asked_again_without_blocking(script: Script) -> None:
    script.answers = [problem(503, "overloaded", "Full."), GOOD]
    async with AsyncClient(script.url) as client:
        assert await client.predict(b"photo") == ANSWER
    assert len(script.asked) == 2


def in_some_seconds() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)


@pytest.mark.parametrize("told", [lambda: "1", in_some_seconds, lambda: "neither seconds nor a date"])
async def test_it_is_asked_again_when_it_told_to_be(script: Script, told: Callable[[], str]) -> None:
    script.answers = [(503, {"Retry-After": told()}, b""), GOOD]
    with Client(script.url) as client:
        client.predict(b"photo")
    script.answers = [*script.answers, (429, {"Retry-After": told()}, b""), GOOD]
    async with AsyncClient(script.url) as waiting:
        await waiting.predict(b"photo")
    first, second, third, fourth = script.at
    assert second - first >= 1
    assert fourth - third >= 1


def test_who_tells_to_wait_for_longer_than_we_may_is_asked_once(script: Script) -> None:
    script.answers = [(429, {"Retry-After": "61"}, problem(429, "rate_limited", "Slower.")[2])]
    with Client(script.url) as client, pytest.raises(RateLimitedError, match="Slower"):
        client.predict(b"photo")
    assert len(script.asked) == 1


def test_a_server_that_stays_busy_is_given_up(script: Script) -> None:
    script.answers = [problem(503, "overloaded", "Full.")]
    with Client(script.url) as client, pytest.raises(OverloadedError, match=r"Full\."):
        client.predict(b"photo")


def test_a_rollback_is_sent_once_though_a_proxy_lost_its_answer(script: Script) -> None:
    """A second one would undo the first."""
    script.answers = [(503, {"Retry-After": "0"}, b"upstream connect error or disconnect/reset before headers")]
    with Client(script.url) as client, pytest.raises(UnreachableError, match="503"):
        client.rollback()
    assert script.asked == ["/admin/rollback"]


async def test_a_rollback_is_sent_once_without_blocking(script: Script) -> None:
    script.answers = [(503, {"Retry-After": "0"}, b"")]
    async with AsyncClient(script.url) as client:
        with pytest.raises(UnreachableError, match="503"):
            await client.rollback()
    assert script.asked == ["/admin/rollback"]


def test_a_rollback_that_was_refused_before_it_began_is_asked_again(script: Script) -> None:
    done = Promoted(version="1", previous="2")
    script.answers = [problem(429, "rate_limited", "Slower."), (200, {}, msgspec.json.encode(done))]
    with Client(script.url) as client:
        assert client.rollback() == done


def test_a_problem_is_raised_as_the_error_that_the_server_had(script: Script) -> None:
    script.answers = [problem(400, "not_an_image", "No picture.")]
    with Client(script.url) as client:
        with pytest.raises(NotAnImageError, match="No picture"):
            client.predict(b"text")
        assert isinstance(client.try_predict(b"text"), NotAnImageError)


@pytest.mark.parametrize("body", [b"<html>bad gateway</html>", b"[]", b"", b'{"reason": 7}'])
def test_a_failure_that_is_no_problem_document_is_still_an_error(script: Script, body: bytes) -> None:
    script.answers = [(502, {}, body)]
    with Client(script.url) as client, pytest.raises(DandelionError, match="502"):
        client.predict(b"photo")


@pytest.mark.parametrize("body", [b"", b"<html></html>", b'{"label": 3}'])
def test_an_answer_that_cannot_be_read_is_an_error_of_ours(script: Script, body: bytes) -> None:
    script.answers = [(200, {}, body)]
    with Client(script.url) as client, pytest.raises(DandelionError, match="cannot be read"):
        client.predict(b"photo")


def test_fields_that_a_later_server_adds_are_no_error(script: Script) -> None:
    script.answers = [(200, {}, b'{"windows": [{"version": "1"}], "since": "2026-11-01"}')]
    with Client(script.url) as client:
        assert client.accuracy() == [{"version": "1"}]


def test_no_server_says_how_to_start_one() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(DandelionError, match="dandelion up"):
        client.predict(b"photo")


@pytest.mark.parametrize(
    ("key", "signed"), [("dnd_1\n", "Bearer dnd_1"), (" dnd_1\r\n", "Bearer dnd_1"), ("\n", None), (None, None)]
)
async def test_a_key_is_sent_without_the_line_break_of_its_file(
    script: Script, key: str | None, signed: str | None
) -> None:
    script.answers = [GOOD]
    with Client(script.url, key=key) as client:
        client.predict(b"photo")
    async with AsyncClient(script.url) as waiting:
        await waiting.acting_for(key).predict(b"photo")
    assert script.signed == [signed, signed]


@pytest.mark.parametrize("key", ["dnd_1\n2", "dnd_1\r\nX-Other: 2", "dnd_\u00fc", "dnd_\0"])
def test_a_key_that_no_header_carries_is_refused_and_not_told(key: str) -> None:
    for create in (Client, AsyncClient):
        with pytest.raises(AuthenticationError, match=r"API key.*in one line") as told:
            create("http://127.0.0.1:9", key=key)
        assert "dnd_1" not in str(told.value)
        assert "dnd_\u00fc" not in str(told.value)


def test_the_synchronous_client_is_made_from_the_asynchronous_one() -> None:
    assert TARGET.read_text(encoding="utf-8") == synchronous(), "run `python -m tests.client`"


def test_every_error_has_a_reason_of_its_own() -> None:
    kinds = errors_by_reason()
    assert kinds["not_an_image"] is NotAnImageError
    assert kinds["flow_run_not_found"] is FlowRunNotFoundError
    assert {kind.reason(): kind for kind in kinds.values()} == kinds
