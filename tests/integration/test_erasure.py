"""An erased photo is nowhere: not here, not where its copy went, not after a restore, not in a later training."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override
from uuid_utils import uuid7

from dandelion.backup.backup import create_backup, list_backups
from dandelion.backup.copies import second_place
from dandelion.backup.mirror import mirror
from dandelion.backup.restore import restore_backup, restore_objects
from dandelion.db import create_engine, predictions, transact
from dandelion.db.migrate import upgrade
from dandelion.db.tables import audit_log
from dandelion.db.tables import predictions as table
from dandelion.errors import ObjectCorruptError, ObjectNotFoundError
from dandelion.monitoring.report import Report, create_report, publish_report
from dandelion.objects import BUCKETS, DATA_LAKE, PROCESSED, ObjectStore, create_store, frozen_key, photo_key
from dandelion.objects.folder import FolderStore
from dandelion.objects.responses import list_versions
from dandelion.privacy import ClientHasher, erase_prediction
from dandelion.privacy.erasures import MONITORING_REPORT, erased_ids, note_erasure, purge
from dandelion.retraining.lake import copy_photos
from dandelion.settings import Settings, load_settings
from tests.integration.conftest import Command, Environ
from tests.photos import jpeg
from tests.predictions import make_entry, make_prediction
from tests.servers.s3 import S3Server

Result = TypeVar("Result")
ADDRESS = "203.0.113.9"


@pytest.fixture
def two_stores(minio: S3Server, versitygw: S3Server) -> tuple[S3Server, S3Server]:
    """An S3 server, and another as the second place."""
    return minio, versitygw


@pytest.fixture(params=["folders", "two_stores"])
def settings(request: pytest.FixtureRequest, dandelion: Command, environ: Environ) -> Settings:
    """An embedded database; objects in folders, or on two S3 servers."""
    if request.param != "folders":
        name = f"{uuid7()}-"[-13:]
        servers: tuple[S3Server, S3Server] = request.getfixturevalue(request.param)
        for section, server in zip(("objects", "mirror"), servers, strict=True):
            environ(section, server.settings(bucket_prefix=name))
    return load_settings()


def ask(settings: Settings, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        engine = create_engine(settings)
        try:
            await upgrade(engine)
            return await transact(engine, work, patience_seconds=30)
        finally:
            await engine.dispose()

    return asyncio.run(run())


def store_photo(settings: Settings) -> str:
    """A prediction with its client and its photo, a strange one that is frozen for training too; return its id."""
    store, identity = create_store(settings), str(uuid7())
    entry = make_entry(make_prediction(identity, is_known=False), client=ClientHasher(settings).hash(ADDRESS))
    store.prepare()
    store.put(DATA_LAKE, photo_key(identity, ".jpg"), jpeg())
    store.put(PROCESSED, frozen_key(identity, ".jpg"), jpeg())

    async def write(on: AsyncConnection) -> None:
        await predictions.add(on, [entry])
        await predictions.place_photos(on, {identity: photo_key(identity, ".jpg")})

    ask(settings, write)
    return identity


def photos_of(store: ObjectStore | None, identity: str) -> list[str]:
    assert store is not None
    store.prepare()
    return [
        found.key for bucket in (DATA_LAKE, PROCESSED) for found in store.list_objects(bucket) if identity in found.key
    ]


def draw_page(settings: Settings, *shown: str) -> Report:
    """The monitoring report, with pictures of these predictions' photos."""
    report = asyncio.run(create_report(settings, timedelta(days=1)))
    assert report.html.count("data:image/jpeg") == len(shown)
    assert all(each in report.html for each in shown)
    return report


def page_of(store: ObjectStore | None) -> str:
    """The page that a store has, if any."""
    assert store is not None
    try:
        return store.get(PROCESSED, MONITORING_REPORT).decode()
    except ObjectNotFoundError:
        return ""


def prune(settings: Settings) -> None:
    assert ask(settings, lambda on: predictions.prune(on, datetime(2100, 1, 1, tzinfo=UTC), limit=1000))


def audited(settings: Settings) -> list[tuple[Any, ...]]:
    async def look(on: AsyncConnection) -> list[tuple[Any, ...]]:
        columns = (audit_log.c.subject, audit_log.c.detail)
        return [tuple(row) for row in await on.execute(select(*columns).where(audit_log.c.action == "erase"))]

    return ask(settings, look)


