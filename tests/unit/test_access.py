"""Tokens, keys, limits and their settings, without a server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dandelion.access import Caller, RateLimiter
from dandelion.access.authenticator import MOST_REMEMBERED, Authenticator
from dandelion.access.keys import create_key, digest_of, id_of, matches
from dandelion.access.limits import MOST_NAMES, Window
from dandelion.access.tokens import TokenVerifier, sign_token
from dandelion.domain import ApiKey
from dandelion.errors import (
    AuthenticationError,
    DatabaseError,
    NotReadyError,
    RateLimitedError,
    ScopeError,
    SettingsError,
)
from dandelion.settings import AccessSettings, load_settings

OLD, NEW, OTHER = "o" * 32, "n" * 32, "x" * 32


def settings(**more: Any) -> AccessSettings:
    return AccessSettings.model_validate({"enabled": True, "jwt_secrets": [NEW, OLD], "jwt_leeway_seconds": 0, **more})


def token(secret: Any = NEW, algorithm: str = "HS256", **more: Any) -> str:
    claims = {"sub": "ada", "exp": time.time() + 60, "scope": "predict read", **more}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, secret, algorithm)


def verify(text: str, **more: Any) -> Any:
    return asyncio.run(TokenVerifier(settings(**more)).verify(text))


def test_a_token_that_we_sign_is_one_that_we_take() -> None:
    text = sign_token(settings(jwt_audience="dandelion"), "smoke-test", ["predict", "read"], timedelta(minutes=1))
    found = verify(text, jwt_audience="dandelion")
    assert (found.subject, found.scopes) == ("smoke-test", {"predict", "read"})
    assert 0 < found.expires_at - time.time() <= 60


def test_without_a_secret_no_token_is_signed() -> None:
    with pytest.raises(SettingsError, match="JWT_SECRETS"):
        sign_token(settings(jwt_secrets=[]), "smoke-test", ["predict"], timedelta(minutes=1))


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_a_token_of_either_secret_tells_who_and_what(secret: str) -> None:
    found = verify(token(secret))
    assert (found.subject, found.scopes) == ("ada", {"predict", "read"})


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "predict"}, {"predict"}),
        ({"scope": None, "scp": ["read", "feedback"]}, {"read", "feedback"}),
        ({"scope": None, "scopes": ["admin", "root", 7]}, {"admin"}),
        ({"scope": "openid profile"}, set()),
        ({"scope": None}, set()),
        ({"scope": {"predict": True}}, set()),
    ],
)
def test_scopes_are_read_where_providers_put_them(claims: dict[str, Any], scopes: set[str]) -> None:
    assert verify(token(**claims)).scopes == scopes


def forged(algorithm: str) -> str:
    """Signed with a public key as if it were a secret."""
    public = rsa.generate_private_key(65537, 2048).public_key()
    text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    import base64
    import hashlib
    import hmac
    import json

    def part(value: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    signed = part({"alg": algorithm, "typ": "JWT"}) + b"." + part({"sub": "mallory", "exp": time.time() + 60})
    mac = base64.urlsafe_b64encode(hmac.new(text, signed, hashlib.sha256).digest()).rstrip(b"=")
    return (signed + b"." + mac).decode()


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda: token(exp=time.time() - 1), id="expired"),
        pytest.param(lambda: token(nbf=time.time() + 60), id="not yet"),
        pytest.param(lambda: token(exp=None), id="without end"),
        pytest.param(lambda: token(sub=None), id="of nobody"),
        pytest.param(lambda: token(OTHER), id="of another secret"),
        pytest.param(lambda: token("", "none"), id="unsigned"),
        pytest.param(lambda: token()[:-4], id="cut off"),
        pytest.param(lambda: token().rsplit(".", 1)[0], id="without signature"),
        pytest.param(lambda: token(NEW * 2, "HS512"), id="another algorithm"),
        pytest.param(lambda: forged("HS256"), id="forged by a public key"),
        pytest.param(lambda: forged("RS256"), id="a lie about the algorithm"),
        pytest.param(lambda: token(exp="soon"), id="end is no number"),
        pytest.param(lambda: "' OR 1=1 --", id="injection"),
        pytest.param(lambda: "a.b.c", id="no token"),
        pytest.param(lambda: "\x00.\xff.\n", id="no text"),
    ],
)
def test_a_bad_token_is_refused(bad: Callable[[], str]) -> None:
    try:
        text = bad()
    except TypeError:  # the library makes no such token
        return
    with pytest.raises(AuthenticationError):
        verify(text)


@pytest.mark.parametrize(
    ("given", "good"),
    [({}, False), ({"aud": "others"}, False), ({"aud": "dandelion"}, False), ({"aud": "dandelion", "iss": "us"}, True)],
)
def test_audience_and_issuer_are_asked_for_where_they_are_set(given: dict[str, str], good: bool) -> None:
    asked = {"jwt_audience": "dandelion", "jwt_issuer": "us"}
    if good:
        assert verify(token(**given), **asked).subject == "ada"
    else:
        with pytest.raises(AuthenticationError):
            verify(token(**given), **asked)


def test_an_identity_provider_that_is_gone_is_not_the_callers_fault() -> None:
    private = rsa.generate_private_key(65537, 2048)
    text = jwt.encode({"sub": "ada", "exp": time.time() + 60}, private, "RS256", headers={"kid": "1"})
    with pytest.raises(NotReadyError):
        verify(text, jwks_url="http://127.0.0.1:9/keys", jwt_audience="dandelion")


def key(name: str = "web", **more: Any) -> tuple[str, ApiKey]:
    text, identity, digest = create_key()
    made = ApiKey(id=identity, name=name, digest=digest, scopes=("predict",), created_at=datetime.now(UTC), **more)
    return text, made


def test_a_key_is_known_by_its_digest_alone() -> None:
    text, made = key()
    assert len(text) == 80
    assert id_of(text) == made.id
    assert matches(text, made)
    other = text[:-1] + ("A" if text[-1] != "A" else "B")
    assert not matches(other, made)
    assert text not in repr(made)


@pytest.mark.parametrize("text", ["", "dnd_", "dnd_x_y", "dnd_" + "0" * 32 + "_" + "'" * 43, "eyJ", "dnd_\x00"])
def test_what_is_no_key_is_looked_up_nowhere(text: str) -> None:
    assert id_of(text) is None


class Table:
    """Stands for the database: keys by id, and switches to have it down, or silent."""

    def __init__(self, *known: ApiKey) -> None:
        self.known = {each.id: each for each in known}
        self.down = False
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def find(self, identity: str) -> ApiKey | None:
        self.asked += 1
        await self.answers.wait()
        if self.down:
            raise DatabaseError("down")
        return self.known.get(identity)


async def test_a_key_seen_lately_is_not_looked_up_again_and_works_while_the_database_is_down() -> None:
    text, made = key()
    table = Table(made)
    authenticator = Authenticator(settings(key_cache_seconds=60), table.find)
    for _ in range(3):
        assert (await authenticator.identify(text, "")).name == "key:web"
    assert table.asked == 1
    impatient = Authenticator(settings(key_cache_seconds=0, key_grace_seconds=60), table.find)
    await impatient.identify(text, "")
    table.down = True
    assert (await impatient.identify(text, "")).name == "key:web"
    with pytest.raises(DatabaseError):
        await impatient.identify(key()[0], "")
    strict = Authenticator(settings(key_cache_seconds=0, key_grace_seconds=0), table.find)
    with pytest.raises(DatabaseError):
        await strict.identify(text, "")


async def test_a_database_that_does_not_answer_holds_up_nobody_who_was_known_lately(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dandelion.access.authenticator.KNOWN_WAIT_SECONDS", 0.01)
    text, made = key()
    table, now = Table(made), [100.0]
    # The authenticator's clock alone: the loop's own must go on.
    monkeypatch.setattr(
        "dandelion.access.authenticator.time", SimpleNamespace(monotonic=lambda: now[0], time=time.time)
    )
    authenticator = Authenticator(settings(key_cache_seconds=10, key_grace_seconds=60), table.find)
    await authenticator.identify(text, "")
    table.answers.clear()
    now[0] += 11
    for _ in range(3):  # the first waits a moment, the others see that somebody asks
        assert (await authenticator.identify(text, "")).name == "key:web"
    assert table.asked == 2
    table.down = True
    table.answers.set()
    await asyncio.sleep(0)
    now[0] += 9
    assert (await authenticator.identify(text, "")).name == "key:web"
    assert table.asked == 2  # what failed is not asked for again at once
    now[0] += 2
    assert (await authenticator.identify(text, "")).name == "key:web"
    assert table.asked == 3
    now[0] += 60
    with pytest.raises(DatabaseError):
        await authenticator.identify(text, "")
    table.down = False
    table.known.clear()
    with pytest.raises(AuthenticationError):
        await authenticator.identify(text, "")


@pytest.mark.parametrize("is_down", [False, True], ids=["cached", "database down"])
async def test_a_key_that_was_seen_opens_nothing_from_the_moment_it_expires(
    monkeypatch: pytest.MonkeyPatch, is_down: bool
) -> None:
    now = time.time()
    text, made = key(expires_at=datetime.fromtimestamp(now + 30, UTC))
    table = Table(made)
    authenticator = Authenticator(settings(key_cache_seconds=0 if is_down else 60, key_grace_seconds=60), table.find)
    assert (await authenticator.identify(text, "")).name == "key:web"
    table.down = is_down
    monkeypatch.setattr(time, "time", lambda: now + 29)
    assert authenticator.remembers(text)
    assert (await authenticator.identify(text, "")).name == "key:web"
    monkeypatch.setattr(time, "time", lambda: now + 31)
    assert not authenticator.remembers(text)
    with pytest.raises(AuthenticationError, match="has expired"):
        await authenticator.identify(text, "")


async def test_a_token_that_was_seen_opens_nothing_from_the_moment_it_expires() -> None:
    authenticator = Authenticator(settings(key_cache_seconds=60), Table().find)
    expires_at = int(time.time()) + 3
    text = token(exp=expires_at)
    assert (await authenticator.identify(text, "")).name == "jwt:ada"
    assert authenticator.remembers(text)
    await asyncio.sleep(expires_at + 0.1 - time.time())  # PyJWT looks at a clock of its own, so this is the real one
    assert not authenticator.remembers(text)
    with pytest.raises(AuthenticationError, match="expired"):
        await authenticator.identify(text, "")


async def test_a_flood_of_wrong_keys_is_forgotten_again() -> None:
    table = Table()
    authenticator = Authenticator(settings(), table.find)
    text, _ = key()
    for number in range(MOST_REMEMBERED + 50):
        with pytest.raises(AuthenticationError):
            await authenticator.identify(f"{text[:4]}{number:032x}{text[36:]}", "")
    assert len(authenticator._seen) == MOST_REMEMBERED


def test_admin_may_all_and_others_what_they_were_given() -> None:
    Caller("key:root", frozenset({"admin"})).check("predict")
    Caller("key:web", frozenset({"predict"})).check("predict")
    with pytest.raises(ScopeError, match="'read'"):
        Caller("key:web", frozenset({"predict"})).check("read")


def test_each_key_and_each_nameless_address_has_a_window_of_its_own() -> None:
    limiter = RateLimiter(settings(requests_per_key=3, requests_per_address=2))
    ada, bob = (Caller(f"key:{name}", address="10.0.0.1") for name in ("ada", "bob"))
    nameless = Caller(address="10.0.0.1")
    left = [status.remaining for _ in range(3) if (status := limiter.count(ada))]
    assert left == [2, 1, 0]
    with pytest.raises(RateLimitedError, match="key:ada") as refused:
        limiter.count(ada)
    assert 1 <= refused.value.retry_after_seconds <= 60
    limiter.count(bob)
    limiter.count(nameless)
    limiter.count(nameless)
    with pytest.raises(RateLimitedError, match="10\\.0\\.0\\.1"):
        limiter.count(nameless)
    limiter.count(Caller(address="10.0.0.2"))


def test_callers_of_a_socket_for_both_kinds_of_address_count_apart() -> None:
    limiter = RateLimiter(settings(requests_per_address=1))
    limiter.count(Caller(address="::ffff:192.0.2.1"))
    limiter.count(Caller(address="::ffff:192.0.2.2"))
    with pytest.raises(RateLimitedError):
        limiter.count(Caller(address="192.0.2.1"))


def test_addresses_of_one_ipv6_customer_count_as_one() -> None:
    limiter = RateLimiter(settings(requests_per_address=1))
    limiter.count(Caller(address="2001:db8:1:2::1"))
    with pytest.raises(RateLimitedError):
        limiter.count(Caller(address="2001:db8:1:2:ffff::9"))
    limiter.count(Caller(address="2001:db8:1:3::1"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time."""
    return lambda moment: monkeypatch.setattr(time, "monotonic", lambda: moment)


