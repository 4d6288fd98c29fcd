"""`dandelion check`: does every part of an installation answer, as seen from here."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from dandelion.cli.ages import parse_age
from dandelion.cli.output import console
from dandelion.errors import DandelionError
from dandelion.settings import API_KEY_VARIABLE

if TYPE_CHECKING:
    from dandelion.settings import Settings

TIMEOUT_SECONDS, PAUSE_SECONDS = 10.0, 2.0


@dataclass(frozen=True, slots=True)
class Where:
    """What is asked, beside what the settings name.

    Attributes:
        api: Address of the API.
        key: Its key or token, where it asks for one.
        photo: Sent to it; a drawn one when none is named.
        pages: Addresses by part that must answer 2xx.
    """

    api: str | None
    key: str | None
    photo: Path | None
    pages: dict[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of the report.

    Attributes:
        part: What was asked.
        works: Whether it answered as it should.
        saw: What it said.
    """

    part: str
    works: bool
    saw: str


def check(
    api: Annotated[str | None, typer.Option(help="Let the API at this address classify a photo.")] = None,
    photo: Annotated[Path | None, typer.Option(help="Which; a drawn one when left out.", exists=True)] = None,
    key: Annotated[str | None, typer.Option(envvar=API_KEY_VARIABLE, help="API key or token for it.")] = None,
    page: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=URL", help="An address that must answer; may be given several times."),
    ] = None,
    database: Annotated[bool, typer.Option(help="Ask the database for the state of its tables.")] = True,
    objects: Annotated[bool, typer.Option(help="Write, read and delete an object.")] = True,
    registry: Annotated[bool, typer.Option(help="Ask MLflow what serves.")] = True,
    wait: Annotated[
        timedelta | None,
        typer.Option(parser=parse_age, metavar="AGE", help="How long to ask again where one does not answer: 1m."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Ask every part whether it answers; exit status 1 when one does not."""
    from dandelion.settings import load_settings

    settings = load_settings()
    where = Where(api, key, photo, dict(_page(each) for each in page or []))
    parts: list[tuple[str, Callable[[Settings, Where], str]]] = []
    if api:
        parts.append(("API", _ask_api))
    parts += [
        (name, ask)
        for name, is_asked, ask in (
            ("Database", database, _ask_database),
            ("Objects", objects, _ask_objects),
            ("Registry", registry, _ask_registry),
        )
        if is_asked
    ]
    parts += [(name, _ask_page(address)) for name, address in where.pages.items()]
    deadline = time.monotonic() + (wait or timedelta(0)).total_seconds()
    answers = [_asked(name, ask, settings, where, deadline) for name, ask in parts]
    if as_json:
        typer.echo(json.dumps([asdict(answer) for answer in answers]))
    else:
        table = Table("Part", "", "Said")
        for answer in answers:
            table.add_row(answer.part, "[green]ok[/]" if answer.works else "[red]fail[/]", escape(answer.saw))
        console().print(table)
    raise typer.Exit(0 if all(answer.works for answer in answers) else 1)


def _asked(
    name: str, ask: Callable[[Settings, Where], str], settings: Settings, where: Where, deadline: float
) -> Answer:
    while True:
        try:
            return Answer(name, True, ask(settings, where))
        except DandelionError as error:
            if time.monotonic() + PAUSE_SECONDS > deadline:
                return Answer(name, False, str(error))
        time.sleep(PAUSE_SECONDS)


def _ask_api(_: Settings, where: Where) -> str:
    from dandelion.client import Client

    with Client(str(where.api), key=where.key, timeout_seconds=TIMEOUT_SECONDS) as client:
        answer = client.predict(where.photo.read_bytes() if where.photo else _drawn())
    return f"{answer.label}, {answer.confidence:.2f}, by version {answer.model.version}"


def _ask_database(_: Settings, __: Where) -> str:
    from dandelion.cli.database import with_engine
    from dandelion.db import migrate

    steps = with_engine(migrate.status, tables=False)
    if missing := [step.revision for step in steps if not step.applied]:
        raise DandelionError(f"The tables lack {', '.join(missing)}.", "Run `dandelion db upgrade`.")
    return f"tables at {steps[-1].revision}"


def _ask_objects(settings: Settings, _: Where) -> str:
    from uuid_utils import uuid7

    from dandelion.objects import DATA_LAKE, create_store

    store, key, data = create_store(settings), f"check/{uuid7()}", b"written, read and deleted by dandelion check"
    store.put(DATA_LAKE, key, data)
    same = store.get(DATA_LAKE, key) == data
    store.delete(DATA_LAKE, key)
    if not same:
        raise DandelionError(f"{DATA_LAKE}/{key} read back differently.", "Look at the object store's disks.")
    return f"an object went to {DATA_LAKE} and back"


def _ask_registry(settings: Settings, _: Where) -> str:
    from dandelion.registry import create_registry

    found = create_registry(settings).find_alias(settings.model.alias)
    if found is None:
        return f"answers; no version has the alias {settings.model.alias} yet"
    return f"{found.name} version {found.version} is {settings.model.alias}"


def _ask_page(address: str) -> Callable[[Settings, Where], str]:
    def ask(_: Settings, __: Where) -> str:
        import httpx

        try:
            answer = httpx.get(address, timeout=TIMEOUT_SECONDS, follow_redirects=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DandelionError(f"{address} does not answer ({error or type(error).__name__}).") from error
        if not answer.is_success:
            raise DandelionError(f"{address} answers {answer.status_code}.")
        return f"{address} answers {answer.status_code}"

    return ask


def _page(text: str) -> tuple[str, str]:
    name, _, address = text.partition("=")
    if not name or not address:
        raise typer.BadParameter(f"{text!r} is no NAME=URL: write Prefect=http://prefect:4200/api/health.")
    return name, address


def _drawn() -> bytes:
    import numpy as np

    from dandelion.training.sample import draw_photo

    stream = io.BytesIO()
    draw_photo("dandelion", 192, np.random.default_rng(1)).save(stream, "JPEG")
    return stream.getvalue()
