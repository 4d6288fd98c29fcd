"""Photos that wait: others share their folder and erase from it, parts go away in between, and the process ends."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs
from typing_extensions import override
from uuid_utils import uuid7

from dandelion.db import create_engine, migrate, predictions, transact
from dandelion.db.tables import first_id
from dandelion.errors import DatabaseError, ObjectStoreError
from dandelion.journal import Journal, Photos, photos
from dandelion.journal.photo_spool import RESERVE_BYTES, PhotoSpool
from dandelion.objects import DATA_LAKE
from dandelion.objects.folder import FolderStore
from dandelion.objects.store import Stored
from dandelion.privacy import erase_prediction
from dandelion.settings import Settings
from dandelion.telemetry import instruments
from tests.integration.conftest import running_api
from tests.photos import jpeg
from tests.predictions import make_entry, make_prediction

ALL: dict[str, object] = {"photos": "all"}
MEBIBYTE = 1024 * 1024


class Lake(FolderStore):
    """A store that tells what it was given, and lets something happen before.

    Attributes:
        given: Keys, in their order.
        before: Called with the file that is about to be put.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.given: list[str] = []
        self.before: Callable[[Path], None] = lambda _: None

    @override
    def put_file(self, bucket: str, key: str, path: Path, *, content_type: str = "") -> Stored:
        self.before(path)
        stored = super().put_file(bucket, key, path, content_type=content_type)
        self.given.append(key)
        return stored

    def ids(self) -> list[str]:
        """Whose photos are there."""
        return [Path(found.key).stem for found in self.list_objects(DATA_LAKE, "predicted/")]


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(journal=ALL)


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    created = create_engine(settings)
    await migrate.upgrade(created)
    yield created
    await created.dispose()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def lost(reason: str) -> float:
    return float(instruments.PHOTOS_LOST.labels(reason)._value.get())


def write_rows(settings: Settings, age: timedelta) -> Path:
    """A segment that was opened that long ago."""
    path = settings.spool / f"{first_id(datetime.now(UTC) - age)}.jsonl"
    path.touch()
    return path


async def ready() -> None:
    """The tables are there."""


async def keep(photos: Photos, engine: AsyncEngine, count: int) -> list[str]:
    """Photos that wait, whose rows are stored; their ids, oldest first."""
    given = [make_prediction() for _ in range(count)]
    entries = [make_entry(each) for each in given]
    await transact(engine, lambda on: predictions.add(on, entries), patience_seconds=5)
    await photos.store([(each, jpeg()) for each in given])
    return [each.prediction_id for each in given]


async def keys(engine: AsyncEngine, ids: list[str]) -> list[str | None]:
    found = await transact(engine, lambda on: predictions.photo_keys(on, ids), patience_seconds=5)
    return [found[each] for each in ids]


async def test_a_photo_that_an_erasure_removed_on_its_way_holds_up_no_other(
    settings: Settings, engine: AsyncEngine, lake: Lake
) -> None:
    photos = Photos(settings, engine, lake, ready)
    ids = await keep(photos, engine, 3)
    lake.before = lambda path: path.unlink() if path.stem == ids[0] else None
    assert await photos.ship() == 2
    assert lake.ids() == ids[1:]
    assert [key is None for key in await keys(engine, ids)] == [True, False, False]
    assert list(settings.photo_spool.iterdir()) == []


async def test_a_photo_that_cannot_be_opened_holds_up_no_other(
    settings: Settings, engine: AsyncEngine, lake: Lake
) -> None:
    photos = Photos(settings, engine, lake, ready)
    settings.photo_spool.mkdir(parents=True)
    (settings.photo_spool / f"{uuid7()}.jpg").mkdir()  # as little to be opened as another user's file, also by root
    ids = await keep(photos, engine, 2)
    assert await photos.ship() == 2
    assert lake.ids() == ids


