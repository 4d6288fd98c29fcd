"""Which labels a retraining learns from, as the database has them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils import uuid7

from dandelion.db import create_engine, feedback, migrate, predictions, transact
from dandelion.domain import Feedback
from dandelion.objects import DATA_LAKE, PROCESSED, ObjectStore, frozen_key, photo_key
from dandelion.objects.folder import FolderStore
from dandelion.retraining import compare
from dandelion.retraining.lake import Source, inspect, list_labelled, list_withdrawn, surviving
from dandelion.settings import Settings
from dandelion.training.photos import describe_photo
from dandelion.training.versions import DatasetVersion, Labelled, draft_version
from tests.photos import jpeg
from tests.predictions import make_entry, make_prediction


@pytest.fixture
async def engine(make_settings: Callable[..., Settings]) -> AsyncIterator[AsyncEngine]:
    created = create_engine(make_settings())
    await migrate.upgrade(created)
    yield created
    await created.dispose()


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return FolderStore(tmp_path / "objects")


async def tell(engine: AsyncEngine, count: int) -> list[str]:
    """Ids of so many predictions whose photos are kept and whose labels are told, oldest first."""
    ids = [str(uuid7()) for _ in range(count)]
    entries = [make_entry(make_prediction(each)) for each in ids]
    await transact(engine, lambda on: predictions.add(on, entries), patience_seconds=5)
    places = {each: photo_key(each, ".jpg") for each in ids}
    await transact(engine, lambda on: predictions.place_photos(on, places), patience_seconds=5)
    for each in ids:
        true_label = Feedback(prediction_id=each, label="grass", at=datetime.now(UTC))
        await transact(engine, lambda on: feedback.give(on, true_label, actor="tests"), patience_seconds=5)  # noqa: B023
    return ids


def version_of(store: ObjectStore, ids: list[str]) -> DatasetVersion:
    """A dataset version with a frozen photo of each."""
    photos = []
    for number, each in enumerate(ids):
        data, key = jpeg(width=160 + 4 * number), frozen_key(each, ".jpg")
        store.put(PROCESSED, key, data)
        photo = describe_photo(Path(key), "grass", data)
        photos.append(Labelled(photo=photo, key=key, origin=f"feedback/{each}"))
    return draft_version(photos, None)


async def test_a_label_that_was_withdrawn_leaves_the_next_version_and_one_that_was_pruned_stays(
    engine: AsyncEngine, store: ObjectStore
) -> None:
    kept, withdrawn, pruned = await tell(engine, 3)
    parent = version_of(store, [kept, withdrawn, pruned])
    await transact(engine, lambda on: feedback.withdraw(on, withdrawn, actor="tests"), patience_seconds=5)
    async with engine.begin() as on:
        for table in ("feedback", "predictions"):
            column = "id" if table == "predictions" else "prediction_id"
            await on.exec_driver_sql(f"DELETE FROM {table} WHERE {column} = ?", (pruned,))  # noqa: S608 -- ours
    sources = await list_labelled(engine)
    survived = surviving(parent, sources, store, await list_withdrawn(engine, parent, sources))
    assert survived is not None
    assert {photo.origin for photo in survived.photos} == {f"feedback/{kept}", f"feedback/{pruned}"}


async def test_photos_that_expired_say_nothing_of_those_that_came(engine: AsyncEngine, store: ObjectStore) -> None:
    lying, frozen, gone = await tell(engine, 3)
    store.put(DATA_LAKE, photo_key(lying, ".jpg"), jpeg(width=160 + 4 * 1))
    store.put(PROCESSED, frozen_key(frozen, ".jpg"), jpeg(width=160 + 4 * 2))
    found = inspect(store, await list_labelled(engine))
    assert [each.source.origin for each in found] == [f"feedback/{lying}", f"feedback/{frozen}"]
    assert all(each.photo is not None for each in found), gone
    assert inspect(store, [Source("uploads/grass/gone.jpg", "grass", "uploads/grass/gone.jpg")]) == []


async def test_of_many_labels_the_newest_are_judged(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "MAX_RECENT", 2)
    ids = await tell(engine, 5)
    assert list(await compare.recently_labelled(engine, 1)) == [f"feedback/{each}" for each in ids[-2:]]
