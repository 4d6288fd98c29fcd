"""Encrypted connections to MySQL, or none."""

from __future__ import annotations

import ssl
from typing import Any

import aiomysql
from pymysql.constants import CLIENT

from dandelion.errors import DatabaseError, SettingsError
from dandelion.settings import DatabaseSettings


def create_context(options: DatabaseSettings) -> ssl.SSLContext:
    """What certificates are checked against, and our own, if any.

    Raises:
        SettingsError: They cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=str(options.tls_ca) if options.tls_ca else None)
        if options.tls_cert:
            context.load_cert_chain(str(options.tls_cert), str(options.tls_key) if options.tls_key else None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"The certificates for the database cannot be read ({error}).",
            "Check DANDELION_DATABASE__TLS_CA, __TLS_CERT and __TLS_KEY.",
        ) from error
    return context


async def connect(*arguments: Any, **options: Any) -> aiomysql.Connection:
    """A connection that the driver must not open in the clear.

    Raises:
        DatabaseError: The server offers no encryption.
    """
    connection = _EncryptedConnection(*arguments, **options)
    await connection.ping()  # which opens one that is not open
    return connection


class _EncryptedConnection(aiomysql.Connection):  # type: ignore[misc]  # the driver has no types
    """Ends where a server, or whoever sits before it, greets us without TLS.

    The driver goes on in the clear then, and hands out the password's proof before anybody could look.
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
                "Switch TLS on there, or, where nobody listens, set DANDELION_DATABASE__TLS=false.",
            )
        self._server_capabilities = flags
