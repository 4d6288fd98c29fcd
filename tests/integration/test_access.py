"""The API with access on: real keys in a real database, real signatures, real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from sqlalchemy import Executable, update

from dandelion.client import Client
from dandelion.db import create_engine, transact
from dandelion.db.tables import api_keys, audit_log
from dandelion.domain import Identity
from dandelion.errors import AuthenticationError, ScopeError
from dandelion.settings import Settings
from dandelion.ui.traffic import Traffic
from tests.integration.conftest import Api, running_api
from tests.integration.test_photos import rows
from tests.photos import jpeg
from tests.servers.mysql import MySqlServer
from tests.servers.ports import NEEDS_IPV6, free_ports
from tests.servers.scripted import Handler, listening

SECRET = "s" * 40
NO_ID = "00000000-0000-7000-8000-000000000000"
ROUTES = [
    ("POST", "/predict", "predict"),
    ("POST", "/explain", "predict"),
    ("POST", "/compare", "predict"),
    ("POST", "/feedback", "feedback"),
    ("POST", "/feedback/bulk", "feedback"),
    ("DELETE", f"/feedback/{NO_ID}", "feedback"),
    ("GET", "/queue", "feedback"),
    ("GET", f"/queue/{NO_ID}/photo", "feedback"),
    ("GET", "/predictions", "read"),
    ("GET", f"/predictions/{NO_ID}", "read"),
    ("GET", f"/predictions/{NO_ID}/photo", "read"),
    ("GET", "/accuracy", "read"),
    ("GET", "/drift", "read"),
    ("GET", "/model", "read"),
    ("GET", "/models", "read"),
    ("GET", f"/models/{NO_ID}", "read"),
    ("GET", f"/models/{NO_ID}/plots/{NO_ID}", "read"),
    ("POST", "/admin/reload", "admin"),
    ("POST", "/admin/promote", "admin"),
    ("POST", "/admin/rollback", "admin"),
    ("POST", "/admin/retrainings", "admin"),
    ("GET", "/admin/retrainings", "admin"),
    ("GET", f"/admin/retrainings/{NO_ID}", "admin"),
    ("POST", "/hooks/alertmanager", "admin"),
]
PHOTO: dict[str, Any] = {"content": jpeg(), "headers": {"Content-Type": "image/jpeg"}}
BODIES: dict[str, dict[str, Any]] = {
    "/predict": PHOTO,
    "/explain": PHOTO,
    "/compare": PHOTO,
    "/feedback": {"json": {"prediction_id": NO_ID, "label": "grass"}},
    "/feedback/bulk": {"content": f"prediction_id,label\n{NO_ID},grass", "headers": {"Content-Type": "text/csv"}},
    "/admin/promote": {"json": {"version": "9"}},
    "/admin/retrainings": {"json": {}},
    "/hooks/alertmanager": {"json": {"alerts": []}},
}
OPEN = ["/", "/health", "/livez", "/readyz", "/metrics", "/docs", "/openapi.json", "/docs/assets/swagger-ui.css", "/me"]


def dandelion(settings: Settings, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DANDELION_HOME": str(settings.home), **env}
    argv = [sys.executable, "-m", "dandelion", *words]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)


def make_key(settings: Settings, name: str, *scopes: str, expires: str = "", **env: str) -> str:
    options = [word for scope in scopes for word in ("--scope", scope)]
    options += ["--expires", expires] if expires else []
    done = dandelion(settings, "keys", "create", name, *options, **env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def execute(settings: Settings, statement: Executable) -> None:
    async def run() -> None:
        engine = create_engine(settings)
        try:
            await transact(engine, lambda on: on.execute(statement), patience_seconds=5)
        finally:
            await engine.dispose()

    asyncio.run(run())


def token(scope: str = "predict", **more: Any) -> str:
    return jwt.encode({"sub": "ada", "exp": time.time() + 60, "scope": scope, **more}, SECRET, "HS256")


def send(api: Api, method: str, path: str, credential: str | None = None, **headers: str) -> httpx.Response:
    signed = {"Authorization": f"Bearer {credential}"} if credential else {}
    body = BODIES.get(path, {}) if method == "POST" else {}
    return httpx.request(method, api.url + path, **body | {"headers": {**body.get("headers", {}), **signed, **headers}})


def is_let_in(answer: httpx.Response) -> bool:
    """Whether the route itself answered; of retrainings it can say only that there is no Prefect to ask."""
    return answer.status_code in {200, 404} or answer.json()["reason"] == "orchestration"


@pytest.fixture(scope="module")
def settings(make_settings: Callable[..., Settings]) -> Settings:
    access = {"enabled": True, "jwt_secrets": [SECRET], "key_cache_seconds": 0.0}
    api = {"cors_origins": ["https://shop.example", "https://*.school.example"]}
    return make_settings(access=access, api=api, prefect={"url": "http://127.0.0.1:9"})


@pytest.fixture(scope="module")
def guarded(settings: Settings) -> Iterator[Api]:
    with running_api(settings) as running:
        yield running


@pytest.fixture(scope="module")
def keys(settings: Settings) -> dict[str, str]:
    return {scope: make_key(settings, f"for-{scope}", scope) for scope in ("predict", "feedback", "read", "admin")}


@pytest.mark.parametrize(("method", "path", "needed"), ROUTES)
def test_a_route_lets_in_who_has_its_scope(
    guarded: Api, keys: dict[str, str], method: str, path: str, needed: str
) -> None:
    nobody = send(guarded, method, path)
    assert (nobody.status_code, nobody.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert nobody.json()["reason"] == "authentication"
    for scope, key in keys.items():
        answer = send(guarded, method, path, key)
        if scope in {needed, "admin"}:
            assert is_let_in(answer), answer.text
        else:
            assert answer.status_code == 403
            assert needed in answer.headers["WWW-Authenticate"]
    assert is_let_in(send(guarded, method, path, token(needed)))
    assert send(guarded, method, path, token("")).status_code == 403
    assert is_let_in(send(guarded, method, path, **{"X-API-Key": keys[needed]}))


def test_of_every_route_it_is_known_which_scope_it_needs(guarded: Api) -> None:
    schema = httpx.get(f"{guarded.url}/openapi.json").json()
    documented = {
        (method.upper(), re.sub(r"\{\w+\}", NO_ID, path))
        for path, operations in schema["paths"].items()
        for method in operations
        if path not in OPEN
    }
    assert {(method, path) for method, path, _ in ROUTES} == documented


def test_every_route_is_guarded_or_meant_to_be_open(guarded: Api) -> None:
    schema = httpx.get(f"{guarded.url}/openapi.json").json()
    for path, operations in schema["paths"].items():
        for method in operations:
            answer = send(guarded, method.upper(), re.sub(r"\{\w+\}", NO_ID, path))
            assert answer.status_code == (200 if path in OPEN else 401), f"{method} {path}"
    for path in OPEN:
        assert httpx.get(guarded.url + path, follow_redirects=True).status_code == 200


def test_wrong_credentials_are_refused_before_the_body_is_read(guarded: Api, keys: dict[str, str]) -> None:
    key = keys["predict"]
    cut = [
        key[:-1],
        key + "A",
        key[:40] + ("B" if key[40] != "B" else "C") + key[41:],
        "dnd_",
        "eyJhbGciOi",
        "x" * 8000,
    ]
    hostile = ["' OR '1'='1", "dnd_'; DROP TABLE api_keys; --", "%0d%0aX-Evil: 1", "null"]
    expired = [token(exp=time.time() - 60), jwt.encode({"sub": "a", "exp": time.time() + 60}, "", "none")]
    for credential in [*cut, *hostile, *expired]:
        answer = send(guarded, "POST", "/predict", credential)
        assert answer.status_code == 401, credential
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        assert "X-Evil" not in answer.headers
    for header in ("Basic YWRhOnB3", "Bearer"):
        assert send(guarded, "POST", "/predict", Authorization=header).status_code == 401
    assert send(guarded, "POST", "/predict", key).status_code == 200


@pytest.mark.parametrize("other", ["Basic YWRhOnB3", "Bearer eyJhbGciOi", ""])
def test_a_key_is_found_beside_what_an_ingress_leaves_in_authorization(
    guarded: Api, keys: dict[str, str], other: str
) -> None:
    pair = [("Authorization", other), ("X-API-Key", keys["predict"]), ("Content-Type", "image/jpeg")]
    for headers in (pair, pair[::-1]):
        assert httpx.post(f"{guarded.url}/predict", headers=headers, content=jpeg()).status_code == 200


def test_a_key_that_was_revoked_opens_nothing(guarded: Api, settings: Settings) -> None:
    key = make_key(settings, "leaver", "predict")
    assert send(guarded, "POST", "/predict", key).status_code == 200
    assert dandelion(settings, "keys", "revoke", "leaver").returncode == 0
    refused = send(guarded, "POST", "/predict", key)
    assert (refused.status_code, "revoked" in refused.json()["detail"]) == (401, True)
    listed = json.loads(dandelion(settings, "keys", "list", "--json").stdout)
    assert {each["name"]: each["state"] for each in listed}["leaver"] == "revoked"
    assert key not in json.dumps(listed)
    audited = rows(settings, audit_log.c.action, audit_log.c.subject, audit_log.c.actor)
    of_key = [(action, actor.startswith("cli:")) for action, subject, actor in audited if subject == "leaver"]
    assert of_key == [("key created", True), ("key revoked", True)]


def test_a_key_whose_time_is_over_opens_nothing_and_is_told_so(guarded: Api, settings: Settings) -> None:
    key = make_key(settings, "visitor", "predict", expires="90d")
    assert send(guarded, "POST", "/predict", key).status_code == 200
    yesterday = datetime.now(UTC) - timedelta(days=1)
    execute(settings, update(api_keys).where(api_keys.c.name == "visitor").values(expires_at=yesterday))
    refused = send(guarded, "POST", "/predict", key)
    assert (refused.status_code, refused.json()["reason"]) == (401, "authentication")
    assert "'visitor' has expired" in refused.json()["detail"]
    listed = json.loads(dandelion(settings, "keys", "list", "--json").stdout)
    assert {each["name"]: each["state"] for each in listed}["visitor"] == "expired"


def test_keys_that_cannot_be_made_say_why(settings: Settings) -> None:
    make_key(settings, "twice", "read")
    for words, said in [
        (["create", "twice", "--scope", "read"], "already"),
        (["create", "x", "--scope", "root"], "root"),
        (["create", "x", "--scope", "read", "--expires", "soon"], "soon"),
        (["create", "a b", "--scope", "read"], "a b"),
        (["create", "x"], "scope"),
        (["revoke", "nobody"], "nobody"),
    ]:
        done = dandelion(settings, "keys", *words)
        assert done.returncode == 2, done.stdout
        assert said in done.stderr


def test_what_was_done_is_in_the_audit_log_under_who_did_it(
    guarded: Api, settings: Settings, keys: dict[str, str]
) -> None:
    with Client(guarded.url, key=keys["admin"]) as client:
        answer = client.predict(jpeg())
        client.feedback(answer.prediction_id, answer.label)
        client.reload()
    audited = rows(settings, audit_log.c.action, audit_log.c.actor)
    assert ("feedback", "key:for-admin") in audited
    assert ("reload", "key:for-admin") in audited


def test_the_client_says_why_it_was_refused(guarded: Api, keys: dict[str, str]) -> None:
    with Client(guarded.url) as client, pytest.raises(AuthenticationError):
        client.predict(jpeg())
    with Client(guarded.url, key=keys["predict"]) as client, pytest.raises(ScopeError):
        client.model()


def test_pages_of_named_origins_may_ask(guarded: Api) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-api-key"}
    ours = httpx.options(f"{guarded.url}/predict", headers={"Origin": "https://shop.example", **asked})
    assert ours.status_code < 300
    assert ours.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    theirs = httpx.options(f"{guarded.url}/predict", headers={"Origin": "https://evil.example", **asked})
    assert "Access-Control-Allow-Origin" not in theirs.headers


@pytest.mark.parametrize("path", ["/predict", "/model", "/docs", "/nowhere", "/metrics"])
def test_every_answer_tells_browsers_to_be_careful(guarded: Api, path: str) -> None:
    headers = httpx.get(guarded.url + path, follow_redirects=True).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in headers


def test_who_is_refused_can_name_the_request(guarded: Api) -> None:
    refused = [
        send(guarded, "POST", "/predict", **{"X-Request-ID": "mine-1"}),
        send(guarded, "POST", "/predict", "dnd_guess", **{"X-Request-ID": "mine-1"}),
        httpx.get(f"{guarded.url}/nowhere", headers={"X-Request-ID": "mine-1"}),
    ]
    assert [answer.status_code for answer in refused] == [401, 401, 404]
    assert {(answer.headers["X-Request-ID"], answer.json()["request_id"]) for answer in refused} == {("mine-1",) * 2}
    unnamed = httpx.get(f"{guarded.url}/nowhere")
    assert unnamed.headers["X-Request-ID"] == unnamed.json()["request_id"] != ""


def test_limits_are_told_and_kept(make_settings: Callable[..., Settings]) -> None:
    limited = make_settings(access={"requests_per_address": 3}, api={"hsts_seconds": 60})
    with running_api(limited) as api:
        answers = [send(api, "POST", "/predict") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
        assert answers[0].headers["RateLimit-Policy"] == "3;w=60"
        assert 1 <= int(answers[3].headers["Retry-After"]) <= 60
        assert answers[3].json()["reason"] == "rate_limited"
        assert answers[3].headers["Strict-Transport-Security"] == "max-age=60; includeSubDomains"
        assert httpx.get(f"{api.url}/readyz").status_code == 200
        spoofed = send(api, "POST", "/predict", **{"X-Forwarded-For": "203.0.113.9"})
        assert spoofed.status_code == 429


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::", marks=NEEDS_IPV6)])
def test_a_proxy_that_is_trusted_tells_whose_request_it_is(make_settings: Callable[..., Settings], host: str) -> None:
    api_of = {"host": host, "trusted_proxies": ["127.0.0.0/8"]}
    behind = make_settings(access={"requests_per_address": 1}, api=api_of)
    with running_api(behind) as api:
        statuses = [
            send(api, "POST", "/predict", **{"X-Forwarded-For": forwarded}).status_code
            for forwarded in ("203.0.113.9", "203.0.113.9", "203.0.113.8", "203.0.113.8, 203.0.113.9")
        ]
    assert statuses == [200, 429, 200, 429]


def test_who_fails_too_often_waits(make_settings: Callable[..., Settings]) -> None:
    strict = make_settings(access={"enabled": True, "failed_sign_ins_per_address": 2})
    key = make_key(strict, "good", "predict")
    with running_api(strict) as api:
        statuses = [send(api, "POST", "/predict", f"dnd_{n}").status_code for n in range(3)]
        assert statuses == [401, 401, 429]
        refused = send(api, "POST", "/predict", key)
        assert refused.status_code == 429
        assert (refused.headers["ratelimit-limit"], refused.headers["ratelimit-remaining"]) == ("2", "0")
        assert refused.headers["ratelimit-reset"] == refused.headers["retry-after"]
        assert "Check the key" in refused.json()["detail"]


def test_who_is_known_is_not_locked_out_by_who_guesses_at_the_same_address(
    make_settings: Callable[..., Settings],
) -> None:
    strict = make_settings(
        access={"enabled": True, "failed_sign_ins_per_address": 2, "jwt_secrets": [SECRET], "key_cache_seconds": 0.0}
    )
    key = make_key(strict, "good", "predict")
    with running_api(strict) as api:
        for credential in (key, good := token()):
            assert send(api, "POST", "/predict", credential).status_code == 200
        guesses = [send(api, "POST", "/predict", f"{key[:-4]}{n:04}").status_code for n in range(4)]
        assert guesses == [401, 401, 429, 429]
        for credential in (key, good):
            assert send(api, "POST", "/predict", credential).status_code == 200
        assert dandelion(strict, "keys", "revoke", "good").returncode == 0
        assert send(api, "POST", "/predict", key).status_code == 401
        assert send(api, "POST", "/predict", key).status_code == 429


def test_a_page_of_another_site_changes_nothing(guarded: Api, keys: dict[str, str], settings: Settings) -> None:
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    refused = send(guarded, "POST", "/predict", keys["predict"], **evil)
    assert (refused.status_code, refused.json()["reason"]) == (403, "foreign_origin")
    assert "CORS_ORIGINS" in refused.json()["detail"]
    for origin in (settings.api.cors_origins[0], "https://biology.school.example", guarded.url):
        assert send(guarded, "POST", "/predict", keys["predict"], Origin=origin).status_code == 200
    assert httpx.get(f"{guarded.url}/readyz", headers=evil).status_code == 200


def test_a_page_of_another_site_rolls_nothing_back_where_access_is_off(make_settings: Callable[..., Settings]) -> None:
    with running_api(make_settings()) as api:
        for path in ("/admin/rollback", "/admin/promote", "/admin/reload", "/feedback", "/hooks/alertmanager"):
            answer = httpx.post(api.url + path, headers={"Origin": "null", "Content-Type": "text/plain"}, content=b"{}")
            assert answer.status_code == 403, path


def test_monitoring_has_a_port_of_its_own_where_that_is_set(make_settings: Callable[..., Settings]) -> None:
    (port,) = free_ports(1)
    apart = make_settings(api={"monitoring_port": port})
    with running_api(apart) as api:
        monitoring = f"http://127.0.0.1:{port}"
        for path in ("/livez", "/readyz", "/health", "/metrics"):
            assert httpx.get(monitoring + path).status_code == 200
            assert httpx.get(api.url + path).status_code == 404
            assert httpx.options(monitoring + path).status_code == 204
            assert httpx.options(api.url + path).status_code == 404
        assert httpx.options(f"{monitoring}/predict").status_code == 404
        assert send(api, "POST", "/predict").status_code == 200
        assert httpx.post(f"{monitoring}/predict", content=jpeg()).status_code == 404
        assert httpx.get(f"{monitoring}/docs").status_code == 404


async def test_the_page_finds_figures_on_the_port_that_is_for_monitoring(
    make_settings: Callable[..., Settings],
) -> None:
    (port,) = free_ports(1)
    apart = make_settings(api={"monitoring_port": port})
    with running_api(apart) as api:
        traffic = Traffic(apart.pods_url)
        await traffic.sample()
        assert (await asyncio.to_thread(send, api, "POST", "/predict")).status_code == 200
        await traffic.sample()
        await traffic.close()
        assert (traffic.samples[-1].processes, traffic.samples[-1].change.answered) == (1, 1)


def test_a_database_that_is_down_locks_out_nobody_who_was_seen(
    mysql: MySqlServer, make_settings: Callable[..., Settings]
) -> None:
    mysql.create("access")
    database = {"url": mysql.url("access"), "connect_timeout_seconds": 0.5}
    shared = make_settings(access={"enabled": True, "key_cache_seconds": 0.0}, database=database)
    seen, unseen = (make_key(shared, name, "predict", DANDELION_DATABASE__URL=mysql.url("access")) for name in "ab")
    with running_api(shared) as api:
        assert send(api, "POST", "/predict", seen).status_code == 200
        mysql.stop()
        try:
            assert send(api, "POST", "/predict", seen).status_code == 200
            refused = send(api, "POST", "/predict", unseen)
            assert (refused.status_code, refused.json()["reason"]) == (503, "database")
        finally:
            mysql.start()
        assert send(api, "POST", "/predict", unseen).status_code == 200


@contextmanager
def published(document: dict[str, Any]) -> Iterator[str]:
    """An identity provider's keys, on a real socket."""

    class Keys(Handler):
        def do_GET(self) -> None:
            self.answer(200, json.dumps(document).encode())

    with listening(Keys) as url:
        yield f"{url}/keys"


