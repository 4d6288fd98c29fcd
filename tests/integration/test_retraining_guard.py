"""When a retraining may begin, go on, and move an alias, by what the database and the registry say."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast
from uuid import uuid4

import pytest

from dandelion.db import retrainings
from dandelion.orchestration.retrainings import RetrainingRequest
from dandelion.retraining.guard import claim, in_transaction, why_not_now
from dandelion.retraining.run import Run, begin
from dandelion.retraining.steps.deployment import _overtaken
from dandelion.settings import Settings


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


def test_a_run_that_goes_on_waits_for_no_cooldown_and_ends_with_the_days_minutes(settings: Settings) -> None:
    run_id = str(uuid4())
    assert claim(settings, run_id, RetrainingRequest()) is not None
    in_transaction(settings, lambda on: retrainings.note(on, run_id, dataset="d", version="1"))
    in_transaction(settings, lambda on: retrainings.finish(on, run_id, state="promoted", message=""))
    assert "The last one ended" in why_not_now(settings, RetrainingRequest())
    assert why_not_now(settings, RetrainingRequest(), resumes=True) == ""
    assert claim(settings, run_id, RetrainingRequest()) is not None
    in_transaction(settings, lambda on: retrainings.beat(on, run_id, 60 * settings.retraining.budget_minutes))
    assert "of 240" in why_not_now(settings, RetrainingRequest(), resumes=True)
    assert why_not_now(settings, RetrainingRequest(force=True), resumes=True) == ""


@pytest.mark.parametrize(
    ("judged", "champion", "words"),
    [
        ("5", "5", ""),
        ("5", "8", ""),  # moved by itself, and killed before it could say so
        ("starter", None, ""),
        (None, None, ""),
        ("5", "7", "Version 7 became champion meanwhile, but the gate compared the candidate with 5."),
        ("starter", "7", "Version 7 became champion"),
    ],
)
def test_nothing_is_moved_that_was_judged_against_an_earlier_champion(
    settings: Settings, judged: str | None, champion: str | None, words: str
) -> None:
    run = overtakable(settings, judged, champion)
    assert claim(settings, run.id, RetrainingRequest()) is not None
    assert words in _overtaken(run, "8")
    assert bool(_overtaken(run, "8")) is bool(words)


def test_nothing_is_moved_by_a_run_that_another_took_for_dead(settings: Settings) -> None:
    run = overtakable(settings, "5", "5")
    assert claim(settings, run.id, RetrainingRequest()) is not None
    assert claim(settings, str(uuid4()), RetrainingRequest(), is_over=lambda _: True) is not None
    assert "Another run took over" in _overtaken(run, "8")


def test_photos_that_a_killed_run_left_go_when_another_begins(settings: Settings) -> None:
    folder, run_id, killed = settings.home / "retraining", str(uuid4()), str(uuid4())
    for name in (run_id, killed, "weights", "of somebody"):
        (folder / name / "photos").mkdir(parents=True)
        (folder / name / "photos" / "a.jpg").touch()

    def left() -> set[str]:
        return {path.relative_to(folder).parts[0] for path in folder.glob("*/photos/a.jpg")}

    with begin(settings, run_id, RetrainingRequest()) as run:
        assert run is not None
        assert left() == {run_id, "weights", "of somebody"}  # its own are of an earlier attempt, to go on with
        with begin(settings, str(uuid4()), RetrainingRequest()) as another:
            assert another is None
        assert run_id in left()
    assert left() == {"weights", "of somebody"}


def overtakable(settings: Settings, judged: str | None, champion: str | None) -> Run:
    """A run at the end of its training: what the gate compared version 8 with, and what is champion now."""
    found = SimpleNamespace(version=champion) if champion else None
    return cast(
        "Run",
        SimpleNamespace(
            id=str(uuid4()),
            settings=settings,
            registry=SimpleNamespace(find_alias=lambda _: found),
            champion=SimpleNamespace(version=judged) if judged else None,
        ),
    )
