"""Encrypted connections to MySQL, without a fallback to plain text."""

from __future__ import annotations

import ssl
from typing import Any

import aiomysql
from pymysql.constants import CLIENT

from dandelion.errors import DatabaseError, SettingsError
from dandelion.settings import DatabaseSettings


def create_context(options: DatabaseSettings) -> ssl.SSLContext:
    """The trusted certificates, and our own certificate, if any.

    Raises:
        SettingsError: The certificates cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=options.tls_ca)
        if options.tls_cert:
            context.load_cert_chain(options.tls_cert, options.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"The certificates for the database cannot be read ({error}).",
            "Check DANDELION_DATABASE__TLS_CA, __TLS_CERT and __TLS_KEY.",
        ) from error
    return context


async def connect(*arguments: Any, **options: Any) -> aiomysql.Connection:
    """Connect with encryption or not at all.

    Raises:
        DatabaseError: The server offers no encryption.
    """
    connection = _EncryptedConnection(*arguments, **options)
    await connection.ping()  # which opens one that is not open
    return connection


class _EncryptedConnection(aiomysql.Connection):  # type: ignore[misc]  # the driver has no types
    """A connection that fails if the server, or an attacker in front of it, offers no TLS.

    The driver would continue in plain text, and send the proof of the password before anything could check it.
    """

    @property
    def server_capabilities(self) -> int:
        """Flags of the server's greeting."""
        return self._server_capabilities

    @server_capabilities.setter
    def server_capabilities(self, flags: int) -> None:
        if not flags & CLIENT.SSL:
            raise DatabaseError(
                "The database server offers no encryption.",
                "Switch TLS on there. In a trusted network, you can set DANDELION_DATABASE__TLS=false instead.",
            )
        self._server_capabilities = flags