def test_a_new_minute_of_the_clock_lets_nobody_try_once_more(clock: Callable[[float], None]) -> None:
    limiter = RateLimiter(settings(failed_sign_ins_per_address=3))
    for moment in (3599.8, 3599.9, 3600.1):
        clock(moment)
        limiter.check_sign_in("10.0.0.1")
        limiter.count_failed_sign_in("10.0.0.1")
    with pytest.raises(RateLimitedError, match="more than 3 times"):
        limiter.check_sign_in("10.0.0.1")
    clock(3659.7)
    with pytest.raises(RateLimitedError):
        limiter.check_sign_in("10.0.0.1")
    clock(3659.85)
    limiter.check_sign_in("10.0.0.1")


def test_who_waits_as_long_as_told_may_ask_again_and_who_does_not_waits_no_longer(
    clock: Callable[[float], None],
) -> None:
    limiter = RateLimiter(settings(requests_per_key=2))
    ada = Caller("key:ada")
    for moment in (100.0, 130.0):
        clock(moment)
        limiter.count(ada)
    for moment, wait in ((130.5, 30), (159.5, 1), (159.99, 1)):
        clock(moment)
        with pytest.raises(RateLimitedError) as refused:
            limiter.count(ada)
        assert refused.value.retry_after_seconds == wait
    clock(160.5)
    status = limiter.count(ada)
    assert status is not None
    assert (status.remaining, status.reset_seconds) == (0, 30)


