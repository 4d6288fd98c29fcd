"""Sockets of servers, with an error that names the setting."""

from __future__ import annotations

import contextlib
import socket

from dandelion.errors import DandelionError, PortInUseError

BACKLOG = 2048


def reserve(host: str, port: int, variable: str) -> socket.socket:
    """A socket that has the port and lets nobody in before it listens; `variable` is the setting of its port.

    Raises:
        PortInUseError: Somebody listens there.
        DandelionError: The address is none of this machine's, or the port not for this user.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with contextlib.ExitStack() as closing:
            found = closing.enter_context(socket.socket(family, socket.SOCK_STREAM))
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((host, port))
            closing.pop_all()
    except OSError as error:
        if "in use" in str(error).lower():
            raise port_in_use(host, port, variable) from error
        raise DandelionError(
            f"Cannot listen on port {port} of {host} ({error}).",
            f"Set {variable.split('__', maxsplit=1)[0]}__HOST or {variable}.",
        ) from error
    return found


def listen(host: str, port: int, variable: str) -> socket.socket:
    """The same, listening: who comes before the server answers waits at the door."""
    found = reserve(host, port, variable)
    try:
        found.listen(BACKLOG)
    except OSError as error:
        raise port_in_use(host, port, variable) from error
    return found


def check_port(host: str, port: int, variable: str) -> None:
    """Make sure that we could listen there.

    Raises:
        PortInUseError: Somebody listens there.
        DandelionError: The address is none of this machine's, or the port not for this user.
    """
    listen(host, port, variable).close()


def port_in_use(host: str, port: int, variable: str) -> PortInUseError:
    """What to say when somebody else listens."""
    return PortInUseError(f"Port {port} on {host} is in use.", f"Stop what listens there, or set {variable}.")