def test_tokens_of_an_identity_provider_open_and_its_keys_may_change(make_settings: Callable[..., Settings]) -> None:
    first, second = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    document: dict[str, Any] = {"keys": [{**RSAAlgorithm.to_jwk(first.public_key(), as_dict=True), "kid": "1"}]}

    def signed(private: Any, algorithm: str, kid: str, **more: Any) -> str:
        claims = {"sub": "ada", "aud": "dandelion", "exp": time.time() + 60, "scope": "predict", **more}
        return jwt.encode(claims, private, algorithm, headers={"kid": kid})

    with published(document) as url:
        access = {"enabled": True, "jwks_url": url, "jwt_audience": "dandelion", "jwks_cooldown_seconds": 0}
        with running_api(make_settings(access=access)) as api:
            by_ec = signed(second, "ES256", "2")
            assert send(api, "POST", "/predict", signed(first, "RS256", "1")).status_code == 200
            assert send(api, "POST", "/predict", signed(first, "RS256", "1", aud="others")).status_code == 401
            assert send(api, "POST", "/predict", by_ec).status_code == 401
            document["keys"] = [{**ECAlgorithm.to_jwk(second.public_key(), as_dict=True), "kid": "2"}]
            assert send(api, "POST", "/predict", by_ec).status_code == 200


def test_an_administrator_may_all_also_without_a_name(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(access={"enabled": True, "anonymous_scopes": ["admin"]})
    with running_api(settings) as api, Client(api.url) as nobody:
        assert set(nobody.me().scopes) == {"predict", "feedback", "read", "admin"}
        assert nobody.predict(jpeg()).label
        assert nobody.model()["version"]


def test_everybody_may_ask_whom_the_api_takes_them_for(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(access={"enabled": True, "key_cache_seconds": 0.0, "anonymous_scopes": ["predict"]})
    key = make_key(settings, "boss", "admin")
    with running_api(settings) as api:
        with Client(api.url) as nobody:
            assert nobody.me() == Identity(name="anonymous", scopes=["predict"], is_asked=True)
        with Client(api.url, key=key) as boss:
            told = boss.me()
        assert (told.name, set(told.scopes)) == ("key:boss", {"predict", "feedback", "read", "admin"})
        with Client(api.url, key=key[:-1] + "?") as wrong, pytest.raises(AuthenticationError):
            wrong.me()
    with running_api(make_settings()) as api, Client(api.url) as client:
        assert client.me().is_asked is False
        assert len(client.me().scopes) == 4
