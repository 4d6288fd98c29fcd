"""The door: whom a server lets in, and when."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable

import httpx
import pytest

from dandelion.api.app import create_app
from dandelion.api.server import PORTS, create_server, reserve_all
from dandelion.cli.up import ports_of
from dandelion.errors import DandelionError, PortInUseError
from dandelion.http import sockets
from dandelion.http.sockets import check_port, listen, reserve
from dandelion.settings import Settings
from tests.integration.conftest import Command, running_api
from tests.servers.ports import NEEDS_IPV6, free_ports


def test_before_it_can_answer_a_server_refuses_rather_than_lets_wait(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    (reserved,) = reserve_all(settings)
    with reserved, pytest.raises(ConnectionRefusedError):
        socket.create_connection((settings.api.host, settings.api.port), 5)


@pytest.mark.parametrize(("which", "name"), list(enumerate(PORTS)))
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
        server = create_server(app, settings)
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
            check_port(*ports_of(settings)[0])


@NEEDS_IPV6
def test_a_port_of_an_ipv6_address_is_free_until_somebody_listens(
    dandelion: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    port = listener.getsockname()[1]
    monkeypatch.setenv("DANDELION_API__HOST", "::1")
    monkeypatch.setenv("DANDELION_API__PORT", str(port))

    def examine() -> tuple[str, str]:
        (found,) = (each for each in json.loads(dandelion("doctor", "--json")[1]) if each["what"] == "API")
        return found["state"], found["saw"]

    with listener:
        status, _, said = dandelion("up")
        assert (status, f"Port {port} on ::1 is in use" in said) == (2, True), said
        assert examine() == ("fail", f"something else listens on http://[::1]:{port}")
    for host in ("::1", "::"):
        check_port(host, port, "DANDELION_API__PORT")
    assert examine() == ("ok", f"port {port} is free")


def test_an_address_that_is_no_one_s_here_is_named_with_both_settings() -> None:
    with pytest.raises(DandelionError, match=r"port 8000 of 192\.0\.2\.1 .*DANDELION_API__HOST or DANDELION_API__PORT"):
        check_port("192.0.2.1", 8000, "DANDELION_API__PORT")


def test_a_port_that_another_took_before_we_listened_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    ours, another = (reserve("127.0.0.1", port, "DANDELION_UI__PORT") for _ in range(2))
    monkeypatch.setattr(sockets, "reserve", lambda *_: ours)
    with ours, another:
        another.listen()
        with pytest.raises(PortInUseError, match=rf"Port {port} .* in use.*DANDELION_UI__PORT"):
            listen("127.0.0.1", port, "DANDELION_UI__PORT")
