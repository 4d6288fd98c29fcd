"""A restore that runs once: what is written down about it, and what that keeps from happening again."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from dandelion.backup.record import PREFIX, begin_restore, end_restore, find_restore
from dandelion.cli.patience import waiting_for_store
from dandelion.errors import BackupError, ObjectStoreError
from dandelion.objects import BACKUPS, DATA_LAKE
from dandelion.objects.folder import FolderStore

DUMP = "mysql/2026-11-29T041500Z.sql.gz"
TARGET = "mlops_db and mlflow"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    found = FolderStore(tmp_path / "objects")
    found.put(BACKUPS, DUMP, gzip.compress(b"CREATE TABLE t (a INT);\n-- Dump completed on 2026-11-29\n"))
    return found


def test_a_restore_that_ended_does_not_begin_again(store: FolderStore, tmp_path: Path) -> None:
    file = tmp_path / "dump.sql.gz"
    assert begin_restore(store, "a", DUMP, TARGET, file) is None
    assert gzip.decompress(file.read_bytes()).startswith(b"CREATE")
    file.unlink()
    assert end_restore(store, "a").ended_at
    done = begin_restore(store, "a", DUMP, TARGET, file)
    assert done is not None
    assert TARGET in done.message
    assert not file.exists()
    assert begin_restore(store, "b", DUMP, TARGET, file) is None  # another id is another restore


def test_a_restore_that_broke_off_says_how_to_go_on_and_does_not_run(store: FolderStore, tmp_path: Path) -> None:
    file = tmp_path / "dump.sql.gz"
    begin_restore(store, "a", DUMP, TARGET, file)
    file.unlink()
    with pytest.raises(BackupError, match=r"mlops_db and mlflow may be incomplete.*\n?.*end-restore a --broke-off"):
        begin_restore(store, "a", DUMP, TARGET, file)
    assert not file.exists()
    assert "broke off" in end_restore(store, "a", broke_off=True).message
    with pytest.raises(BackupError, match=r"broke off.*\n?.*another id"):
        begin_restore(store, "a", DUMP, TARGET, file)
    assert begin_restore(store, "b", DUMP, TARGET, file) is None


def test_what_was_given_up_may_end_after_all(store: FolderStore, tmp_path: Path) -> None:
    begin_restore(store, "a", DUMP, TARGET, tmp_path / "dump.sql.gz")
    end_restore(store, "a", broke_off=True)
    assert not end_restore(store, "a").broke_off
    assert not end_restore(store, "a", broke_off=True).broke_off


@pytest.mark.parametrize(("dump", "target"), [("mysql/other.sql.gz", TARGET), (DUMP, "restored_mlops_db")])
def test_an_id_is_of_one_dump_and_one_target(store: FolderStore, tmp_path: Path, dump: str, target: str) -> None:
    begin_restore(store, "a", DUMP, TARGET, tmp_path / "dump.sql.gz")
    end_restore(store, "a")
    store.put(BACKUPS, dump, store.get(BACKUPS, DUMP))
    with pytest.raises(BackupError, match=r"was of .* not of .*\n?.*another id"):
        begin_restore(store, "a", dump, target, tmp_path / "dump.sql.gz")


def test_a_target_has_one_restore_at_a_time(store: FolderStore, tmp_path: Path) -> None:
    file = tmp_path / "dump.sql.gz"
    begin_restore(store, "a", DUMP, TARGET, file)
    with pytest.raises(BackupError, match=r"The restore a .* still runs, or it broke off"):
        begin_restore(store, "b", DUMP, TARGET, file)
    assert find_restore(store, "b") is None
    assert begin_restore(store, "c", DUMP, "restored_mlops_db and restored_mlflow", file) is None
    end_restore(store, "a")
    assert begin_restore(store, "b", DUMP, TARGET, file) is None


def test_of_two_that_begin_at_once_one_does(store: FolderStore, tmp_path: Path) -> None:
    """The second one looks before the first one writes, and writes after it."""

    class Late(FolderStore):
        looked = False

        @override
        def put_new(self, bucket: str, key: str, data: bytes, **more: str) -> bool:
            if not self.looked:
                self.looked = True
                begin_restore(store, "a", DUMP, TARGET, tmp_path / "first")
            return super().put_new(bucket, key, data, **more)

    with pytest.raises(BackupError, match="still runs"):
        begin_restore(Late(tmp_path / "objects"), "a", DUMP, TARGET, tmp_path / "second")
    assert (tmp_path / "first").exists()
    assert not (tmp_path / "second").exists()


def test_a_store_that_fails_after_the_download_costs_no_second_one(store: FolderStore, tmp_path: Path) -> None:
    class Failing(FolderStore):
        fetched = 0
        failed = False

        @override
        def get_file(self, bucket: str, key: str, path: Path) -> None:
            self.fetched += 1
            super().get_file(bucket, key, path)

        @override
        def put_new(self, bucket: str, key: str, data: bytes, **more: str) -> bool:
            if not self.failed:
                self.failed = True
                raise ObjectStoreError("no response", "wait")
            return super().put_new(bucket, key, data, **more)

    failing, file = Failing(tmp_path / "objects"), tmp_path / "dump.sql.gz"
    with pytest.raises(ObjectStoreError):
        begin_restore(failing, "a", DUMP, TARGET, file)
    assert find_restore(store, "a") is None  # nothing has begun
    failing.failed = False
    wait = waiting_for_store(timedelta(minutes=1)).copy(sleep=lambda _: None)
    assert begin_restore(failing, "a", DUMP, TARGET, file, wait=wait) is None
    assert failing.fetched == 2


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (gzip.compress(b"CREATE TABLE t (a INT);\n"), "incomplete"),
        (gzip.compress(b"-- Dump completed on 2026-11-29\n" * 100)[:-9], "damaged"),
        (b"not compressed", "damaged"),
    ],
    ids=["without an end", "cut off", "not compressed"],
)
def test_a_bad_dump_is_refused_before_anything_begins(
    store: FolderStore, tmp_path: Path, content: bytes, why: str
) -> None:
    store.put(BACKUPS, DUMP, content)
    with pytest.raises(BackupError, match=why):
        begin_restore(store, "a", DUMP, TARGET, tmp_path / "dump.sql.gz")
    assert find_restore(store, "a") is None
    assert not (tmp_path / "dump.sql.gz").exists()


def test_a_dump_is_named_exactly(store: FolderStore, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="dandelion backup list"):
        begin_restore(store, "a", "mysql/2026-11-29", TARGET, tmp_path / "dump.sql.gz")


def test_the_end_is_written_once(store: FolderStore, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="has not begun"):
        end_restore(store, "a")
    begin_restore(store, "a", DUMP, TARGET, tmp_path / "dump.sql.gz")
    first = end_restore(store, "a")
    assert end_restore(store, "a") == first


def test_retention_leaves_the_record(store: FolderStore, tmp_path: Path) -> None:
    begin_restore(store, "a", DUMP, TARGET, tmp_path / "dump.sql.gz")
    later = datetime.now(UTC) + timedelta(days=1)
    for bucket in (DATA_LAKE, BACKUPS):
        store.expire(bucket, later)
    assert not list(store.list_objects(BACKUPS))
    assert json.loads(store.get(DATA_LAKE, f"{PREFIX}a.json"))["dump"] == DUMP


@pytest.mark.parametrize("name", ["", "A", "../a", "a/b", "a" * 64])
def test_an_id_is_a_plain_name(store: FolderStore, name: str) -> None:
    with pytest.raises(BackupError, match="not the id"):
        find_restore(store, name)
