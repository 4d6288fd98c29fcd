"""The same promises from a folder, MinIO and a second S3 server."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from minio.helpers import md5sum_hash
from typing_extensions import override

from dandelion.backup.mirror import mirror
from dandelion.errors import ObjectAccessError, ObjectCorruptError, ObjectNotFoundError, ObjectStoreError, SettingsError
from dandelion.objects import (
    BACKUPS,
    BUCKETS,
    DATA_LAKE,
    ObjectStore,
    create_mirror,
    create_store,
    expire_periodically,
)
from dandelion.objects.folder import FolderStore
from dandelion.objects.s3 import S3Store
from dandelion.objects.store import Stored
from dandelion.settings import Settings
from tests.servers.s3 import S3Server
from tests.servers.scripted import Handler, listening

KEY = "photos/2026/05/01/a.jpg"


@pytest.fixture(scope="module", params=["folder", "minio", "versitygw"])
def section(request: pytest.FixtureRequest) -> dict[str, object]:
    if request.param == "folder":
        return {}
    server: S3Server = request.getfixturevalue(request.param)
    return server.settings(bucket_prefix="objects-")


@pytest.fixture
def store(section: dict[str, object], make_settings: Callable[..., Settings]) -> Iterator[ObjectStore]:
    made = create_store(make_settings(objects=section))
    made.prepare()
    yield made
    for found in list(made.list_objects(DATA_LAKE)):
        made.delete(DATA_LAKE, found.key)


def test_an_object_reads_back_as_it_was_written_and_replaces_the_one_before(store: ObjectStore) -> None:
    store.put(DATA_LAKE, KEY, b"first", content_type="image/jpeg")
    store.put(DATA_LAKE, KEY, b"second", content_type="image/jpeg")
    assert store.get(DATA_LAKE, KEY) == b"second"
    found = store.stat(DATA_LAKE, KEY)
    assert (found.size_bytes, found.content_type) == (6, "image/jpeg")
    assert abs(found.modified_at - datetime.now(UTC)) < timedelta(minutes=1)
    store.put(DATA_LAKE, "empty", b"")
    assert store.get(DATA_LAKE, "empty") == b""


def test_an_object_is_written_once(store: ObjectStore) -> None:
    name = f"restores/{uuid.uuid4()}.json"  # versitygw takes versions of what was deleted for the object
    assert store.put_new(DATA_LAKE, name, b"first", content_type="image/jpeg")
    assert not store.put_new(DATA_LAKE, name, b"second")
    assert store.get(DATA_LAKE, name) == b"first"
    found = store.stat(DATA_LAKE, name)
    assert (found.content_type, bool(found.sha256)) == ("image/jpeg", True)


def test_wrong_keys_are_told_from_a_server_that_does_not_respond(
    minio: S3Server, make_settings: Callable[..., Settings]
) -> None:
    store = create_store(make_settings(objects=minio.settings(access_key="nobody")))
    with pytest.raises(ObjectAccessError):
        store.get(DATA_LAKE, KEY)


def test_a_large_file_goes_both_ways_in_parts(store: ObjectStore, tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(os.urandom(40 * 1024 * 1024 + 7))
    store.put_file(DATA_LAKE, "large.bin", there)
    store.get_file(DATA_LAKE, "large.bin", back)
    assert back.read_bytes() == there.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "there"]
    if isinstance(store, S3Store):
        # It ends in the number of parts, where there were several.
        etag = store._client.stat_object(store._names[DATA_LAKE], "large.bin").etag or ""
        assert etag.rpartition("-")[2] == "3", etag


def test_a_listing_is_in_order_and_by_prefix(store: ObjectStore) -> None:
    for key in ("b/2", "a/1", "b/1", "ba"):
        store.put(DATA_LAKE, key, key.encode())
    assert [found.key for found in store.list_objects(DATA_LAKE, "b/")] == ["b/1", "b/2"]
    assert [found.key for found in store.list_objects(DATA_LAKE)] == ["a/1", "b/1", "b/2", "ba"]


def test_what_is_not_there_is_said_and_may_be_deleted(store: ObjectStore, tmp_path: Path) -> None:
    for look in (store.get, store.stat):
        with pytest.raises(ObjectNotFoundError):
            look(DATA_LAKE, "absent")
    with pytest.raises(ObjectNotFoundError):
        store.get_file(DATA_LAKE, "absent", tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []
    store.delete(DATA_LAKE, "absent")


IMPOSSIBLE = ["", "/a", "a/", "../a", "a/../b", "a//b", "a\nb"]


@pytest.mark.parametrize("key", [*IMPOSSIBLE, ".a", "a\\b", "x" * 600, "ä", "a b"])
def test_a_key_that_means_something_else_elsewhere_is_refused(store: ObjectStore, key: str) -> None:
    for use in (store.delete, store.stat, lambda bucket, key: store.put(bucket, key, b"")):
        with pytest.raises(ObjectStoreError, match="not a valid object key"):
            use(DATA_LAKE, key)
    # What others named is read, where a store can have such a name.
    with pytest.raises(ObjectStoreError, match="not a valid object key" if key in IMPOSSIBLE else ""):
        store.get(DATA_LAKE, key)


def test_an_object_that_was_altered_is_not_passed_on(store: ObjectStore, tmp_path: Path) -> None:
    store.put(DATA_LAKE, KEY, b"what was written")
    _alter(store)
    with pytest.raises(ObjectCorruptError):
        store.get(DATA_LAKE, KEY)
    with pytest.raises(ObjectCorruptError):
        store.get_file(DATA_LAKE, KEY, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


class Changing(io.BytesIO):
    """Reads otherwise after it was read once."""

    def __init__(self, first: bytes, then: bytes) -> None:
        super().__init__(first)
        self._then = then

    @override
    def seek(self, offset: int, whence: int = 0) -> int:
        self.truncate(0)
        super().seek(0)
        self.write(self._then)
        return super().seek(offset, whence)


@pytest.mark.parametrize("then", [b"what was WRITTEN", b"what was", b"", b"WHAT was written and more"])
def test_what_is_changed_while_it_is_written_replaces_nothing(store: ObjectStore, then: bytes) -> None:
    store.put(DATA_LAKE, KEY, b"before")
    with pytest.raises(ObjectStoreError, match=f"{KEY} was not written"):
        store._put(DATA_LAKE, KEY, Changing(b"what was written", then), "image/jpeg")
    assert store.get(DATA_LAKE, KEY) == b"before"


def test_what_grows_while_it_is_written_is_stored_as_it_was(store: ObjectStore) -> None:
    for first in (b"what was written", b""):
        store._put(DATA_LAKE, KEY, Changing(first, first + b" and more"), "text/plain")
        assert store.get(DATA_LAKE, KEY) == first


def _alter(store: ObjectStore) -> None:
    """Other bytes of the same length under the digest of the first, as a bad disk would have it."""
    if isinstance(store, FolderStore):
        path = store._root / DATA_LAKE / KEY
        before = path.stat()
        path.write_bytes(b"what was WRITTEN")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        assert isinstance(store, S3Store)
        told: dict[str, str | list[str] | tuple[str]] = {"x-amz-meta-sha256": store.stat(DATA_LAKE, KEY).sha256 or ""}
        store._client.put_object(store._names[DATA_LAKE], KEY, io.BytesIO(b"what was WRITTEN"), 16, metadata=told)


def test_preparing_again_or_at_the_same_time_is_harmless(
    section: dict[str, object], make_settings: Callable[..., Settings]
) -> None:
    if section:
        section = section | {"bucket_prefix": "again-"}
    stores = [create_store(make_settings(objects=section)) for _ in range(4)]
    failures: list[Exception] = []

    def prepare(store: ObjectStore) -> None:
        try:
            store.prepare()
        except ObjectStoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=prepare, args=[store]) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stores[0].prepare()
    assert failures == []


def test_minio_keeps_versions_encrypts_and_expires(minio: S3Server, make_settings: Callable[..., Settings]) -> None:
    store = create_store(make_settings(objects=minio.settings(bucket_prefix="features-", data_lake_days=7)))
    assert store.prepare() == {}
    client = minio.client()
    for bucket in BUCKETS:
        assert client.get_bucket_versioning(bucket_name=f"features-{bucket}").status == "Enabled"
        assert client.get_bucket_encryption(bucket_name=f"features-{bucket}") is not None
    rules = client.get_bucket_lifecycle(bucket_name="features-data-lake")
    assert rules is not None
    found = [
        (rule.expiration.days, rule.rule_filter.prefix) for rule in rules.rules if rule.expiration and rule.rule_filter
    ]
    assert found == [(7, "predicted/")]


THEIRS = b"""<LifecycleConfiguration>
<Rule><ID>all</ID><Status>Enabled</Status><Filter/><Expiration><Days>365</Days></Expiration></Rule>
<Rule><ID>photos</ID><Status>Enabled</Status><Prefix>predicted/</Prefix><Expiration><Days>90</Days></Expiration></Rule>
<Rule><ID>large</ID><Status>Enabled</Status><Filter><And><Prefix>predicted/</Prefix>
<ObjectSizeGreaterThan>1000</ObjectSizeGreaterThan></And></Filter><Expiration><Days>30</Days></Expiration></Rule>
</LifecycleConfiguration>"""


@pytest.mark.parametrize("create", [create_store, create_mirror])
def test_rules_of_somebody_else_stay_as_they_are(
    minio: S3Server, make_settings: Callable[..., Settings], create: Callable[[Settings], ObjectStore]
) -> None:
    prefix = f"{create.__name__.replace('_', '-')}-"
    section = minio.settings(bucket_prefix=prefix)
    store, bucket, client = (
        create(make_settings(objects=section, mirror=section)),
        f"{prefix}{DATA_LAKE}",
        minio.client(),
    )

    def rules() -> set[str]:
        told = client._execute("GET", bucket, query_params={"lifecycle": ""}).data.decode()
        return set(re.findall("<Rule>.*?</Rule>", told))

    client.make_bucket(bucket_name=bucket)
    headers: dict[str, str | list[str] | tuple[str]] = {"Content-MD5": md5sum_hash(THEIRS) or ""}
    client._execute("PUT", bucket, body=THEIRS, headers=headers, query_params={"lifecycle": ""})
    theirs = rules()
    assert len(theirs) == 3
    assert store.prepare() == {}
    both = rules()
    (ours,) = both - theirs
    assert theirs < both
    assert "predicted/" in ours
    assert store.prepare() == {}
    assert rules() == both
    store.put(DATA_LAKE, f"predicted/{KEY}", b"left to the server")
    assert store.expire(DATA_LAKE, datetime.now(UTC) + timedelta(minutes=1)) == 0


async def test_expiry_goes_on_whatever_a_store_raises(tmp_path: Path) -> None:
    came_to_backups = threading.Event()

    class Fails(FolderStore):
        @override
        def expire(self, bucket: str, before: datetime) -> int:
            if bucket == BACKUPS:
                came_to_backups.set()
            raise ValueError(bucket)

    going = asyncio.create_task(expire_periodically(Fails(tmp_path), {DATA_LAKE: 90, BACKUPS: 35}))
    assert await asyncio.to_thread(came_to_backups.wait, 5)
    assert not going.done()
    going.cancel()


def test_deleting_leaves_no_earlier_version(minio: S3Server, make_settings: Callable[..., Settings]) -> None:
    store = create_store(make_settings(objects=minio.settings(bucket_prefix="versions-")))
    store.prepare()
    for data in (b"first", b"second"):
        store.put(DATA_LAKE, KEY, data)
    store.put(DATA_LAKE, f"{KEY}.other", b"stays")
    store.delete(DATA_LAKE, KEY)
    left = minio.client().list_objects(bucket_name="versions-data-lake", recursive=True, include_version=True)
    assert [found.object_name for found in left] == [f"{KEY}.other"]


@pytest.mark.parametrize("page", [2, 1000])
def test_keys_are_those_of_every_version_of_what_is_there_was_deleted_or_has_expired(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr("dandelion.objects.responses.PAGE", page)
    for key in ("a/1", "a/2", "a/3", "b"):
        for data in (b"first", b"second"):
            store.put(DATA_LAKE, key, data)
    if isinstance(store, S3Store):
        for key in ("a/1", "a/2"):
            store._client.remove_object(store._names[DATA_LAKE], key)
    assert store.list_keys(DATA_LAKE, "a/") == {"a/1", "a/2", "a/3"}
    assert [store.delete(DATA_LAKE, key) for key in ("a/1", "a/1", "b")] == [True, False, True]
    assert store.list_keys(DATA_LAKE) == {"a/2", "a/3"}
    for key in ("a/2", "a/3"):
        store.delete(DATA_LAKE, key)


def test_what_a_server_lacks_is_told_and_the_rest_works(
    versitygw: S3Server, make_settings: Callable[..., Settings]
) -> None:
    store = create_store(make_settings(objects=versitygw.settings(bucket_prefix="lacks-", data_lake_days=1)))
    missing = store.prepare()
    print(f"\nversitygw: {dict(missing)}")
    key = f"predicted/{KEY}"
    store.put(DATA_LAKE, key, b"old")
    assert store.expire(DATA_LAKE, datetime.now(UTC) - timedelta(days=1)) == 0
    if "retention of lacks-data-lake" in missing:
        assert store.expire(DATA_LAKE, datetime.now(UTC) + timedelta(minutes=1)) == 1
        with pytest.raises(ObjectNotFoundError):
            store.stat(DATA_LAKE, key)


def test_a_folder_expires_what_is_old(make_settings: Callable[..., Settings]) -> None:
    store = create_store(make_settings())
    store.prepare()
    for kind in ("predicted", "uploads"):
        store.put(DATA_LAKE, f"{kind}/{KEY}", b"old")
    assert store.expire(DATA_LAKE, datetime.now(UTC) + timedelta(minutes=1)) == 1
    # What people put there stays until they remove it.
    assert [found.key for found in store.list_objects(DATA_LAKE)] == [f"uploads/{KEY}"]


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The folder of a store whose process was killed in the middle of writing an object."""
    script = """
import io
import os
import signal
import sys
from pathlib import Path
from dandelion.objects import DATA_LAKE
from dandelion.objects.folder import FolderStore
from dandelion.backup.mirror import mirror

class Dies(io.BytesIO):
    def seek(self, to):
        self.read = self.last_words
        return super().seek(to)
    def last_words(self, size):
        if self.tell() == 0:
            return super().read(size // 2)
        os.kill(os.getpid(), signal.SIGKILL)

FolderStore(Path(sys.argv[1]))._put(DATA_LAKE, "predicted/a.jpg", Dies(b"a photo"), "image/jpeg")
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    return tmp_path


def test_what_a_killed_process_left_is_no_object(killed: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = FolderStore(killed)
    store.prepare()
    store.put(DATA_LAKE, f"predicted/{KEY}", b"a photo")
    assert [found.key for found in store.list_objects(DATA_LAKE)] == [f"predicted/{KEY}"]
    assert mirror(store, FolderStore(tmp_path_factory.mktemp("second")), BUCKETS).copied == 1
    assert store.expire(DATA_LAKE, datetime.now(UTC) + timedelta(minutes=1)) == 1


@pytest.mark.parametrize("tidy", ["prepare", "expire"])
def test_what_a_killed_process_left_goes_once_nobody_can_be_writing_it(killed: Path, tidy: str) -> None:
    store = FolderStore(killed)
    (left,) = (path for path in killed.rglob("*") if path.is_file())
    assert left.stat().st_dev == (killed / DATA_LAKE).stat().st_dev

    def work() -> None:
        store.prepare() if tidy == "prepare" else store.expire(DATA_LAKE, datetime.now(UTC))

    work()
    assert left.exists()
    hours_ago = time.time() - 2 * 3600
    os.utime(left, (hours_ago, hours_ago))
    work()
    assert not left.exists()


def test_hidden_files_are_no_objects_and_other_names_of_people_s_own_are_seen_and_expire(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.prepare()
    for name in (".DS_Store", ".hidden/a.jpg", "my photo.jpg", "b.jpg"):
        path = tmp_path / DATA_LAKE / "predicted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"by hand")
    # So that a retraining can say why it leaves a photo out.
    assert [found.key for found in store.list_objects(DATA_LAKE)] == ["predicted/b.jpg", "predicted/my photo.jpg"]
    assert store.expire(DATA_LAKE, datetime.now(UTC) + timedelta(minutes=1)) == 2
    assert list(store.list_objects(DATA_LAKE)) == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_object_that_is_replaced_while_it_is_opened_reads_as_one_of_the_two(tmp_path: Path, moment: str) -> None:
    class Replaced(FolderStore):
        @override
        def _facts(self, *what: Any) -> Stored:
            if moment == "before":
                FolderStore(tmp_path).put(DATA_LAKE, KEY, b"the second")
            facts = super()._facts(*what)
            if moment == "after":
                FolderStore(tmp_path).put(DATA_LAKE, KEY, b"the second")
            return facts

    store = Replaced(tmp_path)
    store.put(DATA_LAKE, KEY, b"the first of them")
    time.sleep(0.05)  # files tell their time in steps of the kernel's clock
    assert store.get(DATA_LAKE, KEY) in {b"the first of them", b"the second"}
    assert FolderStore(tmp_path).get(DATA_LAKE, KEY) == b"the second"


def test_a_folder_that_cannot_be_read_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, refused = FolderStore(tmp_path), tmp_path / DATA_LAKE / "erased"
    store.put(DATA_LAKE, "erased/a.json", b"[]")
    scan = os.scandir

    def refuse(path: Path) -> Any:
        if Path(path) == refused:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))  # root may read any
        return scan(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        for prefix in ("", "erased/"):
            with pytest.raises(ObjectStoreError, match=rf"list data-lake .*denied: '{refused}'"):
                list(store.list_objects(DATA_LAKE, prefix))
    store.delete(DATA_LAKE, "erased/a.json")
    refused.rmdir()
    assert list(store.list_objects(DATA_LAKE, "erased/")) == []
    refused.write_bytes(b"a file where a folder should be")
    with pytest.raises(ObjectStoreError, match="Not a directory"):
        list(store.list_objects(DATA_LAKE, "erased/"))


def test_a_file_of_which_nothing_is_told_is_said_and_one_that_went_is_not(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.prepare()
    (tmp_path / DATA_LAKE / "gone.jpg").symlink_to("nowhere")
    assert list(store.list_objects(DATA_LAKE)) == []
    (tmp_path / DATA_LAKE / "loop.jpg").symlink_to("loop.jpg")
    with pytest.raises(ObjectStoreError, match=r"list data-lake .*loop\.jpg"):
        list(store.list_objects(DATA_LAKE))


def test_a_server_that_is_gone_or_refuses_us_is_named(minio: S3Server, make_settings: Callable[..., Settings]) -> None:
    gone = create_store(make_settings(objects={"url": "http://127.0.0.1:9", "access_key": "a", "secret_key": "b" * 9}))
    with pytest.raises(ObjectStoreError, match=r"127\.0\.0\.1:9"):
        gone.put(DATA_LAKE, KEY, b"")
    stranger = create_store(make_settings(objects=minio.settings(access_key="stranger")))
    with pytest.raises(ObjectStoreError, match="InvalidAccessKeyId"):
        stranger.get(DATA_LAKE, KEY)
    with pytest.raises(ObjectStoreError, match="AccessDenied"):
        stranger.prepare()


@contextmanager
def stumbling(server: S3Server) -> Iterator[tuple[str, list[str]]]:
    """A way to a server that is closed twice to each method; and the methods that were tried."""
    tried: list[str] = []

    class Gateway(Handler):
        def do_GET(self) -> None:
            body = self.read_body()
            tried.append(self.command)
            if tried.count(self.command) <= 2:
                self.answer(503, b"")
                return
            # All headers go on as they came: the name of the host is signed, too.
            passed = httpx.request(self.command, server.url + self.path, content=body, headers=dict(self.headers))
            self.answer(passed.status_code, passed.content, passed.headers)

        do_PUT = do_GET  # noqa: N815 -- a name of http.server

    with listening(Gateway) as url:
        yield url, tried


def test_a_server_that_is_busy_for_a_moment_is_asked_again(
    minio: S3Server, make_settings: Callable[..., Settings]
) -> None:
    create_store(make_settings(objects=minio.settings(bucket_prefix="busy-"))).prepare()
    with stumbling(minio) as (url, tried):
        store = create_store(make_settings(objects=minio.settings(bucket_prefix="busy-", url=url)))
        store.put(DATA_LAKE, KEY, b"a photo")
        assert store.get(DATA_LAKE, KEY) == b"a photo"
    assert tried == ["PUT"] * 3 + ["GET"] * 3


def test_a_server_without_keys_is_a_setting_that_is_missing(make_settings: Callable[..., Settings]) -> None:
    with pytest.raises(SettingsError, match="DANDELION_OBJECTS__ACCESS_KEY"):
        create_store(make_settings(objects={"url": "http://127.0.0.1:9"}))
