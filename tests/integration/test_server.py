"""The door: whom a server lets in, and when."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from dandelion.api.app import create_app
from dandelion.api.server import DrainingServer, configure, reserve_all
from dandelion.errors import PortInUseError
from dandelion.settings import Settings


def test_before_it_can_answer_a_server_refuses_rather_than_lets_wait(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    (reserved,) = reserve_all(settings)
    with reserved, pytest.raises(ConnectionRefusedError):
        socket.create_connection((settings.api.host, settings.api.port), 5)


def test_of_two_that_start_at_once_the_later_names_its_setting(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    (earlier,), (later,) = reserve_all(settings), reserve_all(settings)
    with earlier, later:
        earlier.listen()
        app = create_app(settings)
        server = DrainingServer(configure(app, settings), app.state.service, 0)
        with pytest.raises(PortInUseError, match=rf"Port {settings.api.port} .* in use.*DANDELION_API__PORT"):
            server.run(sockets=[later])
    with pytest.raises(PortInUseError), socket.create_server((settings.api.host, settings.api.port)):
        reserve_all(settings)
