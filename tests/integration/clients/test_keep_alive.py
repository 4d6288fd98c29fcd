"""How long a connection lives, and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http import HTTPStatus

import pytest

from dandelion.api.app import create_app
from dandelion.api.server import create_server, reserve_all
from dandelion.http import connections
from dandelion.settings import Settings
from tests.integration.conftest import running_api
from tests.integration.http_kinds import FOUR, HIDDEN, LIVE, head, hidden_requests
from tests.waiting import wait_until
from tests.wire import connected


def test_a_connection_outlives_the_pools_of_proxies(make_settings: Callable[..., Settings]) -> None:
    defaults = make_settings()
    assert defaults.api.keep_alive_seconds > 600
    assert defaults.ui.keep_alive_seconds > 600


def test_a_connection_is_held_as_long_as_the_setting_says(make_settings: Callable[..., Settings]) -> None:
    with running_api(make_settings(api={"keep_alive_seconds": 1})) as short, connected(short.address) as wire:
        wire.send(LIVE + b"\r\n")
        assert wire.read().status == HTTPStatus.OK
        began = time.monotonic()
        assert wire.rest() == b""
        assert 0.5 < time.monotonic() - began < 5


def test_idle_connections_do_not_delay_the_stop_and_those_in_use_are_told(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", 60)
    prepared = make_settings(api={"drain_seconds": 0.5, "body_timeout_seconds": 0.8})
    listeners = reserve_all(prepared)
    app = create_app(prepared)
    server = create_server(app, prepared)
    thread = threading.Thread(target=server.run, kwargs={"sockets": listeners}, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the server has started")
    address = (prepared.api.host, prepared.api.port)
    with (
        connected(address) as unused,
        connected(address) as idle,
        connected(address) as used,
        connected(address) as unfinished,
    ):
        for wire in (idle, used):
            wire.send(LIVE + b"\r\n")
            assert "connection" not in wire.read().headers
        before, began = hidden_requests(), time.monotonic()
        server.handle_exit(15, None)
        unfinished.send(head(FOUR))
        used.send(LIVE + b"\r\n" + HIDDEN + head(FOUR))  # what follows the last response is no request
        (last,) = used.read_all()
        assert (last.status, last.headers["connection"]) == (HTTPStatus.OK, "close")
        assert unused.rest() == idle.rest() == b""
        assert [each.status for each in unfinished.read_all()] == [HTTPStatus.REQUEST_TIMEOUT]
        thread.join(10)
        assert hidden_requests() == before
        assert not thread.is_alive()
        assert time.monotonic() - began < 10
    for listener in listeners:
        listener.close()
