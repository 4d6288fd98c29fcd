"""What the environment says of the way out: a private authority (`SSL_CERT_FILE`), and a proxy (`HTTP_PROXY`)."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx
import jwt
import pytest
import urllib3

from dandelion.client import AsyncClient
from dandelion.errors import ObjectStoreError, UnreachableError
from dandelion.objects import DATA_LAKE, create_store
from dandelion.objects.connections import Pool
from dandelion.release.pods import Pods
from dandelion.settings import S3Settings, Settings
from dandelion.ui.traffic import Traffic
from tests.servers.certificates import Certificate, make_certificate
from tests.servers.s3 import S3Server
from tests.servers.scripted import Handler, listening

pytestmark = pytest.mark.proof  # certificates are made by the program openssl


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificates"))


def forwarding(to: str, tls: ssl.SSLContext | None = None) -> AbstractContextManager[str]:
    """A server that passes everything on as it came: the name of the host is signed, too."""

    class Front(Handler):
        def do_GET(self) -> None:
            passed = httpx.request(
                self.command, to + self.path, content=self.read_body(), headers=dict(self.headers), trust_env=False
            )
            self.answer(passed.status_code, passed.content, passed.headers)

        do_PUT = do_GET  # noqa: N815 -- a name of http.server
        do_HEAD = do_GET  # noqa: N815

    return listening(Front, tls)


@pytest.fixture
def encrypted(minio: S3Server, certificate: Certificate) -> Iterator[str]:
    """MinIO behind TLS with a certificate of the authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.file, certificate.key)
    with forwarding(minio.url, context) as url:
        yield url


def test_an_authority_of_the_environment_is_trusted_for_s3(
    minio: S3Server,
    encrypted: str,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    make_settings: Callable[..., Settings],
) -> None:
    create_store(make_settings(objects=minio.settings(bucket_prefix="tls-"))).prepare()
    section = minio.settings(bucket_prefix="tls-", url=encrypted)
    with pytest.raises(ObjectStoreError, match=r"MaxRetryError|SSLError"):
        create_store(make_settings(objects=section)).put(DATA_LAKE, "a", b"a")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.ca))
    store = create_store(make_settings(objects=section))
    store.put(DATA_LAKE, "a", b"a photo")
    assert store.get(DATA_LAKE, "a") == b"a photo"


def test_an_authority_of_the_environment_is_trusted_for_keys_of_an_identity_provider(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Provider(Handler):
        def do_GET(self) -> None:
            self.answer(200, b'{"keys": [{"kty": "oct", "k": "AA", "kid": "1"}]}')

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.file, certificate.key)
    with listening(Provider, context) as url:
        with pytest.raises(jwt.PyJWKClientConnectionError):
            jwt.PyJWKClient(url).get_jwk_set()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.ca))
        assert jwt.PyJWKClient(url).get_jwk_set().keys


@contextmanager
def proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy for HTTP, and what went through it."""
    seen: list[str] = []

    class Proxy(Handler):
        def do_GET(self) -> None:
            seen.append(self.path)
            passed = httpx.request(
                self.command, self.path, content=self.read_body(), headers=dict(self.headers), trust_env=False
            )
            self.answer(passed.status_code, passed.content, passed.headers)

        do_PUT = do_GET  # noqa: N815 -- a name of http.server

    with listening(Proxy) as url:
        yield url, seen


def test_s3_is_reached_through_the_proxy_unless_it_is_excepted(
    minio: S3Server, monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings]
) -> None:
    section = minio.settings(bucket_prefix="proxied-")
    create_store(make_settings(objects=section)).prepare()
    with proxy() as (url, seen):
        monkeypatch.setenv("HTTP_PROXY", url)
        create_store(make_settings(objects=section)).put(DATA_LAKE, "a", b"a photo")
        assert [each.startswith(minio.url) for each in seen] == [True]
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert create_store(make_settings(objects=section)).get(DATA_LAKE, "a") == b"a photo"
        assert len(seen) == 1


def test_the_account_of_a_proxy_is_sent_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a URL, it is percent-encoded."""
    accounts: list[str] = []

    class Proxy(Handler):
        def do_GET(self) -> None:
            accounts.append(self.headers["Proxy-Authorization"])
            self.answer(200, b"")

    with listening(Proxy) as url:
        monkeypatch.setenv("HTTP_PROXY", url.replace("//", "//robot:p%40ss%3Aw%C3%B6rd%25@"))
        Pool(S3Settings(), urllib3.Retry(0)).urlopen("GET", "http://s3.example.com/")
    assert accounts == [f"Basic {b64encode('robot:p@ss:wörd%'.encode()).decode()}"]


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a pod, whose name nobody could except from the proxy."""

    class Api(Handler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self.answer(200, b"# TYPE predictions counter\npredictions_total 1\n", {"Content-Type": "text/plain"})
            else:
                self.answer(200, b'{"version": "3", "alias": "champion"}', {"Content-Type": "application/json"})

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with listening(Api) as url:
        yield url


async def test_a_client_can_do_without_the_proxy(pod: str) -> None:
    async with AsyncClient(pod, patience_seconds=0) as through:
        with pytest.raises(UnreachableError):
            await through.model()
    async with AsyncClient(pod, patience_seconds=0, use_proxy=False) as direct:
        assert await direct.model() == {"version": "3", "alias": "champion"}


async def test_releases_reach_pods_without_the_proxy(pod: str, make_settings: Callable[..., Settings]) -> None:
    (found,) = await Pods(make_settings(release={"pods_url": pod}), None).list()
    assert found.version == "3"


async def test_the_page_reads_the_telemetry_of_pods_without_the_proxy(pod: str) -> None:
    traffic = Traffic(pod.replace("127.0.0.1", "localhost"))
    for _ in range(2):
        await traffic.sample()
    assert len(traffic.samples) == 1
    await traffic.close()
