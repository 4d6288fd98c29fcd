"""Addresses: where servers answer, and which proxies are believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

ANYBODY = "*"


def url_of(host: str, port: int) -> str:
    """Where what listens on `host` answers those who are on its machine."""
    reached = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 -- read, not bound
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def check_proxy(text: str) -> str:
    """A proxy as it was given.

    Raises:
        ValueError: It could match nobody; the message says what to write.
    """
    if text != ANYBODY:
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError as error:
            raise ValueError("write an address, a network such as 10.0.0.0/8, or *") from error
    return text


def trusted_peers(proxies: Sequence[str]) -> list[str]:
    """Proxies in the form that uvicorn compares peers with.

    A socket for both families calls 10.1.2.3 `::ffff:10.1.2.3`, and uvicorn drops a network with host bits in silence.
    """
    if ANYBODY in proxies:
        return [ANYBODY]
    networks = [ipaddress.ip_network(each, strict=False) for each in proxies]
    mapped = [f"::ffff:{each.network_address}/{96 + each.prefixlen}" for each in networks if each.version == 4]
    return [*map(str, networks), *mapped]
