"""Server sockets, with errors that name the setting to change."""

from __future__ import annotations

import contextlib
import socket

from dandelion.errors import DandelionError, PortInUseError

BACKLOG = 2048


def reserve(host: str, port: int, variable: str) -> socket.socket:
    """A socket that is bound to the port but does not listen yet; `variable` is the setting of its port.

    Raises:
        PortInUseError: Another process listens on the port.
        DandelionError: The address belongs to another machine, or this user may not use the port.
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
    """A socket that listens: connections wait in its backlog until the server accepts them."""
    found = reserve(host, port, variable)
    try:
        found.listen(BACKLOG)
    except OSError as error:
        raise port_in_use(host, port, variable) from error
    return found


def check_port(host: str, port: int, variable: str) -> None:
    """Check that the port is free; raises the errors of `reserve`."""
    listen(host, port, variable).close()


def port_in_use(host: str, port: int, variable: str) -> PortInUseError:
    """The error if another process listens on the port."""
    return PortInUseError(
        f"Port {port} on {host} is in use.", f"Stop the process that listens there, or set {variable}."
    )
