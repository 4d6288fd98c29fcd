"""The chart's accounts on a real MinIO: what each may do there, and may not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dandelion.backup.backup import list_backups, list_dumps
from dandelion.backup.record import begin_restore, end_restore
from dandelion.errors import ObjectStoreError
from dandelion.objects import BACKUPS, DATA_LAKE, PROCESSED, ObjectStore, create_store
from dandelion.objects.accounts import Account, ensure_accounts
from dandelion.privacy.erasures import MONITORING_REPORT, delete_report, erased_ids, note_erasure, photo_places, purge
from dandelion.settings import S3Settings, Settings
from tests.chart.chart import Manifest, of_kind
from tests.chart.matrix import MATRIX, Case
from tests.servers.s3 import S3Server

ID = "01a2b3c4-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def whole(minio: S3Server) -> ObjectStore:
    """The store as its administrator sees it."""
    store = create_store(Settings(objects=minio.settings()))
    store.prepare()
    return store


@pytest.fixture(scope="module")
def signed_in(
    minio: S3Server, whole: ObjectStore, rendered: Callable[[Case], list[Manifest]]
) -> Callable[[str], ObjectStore]:
    """The store as an account of the chart sees it."""
    (policies,) = (each["data"] for each in of_kind(rendered(MATRIX[0]), "ConfigMap") if "api.json" in each["data"])

    def sign_in(name: str) -> ObjectStore:
        account = Account(name, f"chart-{name}", "a secret of the chart", json.loads(policies[f"{name}.json"]))
        ensure_accounts(S3Settings.model_validate(minio.settings()), [account])
        keys = {"access_key": account.access_key, "secret_key": account.secret_key}
        return create_store(Settings(objects=minio.settings(**keys)))

    return sign_in


def test_a_pod_of_the_api_may_erase_a_photo_and_what_was_frozen_of_it(
    whole: ObjectStore, signed_in: Callable[[str], ObjectStore]
) -> None:
    api, places = signed_in("api"), photo_places(ID)
    for bucket, key in places:
        whole.put(bucket, key, b"once")
        whole.put(bucket, key, b"twice")
    note_erasure(api, [ID])
    for bucket, key in places:
        api.delete(bucket, key)
        assert not list(whole.list_objects(bucket, key))
    assert erased_ids(whole) == {ID}


def test_a_pod_of_the_api_may_delete_the_page_that_pictures_a_photo_and_write_none(
    whole: ObjectStore, signed_in: Callable[[str], ObjectStore]
) -> None:
    api = signed_in("api")
    for page in (ID, "earlier", "now"):
        whole.put(PROCESSED, MONITORING_REPORT, page.encode())
    purge(api, [ID])
    assert whole.get(PROCESSED, MONITORING_REPORT) == b"now"
    with pytest.raises(ObjectStoreError, match="Access Denied"):
        api.put(PROCESSED, MONITORING_REPORT, b"planted")
    delete_report(api)
    assert not list(whole.list_objects(PROCESSED, MONITORING_REPORT))


def test_a_pod_of_the_api_neither_adds_to_nor_removes_from_datasets(
    whole: ObjectStore, signed_in: Callable[[str], ObjectStore]
) -> None:
    api = signed_in("api")
    for key in ("datasets/1/manifest.json", "photos/uploads/grass/a.jpg"):
        whole.put(PROCESSED, key, b"kept")
        with pytest.raises(ObjectStoreError, match="Access Denied"):
            api.delete(PROCESSED, key)
        assert whole.get(PROCESSED, key) == api.get(PROCESSED, key) == b"kept"
    with pytest.raises(ObjectStoreError, match="Access Denied"):
        api.put(PROCESSED, photo_places(ID)[1][1], b"planted")


def test_a_backup_reads_photos_and_removes_none(whole: ObjectStore, signed_in: Callable[[str], ObjectStore]) -> None:
    backup = signed_in("backup")
    whole.put(DATA_LAKE, "uploads/grass/a.jpg", b"kept")
    assert backup.get(DATA_LAKE, "uploads/grass/a.jpg") == b"kept"
    with pytest.raises(ObjectStoreError, match="Access Denied"):
        backup.delete(DATA_LAKE, "uploads/grass/a.jpg")
    with pytest.raises(ObjectStoreError, match="Access Denied"):
        backup.put(DATA_LAKE, "uploads/grass/b.jpg", b"planted")


def test_a_restore_writes_down_that_it_has_run_and_a_pod_of_the_api_lists_dumps(
    whole: ObjectStore, signed_in: Callable[[str], ObjectStore], tmp_path: Path
) -> None:
    dump = "mysql/2026-11-29T041500Z.sql.gz"
    whole.put(BACKUPS, dump, gzip.compress(b"-- Dump completed on 2026-11-29"))
    backup, api = signed_in("backup"), signed_in("api")
    assert [each.key for each in list_dumps(api)] == [dump]
    assert list_backups(api) == []
    with pytest.raises(ObjectStoreError, match="Access Denied"):
        api.get(BACKUPS, dump)
    assert begin_restore(backup, "a", dump, "mlops_db and mlflow", tmp_path / "dump.sql.gz") is None
    assert end_restore(backup, "a").ended_at