async def test_a_photo_that_cannot_be_read_holds_up_no_other(
    settings: Settings, engine: AsyncEngine, lake: Lake
) -> None:
    photos = Photos(settings, engine, lake, ready)
    ids = await keep(photos, engine, 3)

    def fail(path: Path) -> None:
        if path.stem == ids[0]:
            raise OSError(errno.EIO, "Input/output error")

    lake.before = fail
    assert await photos.ship() == 2
    assert lake.ids() == ids[1:]
    lake.before = lambda _: None
    assert await photos.ship() == 1
    assert sorted(lake.ids()) == ids


async def test_of_two_processes_that_share_a_folder_only_one_puts_a_photo(
    settings: Settings, engine: AsyncEngine, lake: Lake, tmp_path: Path
) -> None:
    one, other = Photos(settings, engine, lake, ready), Photos(settings, engine, Lake(tmp_path / "lake"), ready)
    ids = await keep(one, engine, 3)
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: Path) -> None:
        begun.set()
        assert go_on.wait(20)

    lake.before = wait
    shipping = asyncio.create_task(one.ship())
    assert await asyncio.to_thread(begun.wait, 20)
    assert await other.ship() == 0
    fresh = await keep(other, engine, 1)
    assert await other.ship() == 1  # what nobody has begun with
    go_on.set()
    assert await shipping == 3
    assert sorted(Path(key).stem for key in lake.given) == ids
    assert lake.ids() == ids + fresh


async def test_photos_of_a_process_that_stopped_half_way_are_taken_over(
    settings: Settings, engine: AsyncEngine, lake: Lake
) -> None:
    photos = Photos(settings, engine, lake, ready)
    ids = await keep(photos, engine, 2)
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: Path) -> None:
        begun.set()
        assert go_on.wait(20)

    lake.before = wait
    stopped = asyncio.create_task(photos.ship())
    assert await asyncio.to_thread(begun.wait, 20)
    stopped.cancel()
    await asyncio.wait([stopped])
    go_on.set()
    lake.before = lambda _: None
    assert await photos.ship() == 2
    assert lake.ids() == ids


async def test_room_that_others_made_among_waiting_photos_is_used(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(journal=ALL | {"max_photo_bytes": len(jpeg()) * 2})
    engine = create_engine(settings)
    await migrate.upgrade(engine)
    photos = Photos(settings, engine, Lake(tmp_path / "lake"), ready)
    await keep(photos, engine, 3)
    waiting = list(settings.photo_spool.iterdir())
    assert 0 < len(waiting) < 3
    for path in waiting:
        path.unlink()  # erased, or shipped by another
    assert await photos.ship() == 0
    await keep(photos, engine, 1)
    assert len(list(settings.photo_spool.iterdir())) == 1
    await engine.dispose()


@pytest.mark.parametrize("spare", [MEBIBYTE, 0], ids=["room", "nearly full"])
async def test_what_is_left_of_a_disk_is_for_rows_and_photos_are_let_go(
    settings: Settings, engine: AsyncEngine, lake: Lake, monkeypatch: pytest.MonkeyPatch, spare: int
) -> None:
    disk = SimpleNamespace(total=1024 * 1024 * MEBIBYTE, free=RESERVE_BYTES + spare)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: disk)
    before = lost("full")
    photos, journal, given = Photos(settings, engine, lake, ready), Journal(settings, engine), make_prediction()
    journal.append([given])
    await photos.store([(given, jpeg())])
    assert await journal.ship() == 1
    assert await photos.ship() == (1 if spare else 0)
    assert lake.ids() == ([given.prediction_id] if spare else [])
    assert lost("full") == before + (0 if spare else 1)


