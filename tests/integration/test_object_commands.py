"""`dandelion objects` and `dandelion check` against real servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pymysql
import pytest
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import S3Error
from sqlalchemy import make_url

from dandelion.objects import BACKUPS, DATA_LAKE, ObjectStore, create_store
from dandelion.settings import Settings
from tests.integration.conftest import Api, Command, Environ
from tests.servers.mysql import MySqlServer
from tests.servers.ports import free_ports
from tests.servers.s3 import S3Server


def account(folder: Path, name: str, secret: str, bucket: str) -> None:
    """One account as the chart mounts it: its keys and what they open."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "access-key").write_text(f"{name}-key\n")
    (folder / name / "secret-key").write_text(secret)
    actions = ["s3:GetBucketLocation", "s3:ListBucket", "s3:GetObject", "s3:PutObject"]
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    (folder / name / "policy.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def test_accounts_open_what_their_policy_names_and_take_a_new_secret(
    minio: S3Server, dandelion: Command, environ: Environ, tmp_path: Path
) -> None:
    environ("objects", minio.settings(bucket_prefix="accounts-"))
    assert dandelion("objects", "prepare")[0] == 0
    folder = tmp_path / "accounts"
    account(folder, "camera", "the first secret", "accounts-data-lake")
    account(folder, "clerk", "another secret", "accounts-backups")
    status, output, errors = dandelion("objects", "accounts", str(folder))
    assert (status, "2 of them new" in output) == (0, True), errors

    account(folder, "camera", "the second secret", "accounts-data-lake")
    status, output, _ = dandelion("objects", "accounts", str(folder))
    assert (status, "0 of them new" in output) == (0, True)

    def signed_in(secret: str) -> Minio:
        return Minio(
            endpoint=minio.url.removeprefix("http://"), access_key="camera-key", secret_key=secret, secure=False
        )

    camera = signed_in("the second secret")
    assert list(camera.list_objects("accounts-data-lake")) == []
    with pytest.raises(S3Error, match="Access Denied"):
        list(camera.list_objects("accounts-backups"))
    with pytest.raises(S3Error, match="signature"):
        list(signed_in("the first secret").list_objects("accounts-data-lake"))


def test_accounts_work_under_another_administrator_and_lose_their_former_keys(
    minio: S3Server, dandelion: Command, environ: Environ, tmp_path: Path
) -> None:
    """MinIO refuses all requests of accounts whose administrator has gone: here, one is disabled."""
    environ("objects", minio.settings(bucket_prefix="accounts-"))
    assert dandelion("objects", "prepare")[0] == 0
    address = minio.url.removeprefix("http://")
    root = MinioAdmin(endpoint=address, credentials=StaticProvider(*minio.keys.values()), secure=False)
    root.user_add("former-root", "a former secret")
    root.policy_set("consoleAdmin", user="former-root")
    folder = tmp_path / "accounts"
    words = "the driver's secret"
    account(folder, "driver", words, "accounts-data-lake")
    environ("objects", {"access_key": "former-root", "secret_key": "a former secret"})
    assert dandelion("objects", "accounts", str(folder))[0] == 0
    root.user_disable("former-root")
    environ("objects", minio.keys)
    assert dandelion("objects", "accounts", str(folder))[0] == 0

    def list_all(key: str) -> list[object]:
        client = Minio(endpoint=address, access_key=key, secret_key=words, secure=False)
        return list(client.list_objects("accounts-data-lake"))

    assert list_all("driver-key") == []
    root.add_service_account(access_key="somebody-else", secret_key=words, name="driver")
    (folder / "driver" / "access-key").write_text("driver-new-key")
    assert dandelion("objects", "accounts", str(folder))[0] == 0
    assert list_all("driver-new-key") == []
    with pytest.raises(S3Error, match="does not exist"):
        list_all("driver-key")
    root.delete_service_account("somebody-else")  # which is nobody's business of ours


def test_an_account_that_lacks_a_file_is_named(dandelion: Command, environ: Environ, tmp_path: Path) -> None:
    account(tmp_path / "accounts", "camera", "secret", "data-lake")
    (tmp_path / "accounts/camera/secret-key").unlink()
    status, _, errors = dandelion("objects", "accounts", str(tmp_path / "accounts"))
    assert (status, "camera" in errors, "secret-key" in errors) == (2, True, True)


def test_a_server_that_is_no_minio_gets_no_accounts(
    versitygw: S3Server, dandelion: Command, environ: Environ, tmp_path: Path
) -> None:
    environ("objects", versitygw.settings())
    account(tmp_path / "accounts", "camera", "the first secret", "data-lake")
    status, _, errors = dandelion("objects", "accounts", str(tmp_path / "accounts"))
    assert (status, "MinIO" in errors) == (2, True)


def test_files_go_into_a_bucket_and_the_newest_comes_back(dandelion: Command, tmp_path: Path) -> None:
    file, back = tmp_path / "dump", tmp_path / "back"
    file.write_text("old")
    assert dandelion("objects", "put", "backups", str(file), "mysql/2020-01-01.gz", "--note", "backup")[0] == 0
    file.write_text("new")
    status, output, _ = dandelion("objects", "put", "backups", str(file), "mysql/{time}.gz")
    assert (status, "{time}" in output) == (0, False)
    assert dandelion("objects", "get", "backups", "mysql/", str(back))[0] == 0
    assert back.read_text() == "new"
    listed = json.loads(dandelion("objects", "list", "backups", "--prefix", "mysql/", "--json")[1])
    assert [each["size_bytes"] for each in listed] == [3, 3]
    status, _, errors = dandelion("objects", "put", "attic", str(file), "x")
    assert (status, "attic" in errors) == (2, True)
    status, _, errors = dandelion("objects", "put", "backups", str(tmp_path / "missing"), "x")
    assert (status, "is not a file" in " ".join(errors.split())) == (2, True)


