"""Addresses of servers."""

from __future__ import annotations


def url_of(host: str, port: int) -> str:
    """Where what listens on `host` answers those who are on its machine."""
    reached = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 -- read, not bound
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"