async def test_a_photo_whose_row_is_late_is_let_go_when_it_is_too_old(
    make_settings: Callable[..., Settings], lake: Lake
) -> None:
    settings = make_settings(journal=ALL | {"max_age_hours": 3.0})
    engine = create_engine(settings)
    await migrate.upgrade(engine)
    settings.photo_spool.mkdir(parents=True)
    write_rows(settings, timedelta(hours=4))  # still wait: theirs may be among them
    old, younger = (
        settings.photo_spool / f"{first_id(datetime.now(UTC) - timedelta(hours=hours))}.jpg" for hours in (4, 2)
    )
    for path in (old, younger):
        path.write_bytes(jpeg())
    before = lost("old")
    assert await Photos(settings, engine, lake, ready).ship() == 0
    assert list(settings.photo_spool.iterdir()) == [younger]
    assert lost("old") == before + 1
    await engine.dispose()


@pytest.mark.parametrize("rows", ["none", "young", "old", "a person's"])
async def test_a_photo_without_a_row_is_let_go_unless_rows_as_old_as_it_wait(
    settings: Settings, engine: AsyncEngine, lake: Lake, rows: str
) -> None:
    settings.photo_spool.mkdir(parents=True)
    orphan = settings.photo_spool / f"{first_id(datetime.now(UTC) - timedelta(minutes=61))}.jpg"
    orphan.write_bytes(jpeg())
    if rows in {"young", "old"}:
        write_rows(settings, timedelta(minutes=60 if rows == "old" else 1))
    elif rows != "none":
        (settings.spool / "given-back.jsonl").touch()
    before = lost("no_row")
    await Photos(settings, engine, lake, ready).ship()
    is_kept = rows in {"old", "a person's"}
    assert orphan.exists() == is_kept
    assert lost("no_row") == before + (0 if is_kept else 1)


@pytest.mark.parametrize("outliers", [True, False])
async def test_of_sure_answers_only_those_about_what_resembles_nothing_known_are_kept(
    make_settings: Callable[..., Settings], engine: AsyncEngine, lake: Lake, outliers: bool
) -> None:
    some = {"photos": "some", "photo_rate": 0.0, "photo_below_confidence": 0.0, "photo_outliers": outliers}
    settings = make_settings(journal=some)
    known, strange = make_prediction(), make_prediction(is_known=False)
    await Photos(settings, engine, lake, ready).store([(known, jpeg()), (strange, jpeg())])
    kept = [path.stem for path in settings.photo_spool.glob("*")]
    assert kept == ([strange.prediction_id] if outliers else [])


