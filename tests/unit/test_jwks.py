"""An identity provider that fails in one of many ways: who it holds up, and how often it is asked."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from dandelion.access import jwks
from dandelion.access.authenticator import Authenticator
from dandelion.domain import ApiKey
from dandelion.errors import AuthenticationError, NotReadyError
from dandelion.settings import AccessSettings
from tests.servers.scripted import Handler, listening
from tests.waiting import until

SECRET = "s" * 40
PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLISHED = json.dumps({"keys": [{**ECAlgorithm.to_jwk(PRIVATE.public_key(), as_dict=True), "kid": "1"}]}).encode()


@dataclass
class Provider:
    """Publishes keys until it is told to say nothing.

    Attributes:
        url: Where.
        asked: How often it was asked.
        let_go: Set when those whom it keeps waiting are hung up on.
    """

    url: str = ""
    asked: int = 0
    answer: Callable[[Handler], None] = field(default=lambda handler: handler.answer(200, PUBLISHED))
    let_go: threading.Event = field(default_factory=threading.Event)

    async def is_asked(self, times: int = 1) -> None:
        """Wait for the question, in no thread that others share."""
        await until(lambda: self.asked >= times, f"question {times}", every=0.01)

    def say_nothing(self, _: Handler) -> None:
        self.let_go.wait(60)

    def trickle(self, handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not self.let_go.wait(0.05):
            handler.wfile.write(b" ")


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()

    class Keys(Handler):
        def do_GET(self) -> None:
            made.asked += 1
            made.answer(self)

    with listening(Keys) as made.url:
        yield made
        made.let_go.set()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets how long is waited for an answer, seconds."""
    return lambda seconds: monkeypatch.setattr(jwks, "TIMEOUT_SECONDS", seconds)


def create_gate(provider: Provider, **more: Any) -> Authenticator:
    async def find_key(_: str) -> ApiKey | None:
        return None

    shared = {"enabled": True, "jwt_secrets": [SECRET], "jwks_url": provider.url, "jwt_audience": "dandelion"}
    given = shared | {"key_cache_seconds": 0, "jwks_cooldown_seconds": 60} | more
    return Authenticator(AccessSettings.model_validate(given), find_key)


def signed(key_id: str, private: Any = PRIVATE, algorithm: str = "ES256") -> str:
    claims = {"sub": "ada", "aud": "dandelion", "exp": time.time() + 60}
    return jwt.encode(claims, private, algorithm, headers={"kid": key_id})


async def is_refused(authenticator: Authenticator, token: str) -> bool:
    with pytest.raises((NotReadyError, AuthenticationError)) as refused:
        await authenticator.identify(token, "")
    return refused.type is AuthenticationError


async def test_a_provider_that_does_not_answer_is_asked_once_and_holds_up_nobody_else(
    provider: Provider, patience: Callable[[float], None]
) -> None:
    patience(30)
    provider.answer = provider.say_nothing
    authenticator = create_gate(provider)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    waiting = [asyncio.create_task(is_refused(authenticator, signed(str(number)))) for number in range(20)]
    await provider.is_asked()
    await asyncio.to_thread(time.time)
    assert (await authenticator.identify(signed("", SECRET, "HS256"), "")).name == "jwt:ada"
    assert not any(task.done() for task in waiting)
    provider.let_go.set()
    assert not any(await asyncio.gather(*waiting))
    assert not await is_refused(authenticator, signed("21"))
    assert provider.asked == 1


async def test_a_known_key_waits_for_no_unknown_one(provider: Provider, patience: Callable[[float], None]) -> None:
    patience(30)
    authenticator = create_gate(provider, jwks_cooldown_seconds=0)
    await authenticator.identify(signed("1"), "")
    provider.answer = provider.say_nothing
    waiting = asyncio.create_task(is_refused(authenticator, signed("2")))
    await provider.is_asked(2)
    assert (await authenticator.identify(signed("1"), "")).name == "jwt:ada"
    assert not waiting.done()
    provider.let_go.set()
    assert not await waiting


@pytest.mark.parametrize("way", ["say_nothing", "trickle"])
async def test_nobody_waits_for_ever(provider: Provider, patience: Callable[[float], None], way: str) -> None:
    patience(0.3)
    provider.answer = getattr(provider, way)
    async with asyncio.timeout(30):
        assert not await is_refused(create_gate(provider), signed("1"))


def break_off(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(PUBLISHED)))
    handler.end_headers()
    handler.wfile.write(PUBLISHED[:-9])


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda handler: handler.answer(500, b"{}"), id="an error"),
        pytest.param(lambda handler: handler.answer(200, b"<html>"), id="a page"),
        pytest.param(lambda handler: handler.answer(200, b"\xff"), id="no text"),
        pytest.param(lambda handler: handler.answer(200, b"[]"), id="no object"),
        pytest.param(lambda handler: handler.answer(200, b"{}"), id="no keys"),
        pytest.param(lambda handler: handler.answer(200, b"[" * 100_000), id="nested too deeply"),
        pytest.param(break_off, id="cut off"),
        pytest.param(lambda handler: handler.connection.close(), id="hung up"),
    ],
)
async def test_what_is_no_answer_is_not_the_callers_fault_and_not_asked_for_again_at_once(
    provider: Provider, answer: Callable[[Handler], None]
) -> None:
    good, provider.answer = provider.answer, answer
    authenticator = create_gate(provider)
    assert not await is_refused(authenticator, signed("1"))
    assert not await is_refused(authenticator, signed("1"))
    assert provider.asked == 1
    eager = create_gate(provider, jwks_cooldown_seconds=0)
    assert not await is_refused(eager, signed("1"))
    provider.answer = good
    assert (await eager.identify(signed("1"), "")).name == "jwt:ada"


async def test_an_unknown_key_is_asked_for_once_and_refused(provider: Provider) -> None:
    authenticator = create_gate(provider)
    for number in range(2, 9):
        assert await is_refused(authenticator, signed(str(number)))
    assert provider.asked == 1
    assert (await authenticator.identify(signed("1"), "")).name == "jwt:ada"