def test_failures_of_many_at_once_count_all(clock: Callable[[float], None]) -> None:
    limiter = RateLimiter(settings(failed_sign_ins_per_address=2))
    for moment in (100.0, 129.0, 130.0, 131.0):  # all were let in before the first of them failed
        clock(moment)
        limiter.count_failed_sign_in("10.0.0.1")
    clock(165.0)
    with pytest.raises(RateLimitedError) as refused:
        limiter.check_sign_in("10.0.0.1")
    assert refused.value.retry_after_seconds == 25


def test_names_not_seen_for_a_minute_are_forgotten(clock: Callable[[float], None]) -> None:
    window = Window(2)
    for number in range(100):
        clock(100.0 + number / 10)
        window.count(str(number))
    clock(165.0)
    window.count("0")
    assert set(window._tries) == {"0", *map(str, range(51, 100))}
    clock(300.0)
    window.status("nobody")
    assert not window._tries


def test_a_flood_of_names_pushes_out_those_that_tried_longest_ago() -> None:
    window = Window(2)
    window.count("old")
    window.count("kept")
    for number in range(MOST_NAMES - 2):
        window.count(f"10.0.{number}")
    window.count("kept")
    window.count("one more")
    assert len(window._tries) == MOST_NAMES
    assert (window.status("old").remaining, window.status("kept").remaining) == (2, 0)


