"""Settings: read once, frozen, and clear about what is wrong."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import ValidationError

from dandelion.errors import SettingsError
from dandelion.settings import load_settings, variables


def test_a_variable_sets_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANDELION_API__PORT", "8123")
    assert load_settings().api.port == 8123


def test_an_unknown_variable_is_named_with_its_nearest_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANDELION_API__PROT", "1")
    with pytest.raises(SettingsError, match=r"DANDELION_API__PROT is not a setting.*DANDELION_API__PORT"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [("DANDELION_API__PORT", "70000"), ("DANDELION_INFERENCE__PRECISION", "fp4"), ("DANDELION_MODEL__ALIAS", "Ü")],
)
def test_a_malformed_value_is_named_with_its_variable(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}.*{value}"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("DANDELION_ACCESS__JWT_SECRETS", '["one", "two"]'),
        ("DANDELION_API__TRUSTED_PROXIES", '["one", "two"]'),
        ("DANDELION_PREFECT__SCHEDULES", '{"name": "value"}'),
    ],
)
def test_a_list_that_is_no_json_is_named_and_not_told(name: str, example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANDELION_API__CORS_ORIGINS", '["https://page.example"]')
    monkeypatch.setenv("DANDELION_NOTIFY__URLS", "")
    monkeypatch.setenv(name, "secret, other")
    with pytest.raises(
        SettingsError, match=re.escape(f"{name} is not valid JSON. Write it like {name}='{example}'.")
    ) as told:
        load_settings()
    assert "secret," not in str(told.value)


def test_a_section_in_one_variable_that_is_no_json_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("dandelion_access", "secret")
    with pytest.raises(SettingsError, match='"access"') as told:
        load_settings()
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("name", ["DANDELION_API__TRUSTED_PROXIES", "DANDELION_UI__TRUSTED_PROXIES"])
@pytest.mark.parametrize("proxy", ["10.0.0.0/33", "proxy.example", "10.0.0.0/8,10.1.0.0/16", ""])
def test_a_proxy_that_could_match_nobody_is_refused(name: str, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, json.dumps(["10.0.0.0/8", proxy]))
    with pytest.raises(SettingsError, match=f"{name}: write an address.*it is {re.escape(repr(proxy))}"):
        load_settings()


def test_a_proxy_is_an_address_or_a_network_or_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    given = ("10.0.0.1", "10.0.0.1/8", "2001:db8::/32", "*")
    monkeypatch.setenv("DANDELION_API__TRUSTED_PROXIES", json.dumps(given))
    assert load_settings().api.trusted_proxies == given


def test_two_parts_on_one_port_contradict_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANDELION_API__PORT", "5000")
    with pytest.raises(SettingsError, match="both 5000"):
        load_settings()


def test_settings_cannot_be_changed() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.api.port = 1  # type: ignore[misc]


def test_every_variable_is_described() -> None:
    assert all(variables().values())


@pytest.mark.parametrize(
    ("elsewhere", "port"),
    [("DANDELION_PREFECT__URL", "DANDELION_PREFECT__PORT"), ("DANDELION_REGISTRY__URI", "DANDELION_REGISTRY__PORT")],
)
def test_the_port_of_a_part_that_runs_elsewhere_contradicts_nothing(
    elsewhere: str, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(port, str(load_settings().api.port))
    with pytest.raises(SettingsError, match="are both"):
        load_settings()
    monkeypatch.setenv(elsewhere, "http://elsewhere.example:4200")
    load_settings()
