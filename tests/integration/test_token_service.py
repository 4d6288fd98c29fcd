"""Temporary credentials for S3: when they are renewed, and what is said where none are given."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dandelion.errors import ObjectStoreError
from dandelion.objects import identity
from dandelion.objects.identity import CloudIdentity
from dandelion.settings import S3Settings
from tests.servers.scripted import Handler, listening
from tests.waiting import wait_until

TOKEN = "eyJhbGciOiJSUzI1NiJ9.a-token-of-a-pod.signature"  # noqa: S105 -- of nobody
REFUSAL = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error>
</ErrorResponse>"""
CREDENTIALS = """<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>{id}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken>
<Expiration>{end}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


@dataclass
class Service:
    """A token service of which a test says how it answers.

    Attributes:
        seconds: For how long its credentials are valid.
        refusal: Status and text instead of credentials.
        paths: What was asked.
    """

    seconds: float = 3600
    refusal: tuple[int, str] | None = None
    paths: list[str] = field(default_factory=list)
    free: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[str]:
        service = self
        self.free.set()

        class Answers(Handler):
            def do_POST(self) -> None:
                asked = f"{self.path} {self.read_body().decode()}"
                service.paths.append(self.path)
                service.free.wait(10)
                end = datetime.now(UTC) + timedelta(seconds=service.seconds)
                given = CREDENTIALS.format(id=len(service.paths), end=end.strftime("%Y-%m-%dT%H:%M:%SZ"))
                status, text = service.refusal or (200, given)
                self.answer(status, text.replace("ASKED", asked).encode())

        with listening(Answers) as url:
            yield url


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """One that the environment names, beside a pod's token."""
    file = tmp_path / "token"
    file.write_text(TOKEN)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(file))
    made = Service()
    with made.running() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        yield made


@pytest.fixture
def options() -> S3Settings:
    return S3Settings(url="https://s3.example.com", workload_identity=True, timeout_seconds=5)


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        ((400, REFUSAL), "answered 400, AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"),
        ((403, "denied: ASKED"), "answered 403, denied: / "),
        ((404, "<html>ASKED<br></html>"), "answered 404)"),
        ((200, "<html>sign in, ASKED<br></html>"), "ParseError: "),
        ((200, "<a/>"), "ValueError: "),
        ((503, "busy"), "answered 503, busy"),
    ],
)
def test_a_refusal_says_why_and_never_the_token(
    service: Service, options: S3Settings, caplog: pytest.LogCaptureFixture, refusal: tuple[int, str], says: str
) -> None:
    service.refusal = refusal
    caplog.set_level("DEBUG")
    try:
        CloudIdentity(options).retrieve()
    except ObjectStoreError as error:
        message, trace = str(error), traceback.format_exc()
    assert says in message
    assert {TOKEN in text for text in (message, trace, caplog.text, *service.paths)} == {False}


def test_a_service_that_is_away_is_named_without_the_token(
    service: Service, options: S3Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert service.paths == []
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9/sts")
    try:
        CloudIdentity(options).retrieve()
    except ObjectStoreError as error:
        message, trace = str(error), traceback.format_exc()
    assert "127.0.0.1" in message
    assert "refused" in message
    assert {TOKEN in text for text in (message, trace, caplog.text)} == {False}


def test_credentials_are_renewed_minutes_before_they_expire(
    service: Service, options: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = CloudIdentity(options)
    assert [cloud.retrieve().access_key for _ in range(3)] == ["1", "1", "1"]
    service.seconds = 240
    soon = CloudIdentity(options)
    # A service that has no newer ones is not asked again at once.
    assert [soon.retrieve().access_key for _ in range(3)] == ["2", "2", "2"]
    monkeypatch.setattr(identity, "_PAUSE_SECONDS", 0.0)
    again = CloudIdentity(options)
    assert [again.retrieve().access_key for _ in range(3)] == ["3", "4", "5"]


def test_valid_credentials_outlive_a_renewal_that_fails(
    service: Service, options: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "_PAUSE_SECONDS", 0.0)
    service.seconds = 240
    cloud = CloudIdentity(options)
    held = cloud.retrieve()
    service.refusal = (400, REFUSAL)
    assert cloud.retrieve() == held
    assert len(service.paths) == 2
    service.refusal = None
    assert cloud.retrieve().access_key == "3"


def test_one_thread_renews_for_all(service: Service, options: S3Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = CloudIdentity(options)
    with ThreadPoolExecutor(8) as threads:
        assert {found.access_key for found in threads.map(lambda _: cloud.retrieve(), range(8))} == {"1"}
        # Meanwhile nobody waits who has what is still valid.
        service.seconds = 240
        monkeypatch.setattr(identity, "_AHEAD", timedelta(hours=2))
        cloud._next_attempt = 0.0
        service.free.clear()
        renewing = threads.submit(cloud.retrieve)
        wait_until(lambda: len(service.paths) == 2, "the thread that renews", every=0.01)
        assert cloud.retrieve().access_key == "1"
        service.free.set()
        assert renewing.result().access_key == "2"


def test_the_agent_of_the_node_is_asked_without_the_proxy(
    options: S3Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Agent(Handler):
        def do_GET(self) -> None:
            assert self.headers["Authorization"] == TOKEN
            end = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            given = {"AccessKeyId": "of-the-pod", "SecretAccessKey": "s", "Token": "t", "Expiration": end}
            self.answer(200, json.dumps(given).encode())

    assert {"169.254.170.23", "[fd00:ec2::23]", "169.254.169.254"} <= identity._NODE
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    with listening(Agent) as url:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/v1/credentials")
        with pytest.raises(ObjectStoreError, match="port=9"):
            CloudIdentity(options).retrieve()
        monkeypatch.setattr(identity, "_NODE", frozenset({"127.0.0.1"}))
        assert CloudIdentity(options).retrieve().access_key == "of-the-pod"
