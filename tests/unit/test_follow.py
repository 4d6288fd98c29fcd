"""A run that is followed while Prefect does not always answer."""

from __future__ import annotations

import io
from collections.abc import Iterator

import msgspec
import pytest
from rich.console import Console

from dandelion.cli.follow import follow
from dandelion.domain import FlowRun
from dandelion.errors import FlowRunNotFoundError, OrchestrationError
from dandelion.settings import Settings
from tests.servers.scripted import Handler, listening

RUN = {"id": "r1", "name": "brave-finch", "state": {"type": "COMPLETED", "name": "Completed", "message": "2 rows"}}


@pytest.fixture
def statuses() -> list[int]:
    """What the server answers to one look after another; the last one for ever."""
    return []


@pytest.fixture
def url(statuses: list[int]) -> Iterator[str]:
    class Prefect(Handler):
        def do_GET(self) -> None:
            self.answer(statuses.pop(0) if len(statuses) > 1 else statuses[0], msgspec.json.encode(RUN))

        def do_POST(self) -> None:
            self.read_body()
            self.answer(200, b"[]")

    with listening(Prefect) as found:
        yield found


def follow_run(url: str, patience_seconds: float) -> tuple[FlowRun, str]:
    out = Console(file=io.StringIO(), width=200)
    settings = Settings.model_validate({"prefect": {"url": url}})
    run = follow(settings, "r1", out, patience_seconds=patience_seconds)
    return run, out.file.getvalue()  # type: ignore[attr-defined]


def test_a_server_that_starts_anew_meanwhile_is_waited_for(statuses: list[int], url: str) -> None:
    statuses += [500, 502, 200]
    run, said = follow_run(url, 30)
    assert (run.state, said.strip()) == ("completed", "Completed: 2 rows")


def test_one_that_stays_away_ends_the_wait(statuses: list[int], url: str) -> None:
    statuses += [500]
    with pytest.raises(OrchestrationError, match="returned 500"):
        follow_run(url, 1.5)


def test_a_run_that_is_gone_is_not_waited_for(statuses: list[int], url: str) -> None:
    statuses += [404, 200]
    with pytest.raises(FlowRunNotFoundError):
        follow_run(url, 30)
