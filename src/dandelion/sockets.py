"""Listening sockets, with an error that names the setting."""

from __future__ import annotations

import socket

from dandelion.errors import DandelionError, PortInUseError


def listen(host: str, port: int, variable: str) -> socket.socket:
    """A listening socket; `variable` is the setting of its port.

    Raises:
        PortInUseError: Somebody else listens there.
        DandelionError: The address is none of this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if "in use" in str(error).lower():
            raise PortInUseError(
                f"Port {port} on {host} is in use.", f"Stop what listens there, or set {variable}."
            ) from error
        raise DandelionError(
            f"Cannot listen on {host}:{port} ({error}).", f"Set {variable.split('__', maxsplit=1)[0]}__HOST."
        ) from error
