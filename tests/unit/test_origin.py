"""Whose page a browser says that it asks for."""

from __future__ import annotations

import pytest

from dandelion.access import is_foreign

HOST = "page.example:7860"


@pytest.mark.parametrize(
    ("origin", "site", "foreign"),
    [
        (None, None, False),  # a program
        ("http://page.example:7860", None, False),
        ("https://page.example:7860", None, False),
        ("http://evil.example", None, True),
        ("http://page.example:7860.evil.example", None, True),
        ("null", None, True),
        ("http://[", None, True),
        ("https://public.example", "same-origin", False),  # a proxy changed the host
        ("https://page.example:7860", "cross-site", True),
        ("https://other.page.example", "same-site", True),
        (None, "none", False),  # typed by the visitor
        ("https://friend.example", "cross-site", False),
    ],
)
def test_other_sites_pages_are_told_apart(origin: str | None, site: str | None, foreign: bool) -> None:
    said = {"host": HOST, "origin": origin, "sec-fetch-site": site}
    headers = [(name.encode(), value.encode()) for name, value in said.items() if value is not None]
    assert is_foreign(headers, lambda origin: origin == "https://friend.example") is foreign


@pytest.mark.parametrize(
    ("host", "forwarded", "foreign"),
    [
        ("page.example", None, False),  # nginx's $host has no port
        ("upstream:7860", "page.example:8080", False),
        ("upstream:7860", "page.example, proxy.example", False),
        ("upstream:7860", None, True),
        ("page.example:9090", None, True),  # another service of that machine
    ],
)
def test_a_proxy_may_change_the_host(host: str, forwarded: str | None, foreign: bool) -> None:
    headers = [(b"origin", b"http://page.example:8080"), (b"host", host.encode())]
    headers += [(b"x-forwarded-host", forwarded.encode())] if forwarded else []
    assert is_foreign(headers) is foreign