@pytest.fixture
def two_places(
    minio: S3Server, versitygw: S3Server, environ: Environ, make_settings: Callable[..., Settings]
) -> Callable[[str], tuple[ObjectStore, ObjectStore]]:
    """What a command mirrors from and to, in buckets whose names begin with a prefix."""

    def make(prefix: str) -> tuple[ObjectStore, ObjectStore]:
        here, there = minio.settings(bucket_prefix=prefix), versitygw.settings(bucket_prefix=f"copy-{prefix}")
        source, target = create_store(make_settings(objects=here)), create_store(make_settings(objects=there))
        source.prepare()
        environ("objects", here)
        environ("mirror", there)
        return source, target

    return make


def test_a_mirror_copies_what_is_missing_and_removes_nothing(
    dandelion: Command, two_places: Callable[[str], tuple[ObjectStore, ObjectStore]]
) -> None:
    source, target = two_places("mirrored-")
    for name in ("a", "b"):
        source.put(DATA_LAKE, name, name.encode(), content_type="image/jpeg")
    status, output, errors = dandelion("objects", "mirror", DATA_LAKE)
    assert (status, "Copied 2 objects" in output) == (0, True), errors
    source.delete(DATA_LAKE, "a")
    source.put(DATA_LAKE, "b", b"B")
    source.put(DATA_LAKE, "c", b"c")
    _, output, _ = dandelion("objects", "mirror", DATA_LAKE)
    assert "Copied 2 objects" in output
    assert [target.get(DATA_LAKE, name) for name in ("a", "b", "c")] == [b"a", b"B", b"c"]
    assert target.stat(DATA_LAKE, "a").content_type == "image/jpeg"
    _, output, _ = dandelion("objects", "mirror", DATA_LAKE)
    assert "Copied 0 objects" in output


def test_a_mirror_names_what_is_damaged_copies_the_rest_and_fails(
    minio: S3Server, dandelion: Command, two_places: Callable[[str], tuple[ObjectStore, ObjectStore]]
) -> None:
    source, target = two_places("damaged-")
    for name in ("a", "c"):
        source.put(DATA_LAKE, name, name.encode())
    minio.client().put_object(
        bucket_name="damaged-data-lake", object_name="b", data=BytesIO(b"?"), length=1, metadata={"sha256": "0" * 64}
    )
    status, output, errors = dandelion("objects", "mirror", DATA_LAKE)
    assert (status, "Copied 2 objects" in output) == (2, True), errors
    assert "All objects were copied except data-lake/b." in " ".join(errors.split())
    assert [found.key for found in target.list_objects(DATA_LAKE)] == ["a", "c"]


def test_a_mirror_without_a_target_says_what_to_set(dandelion: Command) -> None:
    status, _, errors = dandelion("objects", "mirror")
    assert (status, "DANDELION_MIRROR__URL" in errors) == (2, True)


def test_binary_logs_are_closed_and_copied_once(
    mysql: MySqlServer, dandelion: Command, environ: Environ, tmp_path: Path
) -> None:
    environ("database", {"url": mysql.url()})
    url = make_url(mysql.url())
    with pymysql.connect(host=url.host, port=url.port or 3306, user=url.username, password=url.password or "") as link:
        cursor = link.cursor()
        cursor.execute("SELECT @@datadir")
        folder = Path(cursor.fetchone()[0])
        cursor.execute("CREATE TABLE mlops_db.marks (what TEXT)")
        cursor.execute("INSERT INTO mlops_db.marks VALUES ('a mark in the log')")
        cursor.execute("COMMIT")
        cursor.execute("DROP TABLE mlops_db.marks")
    if not folder.is_dir():
        pytest.skip("the MySQL server that the environment names is on another machine")
    assert dandelion("objects", "ship-binlogs", str(folder))[0] == 0
    store = create_store(Settings.model_validate({"home": tmp_path}))
    kept = [store.get(BACKUPS, found.key) for found in store.list_objects(BACKUPS, "mysql/binlog/")]
    assert any(b"a mark in the log" in each for each in kept)
    status, output, _ = dandelion("objects", "ship-binlogs", str(folder))
    assert (status, "Copied 0 binary logs" in output) == (0, True)


def test_check_asks_every_part(api: Api, dandelion: Command) -> None:
    assert dandelion("db", "upgrade")[0] == 0
    words = ("check", "--api", api.url, "--page", f"Page={api.url}/docs", "--no-registry", "--json")
    status, output, errors = dandelion(*words)
    assert status == 0, output + errors
    assert [(each["part"], each["works"]) for each in json.loads(output)] == [
        *(("API", True), ("Database", True), ("Objects", True), ("Page", True))
    ]


def test_check_fails_for_a_part_that_does_not_answer(dandelion: Command) -> None:
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    status, output, _ = dandelion("check", "--api", nobody, "--page", f"Prefect={nobody}", "--no-registry", "--json")
    answers = {each["part"]: each["works"] for each in json.loads(output)}
    assert (status, answers) == (1, {"API": False, "Database": False, "Objects": True, "Prefect": False})