def test_a_flood_of_addresses_lets_neither_keys_nor_who_guesses_try_again() -> None:
    limiter = RateLimiter(settings(requests_per_key=1, requests_per_address=1, failed_sign_ins_per_address=1))
    limiter.count(Caller("key:ada"))
    limiter.count_failed_sign_in("10.0.0.1")
    for number in range(MOST_NAMES + 1):
        limiter.count(Caller(address=f"10.{number // 65536}.{number // 256 % 256}.{number % 256}"))
    with pytest.raises(RateLimitedError):
        limiter.count(Caller("key:ada"))
    with pytest.raises(RateLimitedError):
        limiter.check_sign_in("10.0.0.1")


def test_without_limits_nothing_is_counted() -> None:
    limiter = RateLimiter(settings())
    assert [limiter.count(Caller(address="10.0.0.1")) for _ in range(100)] == [None] * 100


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("JWT_SECRETS", '["short-secret"]', "JWT_SECRETS"),
        ("JWT_SECRETS", f'["{OLD}", "{NEW}", "{OTHER}"]', "at most 2"),
        ("JWKS_URL", "https://idp/keys", "jwt_audience"),
        ("ANONYMOUS_SCOPES", '["root"]', "ANONYMOUS_SCOPES"),
    ],
)
def test_settings_that_cannot_be_meant_say_so_and_keep_secrets(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"DANDELION_ACCESS__{name}", value)
    with pytest.raises(SettingsError, match=said) as wrong:
        load_settings()
    assert "short-secret" not in str(wrong.value)
    assert OLD not in str(wrong.value)


def test_digests_are_sha256() -> None:
    assert digest_of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
