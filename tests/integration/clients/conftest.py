"""What clients expect, whatever they send: the plain photo's probabilities, and a server that lives on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus

import pytest

from dandelion.settings import Settings
from tests.integration.clients.replies import probabilities
from tests.integration.conftest import Api, running_api
from tests.photos import jpeg
from tests.wire import exchange, post


@pytest.fixture(scope="session")
def plain(api: Api) -> dict[str, float]:
    """The probabilities of the photo that every client here sends."""
    return probabilities(exchange(api.address, post(jpeg(), b"Content-Type: image/jpeg")))


@pytest.fixture(autouse=True)
def a_good_photo_still_works(api: Api) -> Iterator[None]:
    yield
    assert exchange(api.address, post(jpeg(), b"Content-Type: image/jpeg")).status == HTTPStatus.OK


@pytest.fixture(scope="session")
def guarded(make_settings: Callable[..., Settings]) -> Iterator[Api]:
    """A server that asks for a key, and trusts the proxy on this machine."""
    with running_api(make_settings(access={"enabled": True}, api={"trusted_proxies": ("127.0.0.1",)})) as running:
        yield running
