"""Addresses of servers."""

from __future__ import annotations

import pytest

from dandelion.addresses import url_of
from dandelion.cli.up import parts_of
from dandelion.settings import Settings


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("localhost", "http://localhost:8000"),
    ],
)
def test_a_server_is_found_by_what_it_listens_on(host: str, url: str) -> None:
    assert url_of(host, 8000) == url


def test_every_part_may_listen_on_an_address_of_ipv6() -> None:
    sections = ("api", "ui", "registry", "prefect")
    parts = parts_of(Settings.model_validate({name: {"host": "::1"} for name in sections}))
    assert len(parts) == 5
    for part in parts:
        assert part.health_url.startswith("http://[::1]:")
