"""The queue of photos most worth labelling: its order on every database, and its ways over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion.client import Client
from dandelion.db import feedback, predictions
from dandelion.db.tables import audit_log
from dandelion.domain import CHALLENGER, Feedback, StoredPrediction
from dandelion.errors import ObjectNotFoundError, PredictionNotFoundError, ScopeError
from dandelion.feedback.queue import rank
from dandelion.package.starter import starter_path
from dandelion.registry import create_registry
from dandelion.settings import Settings
from tests.integration.conftest import running_api
from tests.integration.test_access import make_key
from tests.integration.test_database import START, engine, entry, run, store
from tests.integration.test_photos import ALL, rows
from tests.packages import make_package
from tests.photos import jpeg, labelled_photos
from tests.waiting import wait_until

__all__ = ["engine"]


async def test_photos_without_a_label_wait_the_least_sure_first(engine: AsyncEngine) -> None:
    confidences = [0.9, 0.7, 0.99, 0.6, 0.8, 0.55]
    made = [entry(number, confidence=sure) for number, sure in enumerate(confidences)]
    await store(engine, *made)
    ids = [each.prediction.prediction_id for each in made]
    await run(engine, lambda on: predictions.place_photos(on, {each: f"predicted/{each}.jpg" for each in ids[:5]}))
    await run(engine, lambda on: predictions.mark_erased(on, ids[4:5]))
    told = Feedback(prediction_id=ids[0], label="grass")
    await run(engine, lambda on: feedback.give(on, told, actor="key:ada"))
    found = await run(engine, lambda on: predictions.unlabelled(on, START, limit=10))
    assert [each.prediction_id for each in found] == [ids[3], ids[1], ids[2]]  # odd ones resemble nothing known
    assert await run(engine, lambda on: predictions.count_unlabelled(on, START)) == 3
    assert await run(engine, lambda on: predictions.count_unlabelled(on, datetime.now(UTC))) == 0
    (labeller,) = await run(engine, lambda on: feedback.labellers(on, START))
    assert (labeller.name, labeller.count) == ("key:ada", 1)
    await run(engine, lambda on: feedback.withdraw(on, ids[0], actor="key:ada"))
    assert await run(engine, lambda on: predictions.count_unlabelled(on, START)) == 4
    assert await run(engine, lambda on: feedback.labellers(on, START)) == []
    with pytest.raises(PredictionNotFoundError):
        await run(engine, lambda on: feedback.withdraw(on, str(uuid4()), actor="key:ada"))


def wait_for_queue(client: Client, count: int) -> None:
    wait_until(lambda: client.queue().waiting >= count, f"{count} photos wait for a label", every=0.1)


def test_a_photo_leaves_the_queue_with_its_label_and_comes_back_without(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(journal=ALL)
    with running_api(settings) as api, Client(api.url) as client:
        given = client.predict(jpeg())
        wait_for_queue(client, 1)
        (waiting,) = client.queue().photos
        assert waiting.prediction.prediction_id == given.prediction_id
        assert client.queued_photo(given.prediction_id)[:2] == b"\xff\xd8"
        client.feedback(given.prediction_id, "grass")
        assert client.queue().photos == []
        assert [(each.name, each.count) for each in client.queue().labellers] == [("anonymous", 1)]
        client.withdraw_feedback(given.prediction_id)
        client.withdraw_feedback(given.prediction_id)
        assert client.prediction(given.prediction_id).verdict is None
        assert len(client.queue().photos) == 1
    assert sorted(action for (action,) in rows(settings, audit_log.c.action)) == ["feedback", "feedback withdrawn"]


def test_photos_that_two_versions_see_differently_come_first(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(model={"path": None}, journal=ALL)
    registry = create_registry(settings)
    registry.promote(registry.register_package(starter_path()).version)
    swapped = make_package(tmp_path / "swapped", classes=["grass", "dandelion"])
    registry.set_alias(CHALLENGER, registry.register_package(swapped).version)
    with running_api(settings) as api, Client(api.url) as client:
        for _, photo in labelled_photos(per_class=2):
            client.predict(photo)
        wait_for_queue(client, 4)
        queue = client.queue(limit=3).photos
        assert len(queue) == 3
        assert all("disputed" in each.reasons and each.other_label != each.prediction.label for each in queue)


def test_who_may_label_sees_the_queues_photos_and_no_others(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(journal=ALL, access={"enabled": True, "key_cache_seconds": 0.0})
    scopes = {"ada": ["feedback"], "bob": ["predict", "feedback"]}
    keys = {name: make_key(settings, name, *allowed) for name, allowed in scopes.items()}
    with (
        running_api(settings) as api,
        Client(api.url, key=keys["ada"]) as ada,
        Client(api.url, key=keys["bob"]) as bob,
    ):
        given = bob.predict(jpeg())
        wait_for_queue(ada, 1)
        assert ada.queued_photo(given.prediction_id)
        ada.feedback(given.prediction_id, "grass")
        assert ada.queued_photo(given.prediction_id)  # to look at it again before it is taken back
        with pytest.raises(ObjectNotFoundError):
            bob.queued_photo(given.prediction_id)
        with pytest.raises(ScopeError):
            ada.photo(given.prediction_id)


def stored(confidence: float, *, known: bool = True, label: str = "grass") -> StoredPrediction:
    return StoredPrediction(
        prediction_id=f"{confidence}",
        created_at=START,
        label=label,
        confidence=confidence,
        probabilities={},
        in_distribution=known,
        model_name="dandelion",
        model_version="1",
        track="stable",
        duration_ms=1.0,
    )


def test_disputes_come_before_strangers_and_those_before_doubts() -> None:
    found = [stored(0.95), stored(0.6), stored(0.9, known=False), stored(0.99), stored(0.5)]
    queue = rank(found, {"0.99": "dandelion", "0.6": "grass"})
    assert [each.prediction.confidence for each in queue] == [0.99, 0.9, 0.5, 0.6, 0.95]
    assert [each.reasons for each in queue] == [["disputed"], ["out_of_distribution"], ["unsure"], ["unsure"], []]
