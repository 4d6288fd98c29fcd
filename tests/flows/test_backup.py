"""Backups: what was dumped is what is restored, on each kind of database, and copies are whole."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override
from uuid_utils import uuid7

from dandelion.backup.backup import create_backup, list_backups
from dandelion.backup.copies import second_place
from dandelion.backup.dump import Contents, dump, restore
from dandelion.backup.mirror import Mirrored, mirror
from dandelion.backup.restore import restore_backup, restore_objects, restore_versions
from dandelion.db import audit, create_engine, feedback, predictions, transact
from dandelion.db.migrate import upgrade
from dandelion.domain import Feedback, JournalEntry
from dandelion.errors import BackupError, DatabaseError, ObjectNotFoundError, ObjectStoreError
from dandelion.objects import BACKUPS, DATA_LAKE, MLFLOW, ObjectStore, create_store, photo_key
from dandelion.objects.folder import FolderStore
from dandelion.objects.store import Stored
from dandelion.package.starter import starter_path
from dandelion.privacy.erasures import note_erasure
from dandelion.registry import create_registry
from dandelion.settings import Settings
from tests.predictions import make_entry, make_prediction
from tests.servers.mysql import MySqlServer

ROWS = 4500  # more than two pages


def entry(number: int) -> JournalEntry:
    label, confidence = "löwenzahn" if number % 2 else "grass", 0.1 + number / (3 * ROWS)
    return make_entry(make_prediction(label=label, confidence=confidence, is_known=bool(number % 3)))


async def fill(settings: Settings) -> None:
    engine = create_engine(settings)
    await upgrade(engine)
    entries = [entry(number) for number in range(ROWS)]
    await transact(engine, lambda on: predictions.add(on, entries), patience_seconds=30)
    told = Feedback(prediction_id=entries[7].prediction.prediction_id, label="grass", at=datetime.now(UTC))
    await transact(engine, lambda on: feedback.give(on, told, actor="somebody"), patience_seconds=30)
    detail = {"words": "with 'quotes', ünïcode and\nlines", "number": 0.1}
    await transact(
        engine, lambda on: audit.record(on, actor="a", action="b", subject="c", detail=detail), patience_seconds=30
    )
    await engine.dispose()


@pytest.fixture(params=["sqlite", "mysql", "mariadb"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A filled database of each kind."""
    url = f"sqlite:///{tmp_path}/full.db"
    if request.param != "sqlite":
        server: MySqlServer = request.getfixturevalue(request.param)
        server.create("backups")
        url = server.url("backups")
    found = Settings.model_validate({"home": tmp_path / "home", "database": {"url": url}})
    asyncio.run(fill(found))
    return found


def test_a_backup_is_proven_listed_and_restored(settings: Settings, tmp_path: Path) -> None:
    store = create_store(settings)
    store.put(DATA_LAKE, "uploads/grass/a.jpg", b"a photo")
    done = create_backup(settings)
    assert done.rows == ROWS + 3  # a label, and two lines of the audit log
    assert done.objects
    (listed,) = list_backups(store)
    assert listed["name"] == done.name
    rows = restore_backup(settings, done.name, f"sqlite:///{tmp_path}/restored.db", actor="tests")
    assert rows["predictions"] == ROWS
    kept = json.loads(store.get(BACKUPS, f"dandelion/{done.name}/settings.json"))
    assert kept["DANDELION_HOME"] == str(settings.home)
    assert kept["DANDELION_DATABASE__URL"] == "**********"


def test_mysqls_dump_fills_mariadb_and_reads_the_same(mysql: MySqlServer, mariadb: MySqlServer, tmp_path: Path) -> None:
    async def move() -> None:
        engines = []
        for server in (mysql, mariadb):
            server.create("moved")
            engines.append(
                create_engine(Settings.model_validate({"home": tmp_path, "database": {"url": server.url("moved")}}))
            )
        await fill(Settings.model_validate({"home": tmp_path, "database": {"url": mysql.url("moved")}}))
        stream = io.BytesIO()
        written = await dump(engines[0], stream)
        await restore(engines[1], stream.getvalue().splitlines(keepends=True))
        assert await dump(engines[1], io.BytesIO()) == written
        for engine in engines:
            await engine.dispose()

    asyncio.run(move())