async def test_a_photo_that_was_put_and_not_yet_placed_is_erased_with_its_row(
    settings: Settings, engine: AsyncEngine, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = Photos(settings, engine, lake, ready)
    ids = await keep(photos, engine, 1)

    async def go_away(*_: Any) -> set[str]:
        raise DatabaseError("It went away.")

    with monkeypatch.context() as patched:
        patched.setattr(predictions, "place_photos", go_away)
        with pytest.raises(DatabaseError):
            await photos.ship()
    assert lake.ids() == ids
    await transact(engine, lambda on: predictions.mark_erased(on, ids), patience_seconds=5)
    assert await photos.ship() == 0
    assert lake.ids() == []
    assert list(settings.photo_spool.iterdir()) == []


async def test_a_photo_that_is_erased_while_it_is_put_does_not_stay_though_the_turn_breaks_off(
    settings: Settings, engine: AsyncEngine, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = Photos(settings, engine, lake, ready)
    (one,) = await keep(photos, engine, 1)

    async def erase() -> None:
        elsewhere = create_engine(settings)
        try:
            await erase_prediction(elsewhere, lake, settings.photo_spool, None, id=one, actor="tests")
        finally:
            await elsewhere.dispose()

    async def go_away(*_: Any) -> set[str]:
        raise DatabaseError("It went away.")

    lake.before = lambda _: asyncio.run(erase())
    with monkeypatch.context() as patched:
        patched.setattr(predictions, "place_photos", go_away)
        with pytest.raises(DatabaseError):
            await photos.ship()
    assert lake.ids() == [one]
    assert await photos.ship() == 0
    assert lake.ids() == []
    assert list(settings.photo_spool.iterdir()) == []


async def test_an_erased_photo_waits_until_the_store_has_forgotten_it_too(
    settings: Settings, engine: AsyncEngine, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = Photos(settings, engine, lake, ready)
    ids = await keep(photos, engine, 1)
    await transact(engine, lambda on: predictions.mark_erased(on, ids), patience_seconds=5)

    def fail(*_: Any) -> None:
        raise ObjectStoreError("It is away.")

    with monkeypatch.context() as patched:
        patched.setattr(lake, "delete", fail)
        with pytest.raises(ObjectStoreError):
            await photos.ship()
    assert len(list(settings.photo_spool.iterdir())) == 1
    await photos.ship()
    assert list(settings.photo_spool.iterdir()) == []


async def test_half_a_photo_that_a_kill_left_is_removed_and_counted(
    settings: Settings, engine: AsyncEngine, lake: Lake
) -> None:
    settings.photo_spool.mkdir(parents=True)
    left, begun = (settings.photo_spool / f"{uuid7()}.part" for _ in range(2))
    for path in (left, begun):
        path.write_bytes(jpeg()[:100])
    os.utime(left, (time.time() - 7200,) * 2)
    before = lost("unreadable")
    Photos(settings, engine, lake, ready)
    assert list(settings.photo_spool.iterdir()) == [begun]
    assert lost("unreadable") == before + 1


async def test_a_file_that_a_person_put_among_them_is_left_alone(
    settings: Settings, engine: AsyncEngine, lake: Lake
) -> None:
    photos = Photos(settings, engine, lake, ready)
    ids = await keep(photos, engine, 1)
    for name in ("notes.txt", "cat.jpg"):
        (settings.photo_spool / name).write_bytes(b"mine")
    assert await photos.ship() == 1
    assert lake.ids() == ids
    assert sorted(path.name for path in settings.photo_spool.iterdir()) == ["cat.jpg", "notes.txt"]


async def test_a_photo_whose_row_arrives_while_it_is_looked_for_is_not_let_go(
    settings: Settings, engine: AsyncEngine, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.photo_spool.mkdir(parents=True)
    photo = settings.photo_spool / f"{first_id(datetime.now(UTC) - timedelta(hours=2))}.jpg"
    photo.write_bytes(jpeg())
    rows = write_rows(settings, timedelta(hours=2))
    look = predictions.photo_keys

    async def look_just_before_the_rows_arrive(*given: Any) -> dict[str, str | None]:
        found = await look(*given)
        rows.unlink()
        return found

    monkeypatch.setattr(predictions, "photo_keys", look_just_before_the_rows_arrive)
    await Photos(settings, engine, lake, ready).ship()
    assert photo.exists()


def test_photos_that_wait_at_the_end_follow_their_rows_before_it(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(journal=ALL | {"ship_seconds": 10})
    with running_api(settings) as api:
        for _ in range(2):
            httpx.post(f"{api.url}/predict", content=jpeg(), headers={"Content-Type": "image/jpeg"}).raise_for_status()
        assert len(list(settings.photo_spool.iterdir())) > 0
    assert list(settings.photo_spool.iterdir()) == []


async def test_the_end_waits_a_few_seconds_for_a_store_and_says_what_is_left(
    settings: Settings, engine: AsyncEngine, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dandelion.journal.shipping.LAST_CHANCE_SECONDS", 0.2)
    ending = Photos(settings, engine, lake, ready)
    await keep(ending, engine, 2)
    go_on = threading.Event()

    def wait(_: Path) -> None:
        go_on.wait(20)

    lake.before = wait
    monkeypatch.setattr(photos, "log", structlog.get_logger())  # one that no server has bound to its output yet
    begin = time.monotonic()
    with capture_logs() as logs:
        await ending.close()
    assert time.monotonic() - begin < 10
    go_on.set()
    size = PhotoSpool(settings).size_bytes
    assert {"event": "photos_left_waiting", "photos": 2, "bytes": size, "log_level": "warning"} in logs
