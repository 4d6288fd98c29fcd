"""Ports for servers that tests start."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

import pytest

# Below those that the kernel gives to who connects: a client's may come between the look and the server's start.
_RANGE = range(20_000, 32_768)
_CHANCE = random.SystemRandom()


def free_ports(count: int) -> list[int]:
    """Distinct loopback ports that nobody listens on now."""
    ports: list[int] = []
    with ExitStack() as held:
        while len(ports) < count:
            port = _CHANCE.choice(_RANGE)
            try:
                held.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            ports.append(port)
    return ports


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


NEEDS_IPV6 = pytest.mark.skipif(not _has_ipv6(), reason="loopback has no address of IPv6")