@pytest.mark.parametrize("by", ["prediction", "client"])
def test_an_erased_photo_leaves_the_second_place_and_no_restore_brings_it_back(
    settings: Settings, dandelion: Command, by: str
) -> None:
    erased, backed = store_photo(settings), create_backup(settings)
    assert len(photos_of(second_place(settings), erased)) == 2
    status, output, errors = dandelion(
        "privacy", "erase", f"--{by}", erased if by == "prediction" else ADDRESS, "--json"
    )
    assert (status, json.loads(output)) == (0, {"predictions": 1, "photos": 1}), errors
    other = store_photo(settings)
    for store in (create_store(settings), second_place(settings)):
        assert photos_of(store, erased) == []
    create_backup(settings)
    for key in photos_of(create_store(settings), other):
        create_store(settings).delete(DATA_LAKE if key.startswith("predicted") else PROCESSED, key)
    assert restore_objects(settings, lambda _: None).copied == 2
    assert photos_of(create_store(settings), erased) == []
    assert len(photos_of(create_store(settings), other)) == 2
    assert backed.name in {each["name"] for each in list_backups(create_store(settings))}


@pytest.mark.parametrize("by", ["prediction", "client"])
def test_the_page_that_pictures_an_erased_photo_goes_here_and_at_the_second_place(
    settings: Settings, dandelion: Command, by: str
) -> None:
    erased, store = store_photo(settings), create_store(settings)
    publish_report(draw_page(settings, erased), store)
    create_backup(settings)
    assert erased in page_of(second_place(settings))
    for place in (store, second_place(settings)):
        assert place is not None
        place.put(PROCESSED, MONITORING_REPORT, b"a later page, without it; a server with versions has both")
    words = ("privacy", "erase", f"--{by}", erased if by == "prediction" else ADDRESS)
    assert dandelion(*words)[0] == 0
    assert page_of(store) == page_of(second_place(settings)) == ""
    page = draw_page(settings)
    assert publish_report(page, store) == f"{PROCESSED}/{MONITORING_REPORT}"
    assert page_of(store) == page.html


def test_a_page_is_taken_back_if_a_photo_on_it_was_erased_while_it_was_drawn(
    settings: Settings, dandelion: Command
) -> None:
    shown, store = store_photo(settings), create_store(settings)
    page, other = draw_page(settings, shown), store_photo(settings)
    assert dandelion("privacy", "erase", "--prediction", other)[0] == 0
    assert publish_report(page, store) is not None
    assert dandelion("privacy", "erase", "--prediction", shown)[0] == 0
    assert publish_report(page, store) is None
    assert page_of(store) == ""


def test_a_page_that_is_copied_while_a_photo_on_it_is_erased_is_not_left_there(
    tmp_path: Path, dandelion: Command, environ: Environ
) -> None:
    environ("backup", {"folder": tmp_path / "elsewhere"})
    settings = load_settings()
    shown, there = store_photo(settings), FolderStore(tmp_path / "elsewhere")
    publish_report(draw_page(settings, shown), create_store(settings))

    class ErasedOnItsWay(FolderStore):
        @override
        def put_file(self, bucket: str, key: str, path: Path, **options: Any) -> Any:
            if key == MONITORING_REPORT:
                assert dandelion("privacy", "erase", "--prediction", shown)[0] == 0
            return super().put_file(bucket, key, path, **options)

    mirror(create_store(settings), ErasedOnItsWay(tmp_path / "elsewhere"), (DATA_LAKE, PROCESSED))
    assert erased_ids(there) == {shown}
    assert page_of(there) == ""


def test_a_copy_that_was_put_back_by_hand_is_not_restored(settings: Settings, dandelion: Command) -> None:
    identity = store_photo(settings)
    assert dandelion("privacy", "erase", "--prediction", identity)[0] == 0
    second = second_place(settings)
    assert second is not None
    second.put(DATA_LAKE, photo_key(identity, ".jpg"), jpeg())
    assert restore_objects(settings, lambda _: None).copied == 0
    assert photos_of(create_store(settings), identity) == []


