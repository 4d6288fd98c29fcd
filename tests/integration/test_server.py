"""The door: whom a server lets in, and when."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

import httpx
import pytest

from dandelion.api.app import create_app
from dandelion.api.server import PORTS, DrainingServer, configure, reserve_all
from dandelion.cli.up import ports_of
from dandelion.errors import PortInUseError
from dandelion.settings import Settings
from dandelion.sockets import listen
from tests.integration.conftest import running_api
from tests.servers.ports import NEEDS_IPV6, free_ports


def test_before_it_can_answer_a_server_refuses_rather_than_lets_wait(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    (reserved,) = reserve_all(settings)
    with reserved, pytest.raises(ConnectionRefusedError):
        socket.create_connection((settings.api.host, settings.api.port), 5)


@pytest.mark.parametrize(("which", "name"), enumerate(PORTS))
def test_of_two_that_start_at_once_the_later_names_its_setting(
    make_settings: Callable[..., Settings], which: int, name: str
) -> None:
    settings = make_settings(api={"monitoring_port": free_ports(1)[0]})
    port = (settings.api.port, settings.api.monitoring_port)[which]
    earlier, later = reserve_all(settings), reserve_all(settings)
    with contextlib.ExitStack() as stack:
        for each in (*earlier, *later):
            stack.enter_context(each)
        earlier[which].listen()
        app = create_app(settings)
        server = DrainingServer(configure(app, settings), app.state.service, 0)
        with pytest.raises(PortInUseError, match=rf"Port {port} .* in use.*{name}\b"):
            server.run(sockets=later)
    with socket.create_server((settings.api.host, port or 0)), pytest.raises(PortInUseError, match=name):
        reserve_all(settings)


@NEEDS_IPV6
@pytest.mark.parametrize("host", ["::", "::1"])
def test_a_server_answers_on_an_address_of_ipv6(make_settings: Callable[..., Settings], host: str) -> None:
    settings = make_settings(api={"host": host})
    with running_api(settings):
        assert httpx.get(f"{settings.api.url}/livez").text == "ok"
        with pytest.raises(PortInUseError, match="DANDELION_API__PORT"):
            listen(*ports_of(settings)[0])
