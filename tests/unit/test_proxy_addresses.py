"""Proxies that settings name: the chart refuses the same texts before a pod could."""

from __future__ import annotations

import pytest

from dandelion.http.addresses import check_proxy
from tests import networks


@pytest.mark.parametrize("text", [*networks.RIGHT, "*", "10.0.0.1", "fd00::1"])
def test_an_address_and_a_network_are_taken(text: str) -> None:
    assert check_proxy(text) == text


@pytest.mark.parametrize("text", networks.WRONG)
def test_others_are_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write an address, a network such as"):
        check_proxy(text)