class Interrupted(io.BytesIO):
    """Another process tells the label of the first photo as soon as that has been dumped."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._is_told = False

    def write(self, line: Any) -> int:
        found = json.loads(line)
        if found.get("table") == "predictions" and not self._is_told:
            self._is_told = True
            thread = threading.Thread(target=lambda: asyncio.run(self._tell(found["row"]["id"])))
            thread.start()
            thread.join()
        return super().write(line)

    async def _tell(self, prediction_id: str) -> None:
        engine = create_engine(self._settings)
        told = Feedback(prediction_id=prediction_id, label="grass", at=datetime.now(UTC))
        await transact(engine, lambda on: feedback.give(on, told, actor="another"), patience_seconds=5)
        late = [entry(ROWS)]
        await transact(engine, lambda on: predictions.add(on, late), patience_seconds=5)
        await engine.dispose()


def test_a_dump_is_of_one_moment_while_others_write(settings: Settings) -> None:
    async def twice() -> tuple[dict[str, Contents], dict[str, Contents]]:
        engine = create_engine(settings)
        during = await dump(engine, Interrupted(settings))
        after = await dump(engine, io.BytesIO())
        await engine.dispose()
        return during, after

    during, after = asyncio.run(twice())
    names = ("predictions", "feedback", "audit_log")
    assert [during[name].rows for name in names] == [ROWS, 1, 2]
    assert [after[name].rows for name in names] == [ROWS + 1, 2, 3]


def test_a_database_with_rows_is_not_overwritten(settings: Settings) -> None:
    url = settings.database.url
    assert url is not None
    done = create_backup(settings)
    with pytest.raises(DatabaseError, match="has rows already"):
        restore_backup(settings, done.name, url.get_secret_value(), actor="tests")


@pytest.fixture
def small(tmp_path: Path) -> Settings:
    found = Settings.model_validate({"home": tmp_path / "home"})
    asyncio.run(fill(found))
    return found


def test_a_damaged_dump_is_refused(small: Settings, tmp_path: Path) -> None:
    done = create_backup(small)
    store = create_store(small)
    store.put(BACKUPS, f"dandelion/{done.name}/database.jsonl.gz", b"\x1f\x8b no dump")
    with pytest.raises((DatabaseError, BackupError, OSError, EOFError)):
        restore_backup(small, done.name, f"sqlite:///{tmp_path}/restored.db", actor="tests")
    with pytest.raises(BackupError, match="dandelion backup list"):
        restore_backup(small, "1999", f"sqlite:///{tmp_path}/restored.db", actor="tests")


def test_objects_come_back_from_the_second_place(small: Settings) -> None:
    store = create_store(small)
    store.put(DATA_LAKE, "uploads/grass/a.jpg", b"a photo")
    create_backup(small)
    store.delete(DATA_LAKE, "uploads/grass/a.jpg")
    assert second_place(small) is not None
    assert restore_objects(small, lambda _: None).copied == 1
    assert store.get(DATA_LAKE, "uploads/grass/a.jpg") == b"a photo"


@pytest.mark.parametrize("later", [b"a later photo", b"A PHOTO"], ids=["of another size", "of the same size"])
def test_a_restore_leaves_what_was_replaced_after_the_backup(small: Settings, later: bytes) -> None:
    store = create_store(small)
    store.put(DATA_LAKE, "uploads/grass/a.jpg", b"a photo")
    create_backup(small)
    store.put(DATA_LAKE, "uploads/grass/a.jpg", later)
    os.utime(small.home / "objects" / DATA_LAKE / "uploads/grass/a.jpg", (0, 0))  # put there by hand, from a camera
    assert restore_objects(small, lambda _: None).copied == 0
    assert store.get(DATA_LAKE, "uploads/grass/a.jpg") == later


def test_photos_that_come_while_a_backup_runs_are_for_the_next_one(
    small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = create_store(small)
    store.put(DATA_LAKE, "uploads/grass/a.jpg", b"a photo")

    def slowly(source: ObjectStore, *others: Any, **options: Any) -> Mirrored:
        done = mirror(source, *others, **options)
        source.put(DATA_LAKE, "uploads/grass/a.jpg", b"a better photo")
        source.put(DATA_LAKE, "uploads/grass/late.jpg", b"a late photo")
        return done

    monkeypatch.setattr("dandelion.backup.copies.mirror", slowly)
    create_backup(small)
    monkeypatch.undo()
    create_backup(small)
    second = second_place(small)
    assert second is not None
    assert second.get(DATA_LAKE, "uploads/grass/late.jpg") == b"a late photo"


def test_what_was_not_copied_fails_a_backup(small: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    create_store(small).put(DATA_LAKE, "uploads/grass/a.jpg", b"a photo")
    monkeypatch.setattr("dandelion.backup.copies.mirror", lambda *_, **__: Mirrored(0, 0, 0))
    with pytest.raises(BackupError, match=r"data-lake/uploads/grass/a\.jpg and 0 others"):
        create_backup(small)


def test_a_name_that_no_store_takes_fails_no_backup(small: Settings) -> None:
    create_backup(small)
    (small.home / "objects" / DATA_LAKE / "my photo.jpg").write_bytes(b"put there by hand")
    create_store(small).put(DATA_LAKE, "uploads/grass/a.jpg", b"a photo")
    create_backup(small)
    second = second_place(small)
    assert second is not None
    assert second.get(DATA_LAKE, "uploads/grass/a.jpg") == b"a photo"


def test_such_a_name_at_both_places_fails_no_backup(small: Settings) -> None:
    for place in (small.home / "objects", small.home / "backups"):
        (place / DATA_LAKE).mkdir(parents=True)
        (place / DATA_LAKE / "my photo.jpg").write_bytes(b"put there by hand")
    os.utime(small.home / "backups" / DATA_LAKE / "my photo.jpg", (0, 0))  # so that the digests would tell
    assert create_backup(small).copied


def damage(file: Path) -> None:
    """Other bytes, as a disk that rots leaves them."""
    found = file.stat()
    file.write_bytes(bytes(found.st_size))
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.mark.parametrize("what", ["damaged", "in the way"])
def test_an_object_that_cannot_be_copied_holds_up_neither_others_nor_erasures(small: Settings, what: str) -> None:
    store, second, identity = create_store(small), second_place(small), str(uuid7())
    assert second is not None
    store.put(DATA_LAKE, photo_key(identity, ".jpg"), b"a photo")
    first = create_backup(small)
    note_erasure(store, [identity])
    store.put(DATA_LAKE, "a.jpg", b"a photo")
    store.put(DATA_LAKE, "b.jpg", b"another")
    if what == "damaged":
        damage(small.home / "objects" / DATA_LAKE / "a.jpg")
    else:
        (small.home / "backups" / DATA_LAKE / "a.jpg").mkdir()
    with pytest.raises(BackupError, match=r"All objects were copied except data-lake/a\.jpg\. "):
        create_backup(small)
    assert second.get(DATA_LAKE, "b.jpg") == b"another"
    assert {each["name"] for each in list_backups(second)} > {first.name}
    assert list(second.list_objects(DATA_LAKE, "predicted/")) == []


def test_a_store_that_is_gone_ends_a_copy_at_once(small: Settings, tmp_path: Path) -> None:
    class Gone(FolderStore):
        asked = 0

        @override
        def get_file(self, bucket: str, key: str, path: Path) -> None:
            Gone.asked += 1
            raise ObjectStoreError("Nobody answers.")

        @override
        def list_objects(self, bucket: str, prefix: str = "") -> Iterator[Stored]:
            if Gone.asked:
                raise ObjectStoreError("Nobody answers.")
            return super().list_objects(bucket, prefix)

    for name in ("a.jpg", "b.jpg"):
        create_store(small).put(DATA_LAKE, name, b"a photo")
    with pytest.raises(ObjectStoreError, match="Nobody answers"):
        mirror(Gone(small.home / "objects"), FolderStore(tmp_path / "elsewhere"), [DATA_LAKE])
    assert Gone.asked == 1


def test_an_artifact_that_no_store_takes_fails_no_backup(small: Settings) -> None:
    artifacts = small.home / "artifacts" / "1"
    artifacts.mkdir(parents=True)
    (artifacts / "confusion matrix.png").write_bytes(b"a picture")
    (artifacts / "model.onnx").write_bytes(b"a model")
    create_backup(small)
    second = second_place(small)
    assert second is not None
    assert [found.key for found in second.list_objects(MLFLOW)] == ["artifacts/1/model.onnx"]


def test_a_photo_that_is_erased_before_its_copy_is_read_back_fails_no_backup(
    small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, second = create_store(small), second_place(small)
    assert second is not None
    identity = str(uuid7())
    store.put(DATA_LAKE, photo_key(identity, ".jpg"), b"a photo")

    def meanwhile(keys: list[str], count: int) -> list[str]:
        if photo_key(identity, ".jpg") in keys:
            for place in (store, second):
                note_erasure(place, [identity])
                place.delete(DATA_LAKE, photo_key(identity, ".jpg"))
        return keys[:count]

    monkeypatch.setattr("random.sample", meanwhile)
    create_backup(small)

    def lost(keys: list[str], count: int) -> list[str]:
        for key in keys:
            second.delete(DATA_LAKE, key)
        return keys[:count]

    store.put(DATA_LAKE, "uploads/grass/a.jpg", b"a photo")
    monkeypatch.setattr("random.sample", lost)
    with pytest.raises(ObjectNotFoundError):
        create_backup(small)


def test_old_dumps_leave_the_folder_that_is_the_second_place(small: Settings) -> None:
    first = create_backup(small)
    second = second_place(small)
    assert second is not None
    long_ago = (datetime.now(UTC) - timedelta(days=36)).timestamp()
    for file in (small.home / "backups" / BACKUPS).rglob(f"*{first.name}/*"):
        os.utime(file, (long_ago, long_ago))
    for found in create_store(small).list_objects(BACKUPS):
        create_store(small).delete(BACKUPS, found.key)
    last = create_backup(small)
    assert {found.key.split("/")[1] for found in second.list_objects(BACKUPS)} == {last.name}


def ask(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command, in a process of its own."""
    env = {**os.environ, "DANDELION_HOME": str(settings.home)}
    if settings.backup.folder is not None:
        env["DANDELION_BACKUP__FOLDER"] = str(settings.backup.folder)
    argv = [sys.executable, "-m", "dandelion", *words]
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=300, check=False)


