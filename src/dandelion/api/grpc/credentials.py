"""TLS of the gRPC port."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import grpc
import structlog

from dandelion.errors import SettingsError
from dandelion.settings import GrpcSettings

log = structlog.get_logger(__name__)


def create_credentials(settings: GrpcSettings) -> grpc.ServerCredentials | None:
    """The port's certificate, read again for a new connection once its file has changed; None without TLS.

    Raises:
        SettingsError: The files do not hold a certificate, its key, or authorities.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    files = _Files(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    must_sign = settings.tls_client_ca is not None
    fetch: Any = files.read_if_changed  # None, which means no change, is missing in its stubs
    return grpc.dynamic_ssl_server_credentials(files.read(), fetch, must_sign)


class _Files:
    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self._changed: list[int] = []

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Read all.

        Raises:
            SettingsError: They cannot be used.
        """
        try:
            changed = self._times()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate, self._key)  # gRPC names no reason
            if self._client_ca is not None:
                context.load_verify_locations(self._client_ca)
            authorities = None if self._client_ca is None else self._client_ca.read_bytes()
            pair = self._key.read_bytes(), self._certificate.read_bytes()
        except OSError as error:
            raise SettingsError(
                f"The certificate of the gRPC port cannot be read ({error}).",
                "Set DANDELION_GRPC__TLS_CERTIFICATE, __TLS_KEY and __TLS_CLIENT_CA to PEM files that belong together.",
            ) from error
        self._changed = changed
        return grpc.ssl_server_certificate_configuration([pair], authorities)

    def read_if_changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Read all if a file has changed; gRPC calls this for each connection, in a thread of its own."""
        try:
            return self.read() if self._times() != self._changed else None
        except (SettingsError, OSError) as error:  # the key may follow its certificate in a moment
            log.warning("certificate_not_read", error=str(error))
            return None

    def _times(self) -> list[int]:
        return [each.stat().st_mtime_ns for each in (self._certificate, self._key, self._client_ca) if each is not None]