def test_a_lost_store_is_restored_without_what_was_erased(
    settings: Settings, dandelion: Command, tmp_path: Path
) -> None:
    """The list of erasures is at the second place, too, and comes back before the dump is read."""
    identity, store = store_photo(settings), create_store(settings)
    made = create_backup(settings)
    assert dandelion("privacy", "erase", "--prediction", identity)[0] == 0
    second = second_place(settings)
    assert second is not None
    second.put(PROCESSED, frozen_key(identity, ".jpg"), jpeg())
    for bucket in BUCKETS:
        for found in list(store.list_objects(bucket)):
            store.delete(bucket, found.key)
    url = f"sqlite:///{tmp_path}/restored.db"
    status, _, errors = dandelion("backup", "restore", made.name, "--database", url, "--objects")
    assert status == 0, errors
    assert photos_of(store, identity) == []
    restored = Settings.model_validate({"home": tmp_path, "database": {"url": url}})
    assert ask(restored, lambda on: predictions.photo_keys(on, [identity])) == {identity: predictions.ERASED}
    create_backup(settings)
    assert photos_of(second, identity) == []


def test_a_dump_from_before_the_erasure_is_restored_without_photo_and_client(
    settings: Settings, dandelion: Command, tmp_path: Path
) -> None:
    identity, other = store_photo(settings), store_photo(settings)
    made = create_backup(settings)
    assert dandelion("privacy", "erase", "--prediction", identity)[0] == 0
    url = f"sqlite:///{tmp_path}/restored.db"
    restore_backup(settings, made.name, url, actor="tests")
    restored = Settings.model_validate({"home": tmp_path, "database": {"url": url}})

    async def look(on: AsyncConnection) -> dict[str, tuple[Any, ...]]:
        return {row.id: (row.photo_key, row.client) for row in await on.execute(select(table))}

    assert ask(restored, look) == {
        identity: (predictions.ERASED, None),
        other: (photo_key(other, ".jpg"), ClientHasher(settings).hash(ADDRESS)),
    }


@pytest.mark.parametrize("by", ["prediction", "client"])
@pytest.mark.parametrize("finish", ["again", "backup"])
def test_while_the_second_place_is_away_the_photo_goes_here_and_its_copy_later(
    dandelion: Command, environ: Environ, tmp_path: Path, by: str, finish: str
) -> None:
    environ("backup", {"folder": tmp_path / "second"})
    settings = load_settings()
    identity = store_photo(settings)
    create_backup(settings)
    (tmp_path / "in the way").touch()
    environ("backup", {"folder": tmp_path / "in the way"})
    words = ("privacy", "erase", f"--{by}", identity if by == "prediction" else ADDRESS)
    status, _, errors = dandelion(*words)
    assert status == 2
    assert "copies remain" in " ".join(errors.split())
    assert "DANDELION_BACKUP__FOLDER" in errors
    assert photos_of(create_store(settings), identity) == []
    assert audited(settings)
    assert len(photos_of(second_place(settings), identity)) == 2
    environ("backup", {"folder": tmp_path / "second"})
    if finish == "again":
        status, _, errors = dandelion(*words)
        assert status == 0, errors
    else:
        create_backup(settings)
    assert photos_of(second_place(settings), identity) == []


def test_a_mirror_erases_what_was_erased_by_somebody_who_knows_no_mirror(tmp_path: Path, dandelion: Command) -> None:
    """In a cluster only the job that copies has the second server's keys."""
    settings = load_settings()
    here, there = create_store(settings), FolderStore(tmp_path / "elsewhere")
    identity, other = store_photo(settings), store_photo(settings)
    mirror(here, there, (DATA_LAKE, PROCESSED))
    assert dandelion("privacy", "erase", "--prediction", identity)[0] == 0
    mirror(here, there, (DATA_LAKE, PROCESSED))
    assert photos_of(there, identity) == []
    assert len(photos_of(there, other)) == 2


def test_a_photo_that_is_erased_while_it_is_copied_is_not_left_there(tmp_path: Path, dandelion: Command) -> None:
    settings = load_settings()
    identity, there = store_photo(settings), FolderStore(tmp_path / "elsewhere")

    class ErasedOnItsWay(FolderStore):
        @override
        def put_file(self, bucket: str, key: str, path: Path, **options: Any) -> Any:
            if identity in key and photos_of(create_store(settings), identity):
                assert dandelion("privacy", "erase", "--prediction", identity)[0] == 0
            return super().put_file(bucket, key, path, **options)

    mirror(create_store(settings), ErasedOnItsWay(tmp_path / "elsewhere"), (DATA_LAKE, PROCESSED))
    assert photos_of(there, identity) == []


def test_an_erasure_that_broke_off_is_finished_by_the_next_backup(dandelion: Command) -> None:
    settings = load_settings()
    identity = store_photo(settings)
    assert dandelion("privacy", "erase", "--prediction", identity)[0] == 0
    create_store(settings).put(DATA_LAKE, photo_key(identity, ".jpg"), jpeg())
    create_store(settings).put(PROCESSED, MONITORING_REPORT, identity.encode())
    create_backup(settings)
    for store in (create_store(settings), second_place(settings)):
        assert photos_of(store, identity) == []
        assert page_of(store) == ""