def test_a_restore_tells_of_damaged_copies_and_goes_on_to_the_dump(small: Settings, tmp_path: Path) -> None:
    store = create_store(small)
    store.put(DATA_LAKE, "a.jpg", b"a photo")
    made = create_backup(small)
    for bucket in (DATA_LAKE, BACKUPS):
        for found in list(store.list_objects(bucket)):
            store.delete(bucket, found.key)
    damage(small.home / "backups" / DATA_LAKE / "a.jpg")
    done = ask(small, "backup", "restore", made.name, "--database", f"sqlite:///{tmp_path}/restored.db", "--objects")
    assert done.returncode == 1, done.stderr
    assert "Not copied back: data-lake/a.jpg reads as" in done.stderr
    assert f"{ROWS} predictions" in done.stdout
    assert "3 objects copied back, 1 failed" in done.stdout


@pytest.mark.parametrize("home", ["home", "another home"])
def test_a_champion_comes_back_after_its_home_is_lost(tmp_path: Path, home: str) -> None:
    lost = Settings.model_validate({"home": tmp_path / "home", "backup": {"folder": tmp_path / "second"}})
    registered = ask(lost, "models", "register", "--promote")
    assert registered.returncode == 0, registered.stderr
    made = create_backup(lost)
    shutil.rmtree(lost.home)
    lost.home.mkdir()
    (lost.home / "mlflow.db-journal").write_bytes(b"left by the file that is gone")
    found = lost.model_copy(update={"home": tmp_path / home})
    done = ask(found, "backup", "restore", made.name, "--database", f"sqlite:///{tmp_path}/restored.db", "--objects")
    assert done.returncode == 0, done.stderr
    assert f"Restored the registry: {found.home}/mlflow.db." in done.stdout
    assert list(found.home.glob("mlflow.db-*")) == []  # SQLite would play it into the file that came back
    registry = create_registry(found)
    champion = registry.find_alias("champion")
    assert champion is not None
    assert registry.download(champion, found.cache).digest == champion.digest
    later = registry.register_package(starter_path())
    assert (found.home / "artifacts" / str(later.run_id)).is_dir()
    assert not (found.home / "objects" / MLFLOW / "artifacts").exists()


