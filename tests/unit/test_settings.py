"""Settings: read once, frozen, and clear about what is wrong."""

from __future__ import annotations

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
