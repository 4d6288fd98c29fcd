"""Batch prediction: one row a photo, errors as rows, resumable, the same on threads and on Dask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dandelion.batch.batch import BatchDone, predict_batch
from dandelion.batch.predict import predict_shard
from dandelion.errors import BatchError, ObjectStoreError
from dandelion.objects import DATA_LAKE, PROCESSED, ObjectStore, create_store
from dandelion.settings import Settings, load_settings
from tests.photos import REAL, photos_folder
from tests.servers.prefect import FlowsProcess, PrefectServer
from tests.servers.s3 import S3Server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Real photos, one that is none, one with a name that no URL takes, and a file that is no photo's."""
    folder = tmp_path / "photos"
    for path in sorted(photos_folder().glob("*/*.jpg"))[::2]:
        place = folder / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path)
    (folder / "broken.jpg").write_bytes(b"no photo")
    (folder / "mine, 100 %.jpg").write_bytes(next(photos_folder().glob("*/*.jpg")).read_bytes())
    (folder / "notes.txt").write_text("not a photo")
    return folder


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment of its own, for this process and others."""
    # Some shards: there are fewer drawn photos than real ones.
    size = "64" if REAL.is_dir() else "12"
    found = {"DANDELION_HOME": str(tmp_path / "home"), "DANDELION_PREFECT__SHARD_PHOTOS": size}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def run(settings: Settings, source: str, out: Path | str) -> BatchDone:
    def one_by_one(shards: Any, on_done: Any) -> Any:
        parts = [predict_shard(shard) for shard in shards]
        for part in parts:
            on_done(part)
        return parts

    return predict_batch(settings, create_store(settings), source, str(out), "", one_by_one, lambda *_: None)


def rows_of(file: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(file).to_pylist())


def test_every_photo_has_exactly_one_row_and_a_bad_one_has_its_error(
    env: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    done = run(load_settings(), str(folder), tmp_path / "out.parquet")
    rows = rows_of(tmp_path / "out.parquet")
    photos = [str(path) for path in folder.rglob("*.jpg")]
    assert sorted(row["photo"] for row in rows) == sorted(photos)
    assert done.photos == len(photos)
    (bad,) = [row for row in rows if row["error"]]
    assert bad["photo"].endswith("broken.jpg")
    assert bad["label"] is None
    right = [row["label"] == Path(row["photo"]).parent.name for row in rows if "/photos/" in row["photo"]]
    if REAL.is_dir():  # the starter need not know drawn ones
        assert sum(right) > 0.9 * len(right) - 3
    good = next(row for row in rows if not row["error"])
    assert abs(sum(dict(good["probabilities"]).values()) - 1) < 1e-3


def test_a_run_that_failed_goes_on_and_answers_nothing_twice(env: dict[str, str], folder: Path, tmp_path: Path) -> None:
    settings, asked = load_settings(), []

    def fails_at_the_third(shards: Any, on_done: Any) -> Any:
        for number, shard in enumerate(shards):
            if number == 2:
                raise ObjectStoreError("The store is down.")
            asked.append(predict_shard(shard))
        return asked

    out = tmp_path / "out.parquet"
    with pytest.raises(ObjectStoreError):
        predict_batch(settings, create_store(settings), str(folder), str(out), "", fails_at_the_third, lambda *_: None)
    assert not out.exists()
    done = run(settings, str(folder), out)
    assert done.resumed == sum(part.photos for part in asked) > 0
    assert len(rows_of(out)) == done.photos
    assert not list(create_store(settings).list_objects(PROCESSED, "batches/"))


def test_photos_of_a_bucket_are_answered_into_a_bucket(
    env: dict[str, str], minio: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: Mapping[str, str] = {
        "URL": minio.url,
        "BUCKET_PREFIX": "batch-",
        **{k.upper(): v for k, v in minio.keys.items()},
    }
    for name, value in given.items():
        monkeypatch.setenv(f"DANDELION_OBJECTS__{name}", value)
    settings = load_settings()
    store: ObjectStore = create_store(settings)
    store.prepare()
    photo = next(photos_folder().glob("*/*.jpg"))
    store.put(DATA_LAKE, "some/a.jpg", photo.read_bytes())
    client = minio.client()
    client.put_object("batch-data-lake", "some/with space.jpg", photo.open("rb"), photo.stat().st_size)
    done = run(settings, "s3://data-lake/some/", "s3://data-lake/answers/out.parquet")
    assert (done.photos, done.errors) == (2, 0)
    store.get_file(DATA_LAKE, "answers/out.parquet", tmp_path / "out.parquet")
    assert [row["photo"] for row in rows_of(tmp_path / "out.parquet")] == [
        "s3://data-lake/some/a.jpg",
        "s3://data-lake/some/with space.jpg",
    ]


def test_what_cannot_be_read_or_written_is_said_before_anything_is_done(env: dict[str, str], tmp_path: Path) -> None:
    settings = load_settings()
    with pytest.raises(BatchError, match="no folder"):
        run(settings, str(tmp_path / "nowhere"), tmp_path / "out.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BatchError, match="holds no photo"):
        run(settings, str(tmp_path / "empty"), tmp_path / "out.parquet")
    with pytest.raises(BatchError, match="no folder"):
        run(settings, str(photos_folder()), tmp_path / "nowhere" / "out.parquet")


def test_the_command_answers_here(env: dict[str, str], folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    argv = [sys.executable, "-m", "dandelion", "predict-batch", str(folder), "--out", str(out), "--json"]
    done = subprocess.run(argv, env={**os.environ, **env}, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["photos"] == len(rows_of(out))


@pytest.mark.parametrize("runner", ["threads", "dask"])
def test_a_flow_answers_on_threads_and_on_dask(
    runner: str,
    env: dict[str, str],
    folder: Path,
    tmp_path: Path,
    prefect: PrefectServer,
) -> None:
    env |= {"DANDELION_PREFECT__RUNNER": runner, "DANDELION_PREFECT__URL": prefect.url, "OMP_NUM_THREADS": "1"}
    flows = FlowsProcess(prefect, tmp_path / "flows.log", env)
    flows.start()
    try:
        out = tmp_path / "out.parquet"
        argv = [sys.executable, "-m", "dandelion", "predict-batch", str(folder), "--out", str(out), "--flow"]
        done = subprocess.run(argv, env={**os.environ, **env}, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired as waited:
        pytest.fail(f"no end: {waited.stdout!r}\n{(tmp_path / 'flows.log').read_text()[-3000:]}")
    finally:
        flows.end()
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "flows.log").read_text()[-3000:]
    rows = rows_of(out)
    assert f"{len(rows)} rows in {out}; 1 photos could not be classified." in done.stdout
    assert len({row["photo"] for row in rows}) == len(rows) == len(list(folder.rglob("*.jpg")))