def test_a_registry_that_is_there_is_left_alone(small: Settings, tmp_path: Path) -> None:
    (small.home / "mlflow.db").write_bytes(b"")  # of which SQLite makes an empty database
    made = create_backup(small)
    (small.home / "mlflow.db").write_bytes(b"a later one")
    done = ask(small, "backup", "restore", made.name, "--database", f"sqlite:///{tmp_path}/restored.db", "--objects")
    assert done.returncode == 0, done.stderr
    assert f"The registry {small.home}/mlflow.db exists and was not replaced." in done.stdout
    assert (small.home / "mlflow.db").read_bytes() == b"a later one"


def test_a_packed_registry_that_is_none_is_refused(small: Settings) -> None:
    made = create_backup(small)
    create_store(small).put(BACKUPS, f"dandelion/{made.name}/mlflow.db.gz", b"no registry")
    with pytest.raises(BackupError, match="cannot be read"):
        restore_versions(small, made.name)
    assert not (small.home / "mlflow.db").exists()


def test_the_commands_do_the_same(small: Settings, tmp_path: Path) -> None:
    def run(*words: str) -> str:
        done = ask(small, "backup", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    made = json.loads(run("create", "--json"))
    assert made["name"] in run("list")
    told = run("restore", made["name"], "--database", f"sqlite:///{tmp_path}/restored.db")
    assert f"{ROWS} predictions" in told
