"""Photos from an answer to the data lake and out of it again, on each kind of database and store."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from sqlalchemy import select
from uuid_utils import uuid7

from dandelion.db import create_engine, transact
from dandelion.db.tables import audit_log, predictions
from dandelion.errors import SettingsError
from dandelion.journal import Photos
from dandelion.objects import DATA_LAKE, create_store
from dandelion.privacy import ClientHasher
from dandelion.settings import Settings
from tests.integration.conftest import Api, running_api
from tests.photos import jpeg
from tests.servers.mysql import MySqlServer
from tests.servers.s3 import S3Server
from tests.servers.toxiproxy import Toxiproxy
from tests.waiting import wait_until

JPEG = {"Content-Type": "image/jpeg"}
ALL: dict[str, object] = {"photos": "all", "ship_seconds": 0.1}


def with_secret() -> bytes:
    """A photo that says who took it."""
    exif = Image.Exif()
    exif[0x013B] = "Ada Lovelace"
    stream = io.BytesIO()
    Image.open(io.BytesIO(jpeg())).save(stream, "JPEG", exif=exif)
    assert b"Ada" in stream.getvalue()
    return stream.getvalue()


def predict(api: Api, photo: bytes | None = None) -> str:
    answer = httpx.post(f"{api.url}/predict", content=photo or jpeg(), headers=JPEG).raise_for_status()
    return str(answer.json()["prediction_id"])


def photo_of(api: Api, identity: str) -> httpx.Response:
    """The photo, once it has arrived."""

    def ask() -> httpx.Response:
        return httpx.get(f"{api.url}/predictions/{identity}/photo")

    wait_until(lambda: ask().status_code != 404, lambda: ask().text, every=0.1)
    return ask()


def rows(settings: Settings, *columns: Any) -> list[tuple[Any, ...]]:
    async def look() -> list[tuple[Any, ...]]:
        engine = create_engine(settings)
        try:
            return [
                tuple(row)
                for row in await transact(engine, lambda on: on.execute(select(*columns)), patience_seconds=5)
            ]
        finally:
            await engine.dispose()

    return asyncio.run(look())


def erase(settings: Settings, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DANDELION_HOME": str(settings.home), **env}
    argv = [sys.executable, "-m", "dandelion", "privacy", "erase", *words]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_photo_is_kept_without_what_it_told_and_erased_with_its_client(
    make_settings: Callable[..., Settings],
) -> None:
    settings = make_settings(journal=ALL)
    with running_api(settings) as api:
        first, second = predict(api, with_secret()), predict(api)
        kept = photo_of(api, first)
        photo_of(api, second)
        assert kept.headers["content-type"] == "image/jpeg"
        assert b"Ada" not in kept.content
        told = httpx.get(f"{api.url}/predictions/{first}").json()
        assert told["photo_key"].endswith(f"/{first}.jpg")
        done = erase(settings, "--prediction", first, "--json")
        assert json.loads(done.stdout) == {"predictions": 1, "photos": 1}, done.stderr
        gone = httpx.get(f"{api.url}/predictions/{first}/photo")
        assert (gone.status_code, gone.json()["reason"]) == (404, "object_not_found")
        assert httpx.get(f"{api.url}/predictions/{first}").json()["photo_key"] is None
        assert httpx.get(f"{api.url}/predictions/{second}/photo").status_code == 200
    clients = dict(rows(settings, predictions.c.id, predictions.c.client))
    assert clients == {first: None, second: ClientHasher(settings).hash("127.0.0.1")}
    audited = rows(settings, audit_log.c.action, audit_log.c.subject, audit_log.c.detail)
    assert audited == [("erase", first, {"predictions": 1, "photos": 1})]


def test_all_photos_of_a_client_go_from_mysql_and_minio_with_every_version(
    mysql: MySqlServer, minio: S3Server, make_settings: Callable[..., Settings]
) -> None:
    mysql.create("erasure")
    store = minio.settings(bucket_prefix="erasure-")
    settings = make_settings(journal=ALL, database={"url": mysql.url("erasure")}, objects=store)
    env = {
        "DANDELION_DATABASE__URL": mysql.url("erasure"),
        **{f"DANDELION_OBJECTS__{name.upper()}": str(value) for name, value in store.items()},
    }
    with running_api(settings) as api:
        ids = [predict(api) for _ in range(5)]
        for identity in ids:
            photo_of(api, identity)
        assert erase(settings, "--client", "203.0.113.9", **env).stdout.startswith("Erased 0 photos; 0 predictions")
        done = erase(settings, "--client", "127.0.0.1", "--json", **env)
        assert json.loads(done.stdout) == {"predictions": 5, "photos": 5}, done.stderr
        assert erase(settings, "--client", "127.0.0.1", **env).stdout.startswith("Erased 0 photos; 0 predictions")
    left = minio.client().list_objects(
        bucket_name="erasure-data-lake", prefix="predicted/", recursive=True, include_version=True
    )
    assert [found.object_name for found in left] == []
    assert {row[0] for row in rows(settings, predictions.c.client)} == {None}


def test_a_photo_erased_while_it_waits_never_arrives(minio: S3Server, make_settings: Callable[..., Settings]) -> None:
    down = {"url": "http://127.0.0.1:9", "access_key": "a", "secret_key": "b" * 9, "timeout_seconds": 0.5}
    settings = make_settings(journal=ALL, objects=down)
    with running_api(settings) as api:
        identity = predict(api)
        httpx.get(f"{api.url}/predictions/{identity}").raise_for_status()
        (waiting,) = settings.photo_spool.iterdir()
        held = waiting.read_bytes()
    assert erase(settings, "--prediction", identity).returncode == 0
    assert not waiting.exists()
    waiting.write_bytes(held)  # as if it had been on another machine
    back = settings.model_copy(update={"objects": make_settings(objects=minio.settings(bucket_prefix="late-")).objects})
    with running_api(back) as api:
        wait_until(lambda: not waiting.exists(), "the erased photo waits no more")
    store = create_store(back)
    store.prepare()
    assert list(store.list_objects(DATA_LAKE)) == []


def test_photos_wait_while_the_store_is_down_and_survive_a_restart(
    minio: S3Server, make_settings: Callable[..., Settings]
) -> None:
    there = make_settings(journal=ALL, objects=minio.settings(bucket_prefix="restart-"))
    down = {"url": "http://127.0.0.1:9", "access_key": "a", "secret_key": "b" * 9, "timeout_seconds": 0.5}
    with running_api(there.model_copy(update={"objects": make_settings(objects=down).objects})) as api:
        ids = [predict(api) for _ in range(3)]
        assert httpx.get(f"{api.url}/predictions/{ids[0]}/photo").status_code == 404
    with running_api(there.model_copy(update={"api": make_settings().api})) as api:
        for identity in ids:
            assert photo_of(api, identity).content
    assert list(there.photo_spool.iterdir()) == []


def test_a_photo_in_a_store_that_is_away_is_said_to_be_there_later(
    minio: S3Server, toxiproxy: Toxiproxy, make_settings: Callable[..., Settings]
) -> None:
    proxy = toxiproxy.before("photos", minio.port)
    store = minio.settings(bucket_prefix="away-", url=f"http://127.0.0.1:{proxy.port}", timeout_seconds=0.5)
    with running_api(make_settings(journal=ALL, objects=store)) as api:
        identity = predict(api)
        there = photo_of(api, identity).content
        proxy.cut()
        away = httpx.get(f"{api.url}/predictions/{identity}/photo", timeout=30)
        assert (away.status_code, away.json()["reason"]) == (503, "object_store")
        assert int(away.headers["Retry-After"]) >= 1
        proxy.heal()
        assert photo_of(api, identity).content == there


def test_those_who_wait_for_a_photo_hold_up_no_row(
    minio: S3Server, toxiproxy: Toxiproxy, make_settings: Callable[..., Settings]
) -> None:
    """More of them than there are threads, before a store that takes connections and never answers."""
    proxy = toxiproxy.before("slow-photos", minio.port)
    store = minio.settings(bucket_prefix="held-", url=f"http://127.0.0.1:{proxy.port}", timeout_seconds=2.0)
    with running_api(make_settings(journal=ALL, objects=store)) as api:
        identity = predict(api)
        assert photo_of(api, identity).is_success
        proxy.hold()
        with ThreadPoolExecutor(40) as waiting:
            asked = [
                waiting.submit(httpx.get, f"{api.url}/predictions/{identity}/photo", timeout=60) for _ in range(40)
            ]
            time.sleep(0.5)  # nothing outside tells how many wait
            begin = time.monotonic()
            for _ in range(5):
                found = httpx.get(f"{api.url}/predictions/{predict(api)}", timeout=30)
                assert found.status_code == 200, found.text
            assert not any(each.done() for each in asked), "the store was not held long enough"
            assert httpx.get(f"{api.url}/metrics").is_success
            print(f"five answers were stored within {time.monotonic() - begin:.1f} s")
            proxy.heal()
            assert {each.result().status_code for each in asked} <= {200, 503}


@pytest.mark.parametrize(
    ("journal", "kept"),
    [
        ({"photos": "none"}, 0),
        ({"photos": "all"}, 6),
        ({"photos": "all", "max_photo_bytes": 0}, 0),
        ({"photo_rate": 1.0}, 6),
        ({"photo_rate": 0.0, "photo_below_confidence": 0.0, "photo_outliers": False}, 0),
        ({"photo_rate": 0.0, "photo_below_confidence": 1.0}, 6),
    ],
)
def test_the_settings_say_which_photos_are_kept_and_predictions_are_kept_anyway(
    journal: dict[str, object], kept: int, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(journal=journal)
    with running_api(settings) as api:
        ids = [predict(api) for _ in range(6)]
        for identity in ids:
            assert httpx.get(f"{api.url}/predictions/{identity}").status_code == 200
    shipped = {Path(found.key).stem for found in create_store(settings).list_objects(DATA_LAKE)}
    waiting = {path.stem for path in settings.photo_spool.glob("*")}
    assert shipped | waiting == set(ids[:kept])


async def test_a_photo_without_a_prediction_is_let_go_after_a_while(make_settings: Callable[..., Settings]) -> None:
    from dandelion.db import migrate

    settings = make_settings(journal=ALL)
    engine = create_engine(settings)
    settings.photo_spool.mkdir(parents=True)
    old = settings.photo_spool / "01900000-0000-7000-8000-000000000000.jpg"
    fresh = settings.photo_spool / f"{uuid7()}.jpg"
    for path in (old, fresh):
        path.write_bytes(jpeg())
    assert await Photos(settings, engine, create_store(settings), lambda: migrate.upgrade(engine)).ship() == 0
    assert list(settings.photo_spool.iterdir()) == [fresh]
    await engine.dispose()


def test_replicas_with_the_same_key_agree_about_clients(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    shared = {"client_key": "a secret that all replicas have"}
    one, other = (ClientHasher(make_settings(privacy=shared)) for _ in range(2))
    assert one.hash("203.0.113.9") == other.hash("203.0.113.9") != one.hash("203.0.113.8")
    alone = make_settings()
    assert ClientHasher(alone).hash("x") == ClientHasher(alone).hash("x") != ClientHasher(make_settings()).hash("x")
    assert (alone.home / "client.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SettingsError, match="CLIENT_KEY"):
        ClientHasher(make_settings(), create=False)


def test_erasing_what_is_not_there_or_not_said_is_an_error_that_helps(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    for words, said in [
        ([], "either --prediction or --client"),
        (["--prediction", "7"], "7"),
        (["--client", "127.0.0.1"], "CLIENT_KEY"),
    ]:
        done = erase(settings, *words)
        assert done.returncode == 2
        assert said in done.stderr
