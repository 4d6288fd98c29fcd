"""An MLflow server that is reached over TLS, as MLflow's own variables say."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest

from dandelion.registry.rest import RestClient
from tests.servers.certificates import Certificate, make_certificate
from tests.servers.scripted import Handler, listening

pytestmark = pytest.mark.proof  # certificates are made by the program openssl


class Mlflow(Handler):
    """Knows one version of every model."""

    def do_GET(self) -> None:
        self.answer(200, msgspec.json.encode({"model_version": {"name": "plants", "version": "3"}}))


def listening_over_tls(certificate: Certificate, *, asks_for_one: bool) -> AbstractContextManager[str]:
    """Its address; it may take only clients of the same authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificate.ca))
    context.load_cert_chain(certificate.file, certificate.key)
    context.verify_mode = ssl.CERT_REQUIRED if asks_for_one else ssl.CERT_NONE
    return listening(Mlflow, context)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificates"))


def find_version(url: str) -> str:
    return str(RestClient(url, 5, lambda: cast("Any", None)).get_model_version("plants", "3").version)


def test_a_server_of_an_unknown_authority_is_not_asked(certificate: Certificate) -> None:
    with (
        listening_over_tls(certificate, asks_for_one=False) as url,
        pytest.raises(httpx.ConnectError, match="certificate"),
    ):
        find_version(url)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_TRACKING_SERVER_CERT_PATH", lambda certificate: str(certificate.ca)),
        ("SSL_CERT_FILE", lambda certificate: str(certificate.ca)),
        ("MLFLOW_TRACKING_INSECURE_TLS", lambda _: "true"),
    ],
)
def test_an_authority_is_trusted_by_name_or_none_is_asked_for(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch, name: str, value: Callable[[Certificate], str]
) -> None:
    monkeypatch.setenv(name, value(certificate))
    with listening_over_tls(certificate, asks_for_one=False) as url:
        assert find_version(url) == "3"


def test_a_server_that_asks_for_a_certificate_is_shown_ours(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours = tmp_path / "client.pem"
    ours.write_bytes(certificate.file.read_bytes() + certificate.key.read_bytes())
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate.ca))
    with listening_over_tls(certificate, asks_for_one=True) as url:
        with pytest.raises(httpx.TransportError):
            find_version(url)
        monkeypatch.setenv("MLFLOW_TRACKING_CLIENT_CERT_PATH", str(ours))
        assert find_version(url) == "3"
