"""Read the settings once from the environment, and show them with secrets as stars."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator, Mapping
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


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: A variable is unknown or malformed; the message names it and the remedy.
    """
    names = os.environ if environ is None else environ
    known = variables() | {API_KEY_VARIABLE: ""}
    if unknown := [name for name in sorted(names) if name.startswith(PREFIX) and name not in known]:
        nearest = difflib.get_close_matches(unknown[0], variables(), n=1, cutoff=0.5)
        hint = f"Did you mean {nearest[0]}?" if nearest else "`dandelion settings` lists all settings."
        raise SettingsError(f"{unknown[0]} is not a setting.", hint)
    try:
        return Settings()
    except SourceError as error:
        raise _no_json(names, error) from error
    except ValidationError as error:
        first = error.errors()[0]
        # Section and key; what follows is a place inside the value.
        name = PREFIX + DELIMITER.join(str(part) for part in first["loc"][:2]).upper()
        where = name if first["loc"] else "The settings contradict each other"
        # Sections judge as a whole, and what they judge may hold secrets.
        is_shown = isinstance(first["input"], str | int | float) and not _is_secret(first["loc"])
        shown = f" (it is {first['input']!r})" if is_shown else ""
        raise SettingsError(f"{where}: {first['msg'].removeprefix('Value error, ')}{shown}.") from error


def _no_json(names: Mapping[str, str], error: SourceError) -> SettingsError:
    """The error for a list or a mapping that is not JSON: pydantic names only the section. The value may be secret."""
    for name, field in _fields():
        kind = get_origin(field.annotation)
        if kind in _EXAMPLES and names.get(name) and not _is_json(names[name]):
            return SettingsError(f"{name} is not valid JSON.", f"Write it like {name}='{_EXAMPLES[kind]}'.")
    return SettingsError(f"The settings cannot be read ({error}).")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _is_secret(location: tuple[int | str, ...]) -> bool:
    section, key = (*map(str, location), "", "")[:2]
    field = Settings.model_fields.get(section)
    kind = field.annotation if field else None
    is_section = isinstance(kind, type) and issubclass(kind, Section)
    return is_section and key in kind.model_fields and "Secret" in str(kind.model_fields[key].annotation)  # type: ignore[union-attr]


def as_text(found: Settings) -> dict[str, str]:
    """Map each variable to its value, with secrets as stars."""
    flat: dict[str, str] = {}
    for key in type(found).model_fields:
        value = getattr(found, key)
        if isinstance(value, Section):
            # str() of a SecretStr is stars, so a secret never gets here.
            inner = {
                f"{PREFIX}{key}{DELIMITER}{name}".upper(): str(getattr(value, name))
                for name in type(value).model_fields
            }
            flat |= inner
        else:
            flat[f"{PREFIX}{key}".upper()] = str(value)
    return flat


def variables() -> dict[str, str]:
    """Map every environment variable that is read to its description."""
    return {name: field.description or "" for name, field in _fields()}


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            for key, inner in field.annotation.model_fields.items():
                yield f"{PREFIX}{name}{DELIMITER}{key}".upper(), inner
        else:
            yield f"{PREFIX}{name}".upper(), field