@pytest.mark.parametrize("by", ["prediction", "client"])
def test_what_waits_on_disk_is_stored_before_it_is_forgotten(
    settings: Settings, dandelion: Command, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make_entry(client=ClientHasher(settings).hash(ADDRESS))
    identity = one.prediction.prediction_id
    for folder in (settings.spool, settings.photo_spool):
        folder.mkdir(parents=True)
    segment = settings.spool / f"{uuid7()}.jsonl"
    segment.write_bytes(msgspec.json.encode(one) + b"\n")
    (settings.photo_spool / f"{identity}.jpg").write_bytes(jpeg())
    asked = ("privacy", "erase", f"--{by}", identity if by == "prediction" else ADDRESS)
    monkeypatch.setattr("dandelion.cli.privacy.PATIENCE_SECONDS", 0.2)
    with segment.open("rb+") as busy:  # as while the process that answered ships it, or cannot
        fcntl.flock(busy, fcntl.LOCK_EX)
        status, _, errors = dandelion(*asked)
        assert (status, "still wait" in " ".join(errors.split())) == (2, True)
    status, output, errors = dandelion(*asked)
    assert (status, "1 predictions no longer lead to a person" in output) == (0, True), errors
    assert not segment.exists()
    assert list(settings.photo_spool.iterdir()) == []
    (row,) = ask(settings, lambda on: predictions.page(on, predictions.Filter()))
    assert (row.prediction_id, row.photo_key) == (identity, None)
    assert ask(settings, lambda on: predictions.photo_keys(on, [identity])) == {identity: predictions.ERASED}
    assert ask(settings, lambda on: predictions.photo_keys_of(on, ClientHasher(settings).hash(ADDRESS), limit=9)) == {}


@pytest.mark.parametrize("left", ["lake and frozen", "frozen", "second place"])
def test_a_photo_whose_prediction_was_pruned_is_erased(settings: Settings, dandelion: Command, left: str) -> None:
    identity, store = store_photo(settings), create_store(settings)
    if left == "second place":
        create_backup(settings)
        store.delete(PROCESSED, frozen_key(identity, ".jpg"))
    if left != "lake and frozen":
        store.delete(DATA_LAKE, photo_key(identity, ".jpg"))
    prune(settings)
    status, output, errors = dandelion("privacy", "erase", "--prediction", identity, "--json")
    gone = {"predictions": 0, "photos": int(left != "second place")}
    assert (status, json.loads(output or "null")) == (0, gone), errors
    for each in (store, second_place(settings)):
        assert photos_of(each, identity) == []
    assert audited(settings) == [(identity, gone)]


@pytest.mark.parametrize("settings", ["two_stores"], indirect=True)
@pytest.mark.parametrize("by", ["prediction", "client", "pruned"])
def test_what_is_left_of_a_photo_that_expired_is_erased(
    settings: Settings, dandelion: Command, minio: S3Server, versitygw: S3Server, by: str
) -> None:
    """A server with versions lets an object expire by a mark above its bytes."""
    identity = store_photo(settings)
    create_backup(settings)

    def left(server: S3Server) -> list[tuple[str, str]]:
        return [
            (bucket, found.key)
            for bucket in (f"{settings.objects.bucket_prefix}{each}" for each in (DATA_LAKE, PROCESSED))
            for found in list_versions(server.client(), bucket, "")
            if identity in found.key and not found.is_deletion
        ]

    for server in (minio, versitygw):
        for bucket, key in left(server):
            server.client().remove_object(bucket_name=bucket, object_name=key)
        assert len(left(server)) == 2
    assert photos_of(create_store(settings), identity) == photos_of(second_place(settings), identity) == []
    if by == "pruned":
        prune(settings)
    words = ("--client", ADDRESS) if by == "client" else ("--prediction", identity)
    status, output, errors = dandelion("privacy", "erase", *words, "--json")
    assert (status, json.loads(output or "null")) == (0, {"predictions": int(by != "pruned"), "photos": 1}), errors
    assert left(minio) == left(versitygw) == []


def test_a_pruned_photo_is_erased_later_where_the_second_place_is_away(
    dandelion: Command, environ: Environ, tmp_path: Path
) -> None:
    environ("backup", {"folder": tmp_path / "second"})
    settings = load_settings()
    identity = store_photo(settings)
    create_backup(settings)
    for bucket, key in ((DATA_LAKE, photo_key(identity, ".jpg")), (PROCESSED, frozen_key(identity, ".jpg"))):
        create_store(settings).delete(bucket, key)
    prune(settings)
    (tmp_path / "in the way").touch()
    environ("backup", {"folder": tmp_path / "in the way"})
    status, _, errors = dandelion("privacy", "erase", "--prediction", identity)
    assert (status, "copies remain" in " ".join(errors.split())) == (2, True)
    environ("backup", {"folder": tmp_path / "second"})
    create_backup(settings)
    assert photos_of(second_place(settings), identity) == []


@pytest.mark.parametrize("identity", ["01a21913-9ef5-76a2-9122-e7fec17e7d21", "ffffffff-ffff-4fff-bfff-ffffffffffff"])
def test_of_what_is_nowhere_nothing_is_erased(settings: Settings, dandelion: Command, identity: str) -> None:
    status, _, errors = dandelion("privacy", "erase", "--prediction", identity)
    assert status == 2
    assert f"There is no prediction {identity}" in " ".join(errors.split())
    assert audited(settings) == []


@pytest.mark.parametrize("moment", ["before it is read", "after it was read"])
def test_a_photo_that_is_erased_while_it_is_frozen_is_not_frozen(
    database_url: str, tmp_path: Path, moment: str
) -> None:
    settings = Settings.model_validate({"home": tmp_path / "home", "database": {"url": database_url}})
    identity, other, plain = store_photo(settings), store_photo(settings), create_store(settings)
    for each in (identity, other):
        plain.delete(PROCESSED, frozen_key(each, ".jpg"))

    async def erase() -> None:
        engine = create_engine(settings)
        try:
            await erase_prediction(engine, plain, settings.photo_spool, None, id=identity, actor="cli:somebody")
        finally:
            await engine.dispose()

    class ErasedMeanwhile(FolderStore):
        @override
        def get(self, bucket: str, key: str) -> bytes:
            if key != photo_key(identity, ".jpg"):
                return super().get(bucket, key)
            if moment == "before it is read":
                asyncio.run(erase())
                return super().get(bucket, key)
            data = super().get(bucket, key)
            asyncio.run(erase())
            return data

    copies = [
        (photo_key(each, ".jpg"), frozen_key(each, ".jpg"), hashlib.sha256(jpeg()).hexdigest())
        for each in (identity, other)
    ]
    assert copy_photos(ErasedMeanwhile(settings.home / "objects"), copies) == 1
    assert photos_of(plain, identity) == []
    assert len(photos_of(plain, other)) == 2


def test_what_lies_beside_the_list_is_no_erasure_and_what_is_no_list_is_named(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "lake")
    store.prepare()
    store.put(DATA_LAKE, "erased/README.txt", b"what is this?")
    one = str(uuid7())
    note_erasure(store, [one])
    other = FolderStore(tmp_path / "elsewhere")
    mirror(store, other, (DATA_LAKE,))
    assert erased_ids(store) == erased_ids(other) == {one}
    assert other.get(DATA_LAKE, "erased/README.txt") == b"what is this?"
    store.put(DATA_LAKE, "erased/broken.json", b"{")
    with pytest.raises(ObjectCorruptError, match=r"data-lake/erased/broken\.json is not a list"):
        erased_ids(store)


def test_a_page_that_is_damaged_goes_and_holds_up_no_erasure(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "lake")
    store.put(PROCESSED, MONITORING_REPORT, b"<html>")
    file = tmp_path / "lake" / PROCESSED / MONITORING_REPORT
    before = file.stat()
    file.write_bytes(b"<htmm>")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ObjectCorruptError):
        store.get(PROCESSED, MONITORING_REPORT)
    assert purge(store, {str(uuid7())}) == 0
    assert list(store.list_objects(PROCESSED)) == []


@pytest.mark.parametrize("prefix", ["../", "/etc/", "a/../../", "b/", "missing/a"])
def test_a_listing_stays_in_its_bucket(tmp_path: Path, prefix: str) -> None:
    store = FolderStore(tmp_path / "lake")
    store.put(DATA_LAKE, "b/a.jpg", b"photo")
    store.put(PROCESSED, "c.jpg", b"photo")
    assert [found.key for found in store.list_objects(DATA_LAKE, prefix)] == ["b/a.jpg"] * (prefix == "b/")
