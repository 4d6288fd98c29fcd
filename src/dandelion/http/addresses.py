"""Addresses of servers, and of trusted proxies."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

ANYBODY = "*"
# What needs no escaping in a URL or in HTML.
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*")


def url_of(host: str, port: int) -> str:
    """The URL at which a server that listens on `host` can be reached from its own machine."""
    reached = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 -- read, not bound
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def check_proxy(text: str) -> str:
    """Return a proxy unchanged if it is valid.

    Raises:
        ValueError: It is no address or network; the message says what to write.
    """
    if text != ANYBODY:
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError as error:
            raise ValueError("write an address, a network such as 10.0.0.0/8, or *") from error
    return text


def check_prefix(text: str) -> str:
    """Return the path under which a proxy publishes a server, without a slash at its end; empty means `/`.

    Raises:
        ValueError: It is no such path; the message says what to write.
    """
    prefix = text.rstrip("/")
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("write a path such as /dandelion, of letters, digits and . _ ~ -")
    return prefix


def trusted_peers(proxies: Sequence[str]) -> list[str]:
    """Proxies in the form that uvicorn compares with peers.

    A dual-stack socket reports 10.1.2.3 as `::ffff:10.1.2.3`, and uvicorn silently drops a network with host bits.
    """
    if ANYBODY in proxies:
        return [ANYBODY]
    networks = [ipaddress.ip_network(each, strict=False) for each in proxies]
    mapped = [f"::ffff:{each.network_address}/{96 + each.prefixlen}" for each in networks if each.version == 4]
    return [*map(str, networks), *mapped]
