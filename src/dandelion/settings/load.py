"""Read the settings once from the environment, and show them with secrets as stars."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator
from operator import attrgetter
from typing import get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsError as SourceError

from dandelion.errors import SettingsError
from dandelion.settings.section import DELIMITER, PREFIX, Section
from dandelion.settings.settings import Settings

# Commands send it to a server; it configures nothing here.
API_KEY_VARIABLE = "DANDELION_API_KEY"
_EXAMPLES = {tuple: '["one", "two"]', dict: '{"name": "value"}'}


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: A variable is unknown or malformed; the message names it and the remedy.
    """
    known = variables() | {API_KEY_VARIABLE: ""}
    if unknown := [name for name in sorted(os.environ) if name.startswith(PREFIX) and name not in known]:
        nearest = difflib.get_close_matches(unknown[0], variables(), n=1, cutoff=0.5)
        hint = f"Did you mean {nearest[0]}?" if nearest else "`dandelion settings` lists all settings."
        raise SettingsError(f"{unknown[0]} is not a setting.", hint)
    try:
        return Settings()
    except SourceError as error:
        raise _no_json(error) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = tuple(map(str, first["loc"][:2]))  # section and key; what follows is a place inside the value
        where = _variable(place) if place else "The settings contradict each other"
        field = dict(_fields()).get(place)
        is_secret = field is not None and "Secret" in str(field.annotation)
        # Sections judge as a whole, and what they judge may hold secrets.
        is_shown = isinstance(first["input"], str | int | float) and not is_secret
        shown = f" (it is {first['input']!r})" if is_shown else ""
        raise SettingsError(f"{where}: {first['msg'].removeprefix('Value error, ')}{shown}.") from error


def _no_json(error: SourceError) -> SettingsError:
    """The error for a list or a mapping that is not JSON: pydantic names only the section. The value may be secret."""
    for path, field in _fields():
        name, kind = _variable(path), get_origin(field.annotation)
        if kind in _EXAMPLES and (text := os.environ.get(name)) and not _is_json(text):
            return SettingsError(f"{name} is not valid JSON.", f"Write it like {name}='{_EXAMPLES[kind]}'.")
    return SettingsError(f"The settings cannot be read ({error}).")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def as_text(found: Settings) -> dict[str, str]:
    """Map each variable to its value, with secrets as stars."""
    # str() of a SecretStr is stars, so a secret never gets here.
    return {_variable(path): str(attrgetter(".".join(path))(found)) for path, _ in _fields()}


def variables() -> dict[str, str]:
    """Map every environment variable that is read to its description."""
    return {_variable(path): field.description or "" for path, field in _fields()}


def _variable(path: tuple[str, ...]) -> str:
    return PREFIX + DELIMITER.join(path).upper()


def _fields() -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every setting by the attributes that lead to it."""
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from (((name, key), inner) for key, inner in field.annotation.model_fields.items())
        else:
            yield (name,), field
