"""S3 without static keys: MinIO's token service trades a pod's token for credentials that expire."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from dandelion.errors import ObjectStoreError, SettingsError
from dandelion.objects import DATA_LAKE, create_store
from dandelion.settings import Settings
from tests.servers.s3 import S3Server
from tests.servers.scripted import Handler, listening

CLIENT = "dandelion"


@dataclass
class Cluster:
    """What a cluster does for its pods: it signs their tokens, and publishes the key to check them with.

    Attributes:
        url: Where the key is.
        tokens: How many were signed.
    """

    url: str = ""
    tokens: int = 0
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def sign(self) -> str:
        """A token as a ServiceAccount's, which is allowed everything."""
        self.tokens += 1
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "azp": CLIENT,
            "sub": "system:serviceaccount:demo:dandelion-api",
            "policy": "readwrite",
            "exp": int(time.time()) + 3600,
            "jti": str(self.tokens),
        }
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": "1"})

    @contextmanager
    def running(self) -> Iterator[Cluster]:
        cluster = self

        class Issuer(Handler):
            def do_GET(self) -> None:
                if self.path.startswith("/.well-known"):
                    said = {"issuer": cluster.url, "jwks_uri": f"{cluster.url}/keys"}
                    said |= {"authorization_endpoint": cluster.url, "token_endpoint": cluster.url}
                    self.answer(200, json.dumps(said).encode())
                    return
                key = jwt.algorithms.RSAAlgorithm.to_jwk(cluster.key.public_key(), as_dict=True)
                self.answer(200, json.dumps({"keys": [{**key, "kid": "1", "alg": "RS256", "use": "sig"}]}).encode())

        with listening(Issuer) as self.url:
            yield self


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster().running() as found:
        yield found


@pytest.fixture(scope="module")
def server(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A MinIO that believes the cluster."""
    env = {
        "MINIO_IDENTITY_OPENID_CONFIG_URL": f"{cluster.url}/.well-known/openid-configuration",
        "MINIO_IDENTITY_OPENID_CLIENT_ID": CLIENT,
    }
    made = S3Server("minio", tmp_path_factory.mktemp("minio"), env)
    yield made
    made.stop()


@contextmanager
def token_service(server: S3Server, seconds: float) -> Iterator[tuple[str, list[str]]]:
    """MinIO's, whose credentials are said to expire after so long; and the tokens that it was given."""
    given: list[str] = []

    class Service(Handler):
        def do_POST(self) -> None:
            form = parse_qs(self.read_body().decode())
            given.append(form["WebIdentityToken"][0])
            passed = httpx.post(server.url + self.path, data=form)
            until = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
            body = re.sub("<Expiration>[^<]+", f"<Expiration>{until}", passed.text)
            self.answer(passed.status_code, body.encode())

    with listening(Service) as url:
        yield url, given


@pytest.fixture
def token(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the cluster mounts in a pod."""
    file = tmp_path / "token"
    file.write_text(cluster.sign())
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(file))
    return file


def test_objects_are_stored_without_keys(
    server: S3Server, token: Path, monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings]
) -> None:
    assert token.exists()
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    store = create_store(make_settings(objects={"url": server.url, "workload_identity": True}))
    store.prepare()
    store.put(DATA_LAKE, "a.jpg", b"a photo")
    assert store.get(DATA_LAKE, "a.jpg") == b"a photo"


def test_credentials_are_renewed_with_the_token_of_the_moment(
    cluster: Cluster,
    server: S3Server,
    token: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_settings: Callable[..., Settings],
) -> None:
    with token_service(server, seconds=0) as (url, given):
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        store = create_store(make_settings(objects={"url": server.url, "workload_identity": True}))
        store.prepare()
        first = token.read_text()
        assert set(given) == {first}
        token.write_text(cluster.sign())
        store.put(DATA_LAKE, "b.jpg", b"later")
        assert given[-1] == token.read_text() != first
    with token_service(server, seconds=3600) as (url, given):
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        store = create_store(make_settings(objects={"url": server.url, "workload_identity": True}))
        for _ in range(3):
            assert store.get(DATA_LAKE, "b.jpg") == b"later"
        assert len(given) == 1


@pytest.mark.parametrize("wrong", ["no token", "a token of another cluster"])
def test_an_identity_that_is_refused_says_what_to_check(
    server: S3Server, token: Path, monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings], wrong: str
) -> None:
    if wrong == "no token":
        token.unlink()
    else:
        token.write_text(Cluster(url="http://elsewhere.example.com").sign())
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    store = create_store(make_settings(objects={"url": server.url, "workload_identity": True}))
    with pytest.raises(ObjectStoreError, match="The cloud gave no credentials for") as refused:
        store.get(DATA_LAKE, "a.jpg")
    assert "ServiceAccount" in str(refused.value)
    said = "error in reading file" if wrong == "no token" else "answered 400, InvalidParameterValue: "
    assert said in str(refused.value)


def test_keys_and_an_identity_exclude_each_other(make_settings: Callable[..., Settings]) -> None:
    with pytest.raises((SettingsError, ValueError), match="workload_identity replaces"):
        make_settings(objects={"url": "http://127.0.0.1:9", "workload_identity": True, "access_key": "a"})
