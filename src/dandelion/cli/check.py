"""`dandelion check`: is every part of an installation reachable from here, and does it work."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from dandelion.cli.options import Json, age
from dandelion.cli.output import console, print_json
from dandelion.errors import DandelionError
from dandelion.settings import API_KEY_VARIABLE, Settings, load_settings

TIMEOUT_SECONDS, PAUSE_SECONDS = 10.0, 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the table: a part, whether it works, and its response or the error."""

    part: str
    works: bool
    saw: str


def check(
    api: Annotated[str | None, typer.Option(help="Let the API at this address classify a photo.")] = None,
    photo: Annotated[Path | None, typer.Option(help="Photo to send; by default a generated one.", exists=True)] = None,
    key: Annotated[str | None, typer.Option(envvar=API_KEY_VARIABLE, help="API key or token for the API.")] = None,
    page: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=URL", help="Address that must return 2xx; may be repeated."),
    ] = None,
    database: Annotated[bool, typer.Option(help="Check the tables of the database.")] = True,
    objects: Annotated[bool, typer.Option(help="Write, read and delete an object.")] = True,
    registry: Annotated[bool, typer.Option(help="Look up the alias in MLflow.")] = True,
    wait: Annotated[timedelta | None, age("How long to retry parts that fail: 1m.")] = None,
    as_json: Json = False,
) -> None:
    """Check that every part works; exit status 1 if one does not."""
    settings = load_settings()
    parts: list[tuple[str, Callable[[], str]]] = []
    if api:
        parts.append(("API", partial(_check_api, api, key, photo)))
    if database:
        parts.append(("Database", _check_database))
    if objects:
        parts.append(("Objects", partial(_check_objects, settings)))
    if registry:
        parts.append(("Registry", partial(_check_registry, settings)))
    parts += [(name, partial(_check_page, address)) for name, address in dict(map(_page, page or [])).items()]
    deadline = time.monotonic() + (wait or timedelta(0)).total_seconds()
    outcomes = [_try(name, check_part, deadline) for name, check_part in parts]
    if as_json:
        print_json(outcomes)
    else:
        table = Table("Part", "", "Response")
        for each in outcomes:
            table.add_row(each.part, "[green]ok[/]" if each.works else "[red]fail[/]", escape(each.saw))
        console().print(table)
    raise typer.Exit(0 if all(each.works for each in outcomes) else 1)


def _try(name: str, check_part: Callable[[], str], deadline: float) -> Outcome:
    while True:
        try:
            return Outcome(name, True, check_part())
        except DandelionError as error:
            if time.monotonic() + PAUSE_SECONDS > deadline:
                return Outcome(name, False, str(error))
        time.sleep(PAUSE_SECONDS)


def _check_api(url: str, key: str | None, photo: Path | None) -> str:
    from dandelion.client import Client

    with Client(url, key=key, timeout_seconds=TIMEOUT_SECONDS) as client:
        found = client.predict(photo.read_bytes() if photo else _drawn())
    return f"{found.label}, {found.confidence:.2f}, by version {found.model.version}"


def _check_database() -> str:
    from dandelion.cli.database import with_engine
    from dandelion.db import migrate

    steps = with_engine(migrate.status, tables=False)
    if missing := [step.revision for step in steps if not step.applied]:
        raise DandelionError(f"The tables lack {', '.join(missing)}.", "Run `dandelion db upgrade`.")
    return f"tables at {steps[-1].revision}"


def _check_objects(settings: Settings) -> str:
    from uuid_utils import uuid7

    from dandelion.objects import DATA_LAKE, create_store

    store, key, data = create_store(settings), f"check/{uuid7()}", b"written, read and deleted by dandelion check"
    store.put(DATA_LAKE, key, data)
    same = store.get(DATA_LAKE, key) == data
    store.delete(DATA_LAKE, key)
    if not same:
        raise DandelionError(f"{DATA_LAKE}/{key} differs from what was written.", "Check the object store's disks.")
    return f"wrote, read and deleted an object in {DATA_LAKE}"


def _check_registry(settings: Settings) -> str:
    from dandelion.registry import create_registry

    found = create_registry(settings).find_alias(settings.model.alias)
    if found is None:
        return f"no version has the alias {settings.model.alias} yet"
    return f"{found.name} version {found.version} is {settings.model.alias}"


def _check_page(address: str) -> str:
    import httpx

    try:
        response = httpx.get(address, timeout=TIMEOUT_SECONDS, follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DandelionError(f"{address} does not answer ({error or type(error).__name__}).") from error
    if not response.is_success:
        raise DandelionError(f"{address} returns {response.status_code}.")
    return f"{address} returns {response.status_code}"


def _page(text: str) -> tuple[str, str]:
    name, _, address = text.partition("=")
    if not name or not address:
        raise typer.BadParameter(f"{text!r} is not NAME=URL: write Prefect=http://prefect:4200/api/health.")
    return name, address


def _drawn() -> bytes:
    import numpy as np

    from dandelion.training.sample import create_photo

    stream = io.BytesIO()
    create_photo("dandelion", 192, np.random.default_rng(1)).save(stream, "JPEG")
    return stream.getvalue()
