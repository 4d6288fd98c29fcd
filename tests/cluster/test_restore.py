"""A drill on a real node: a restore beside the live databases, one over them, and upgrades that repeat neither."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cluster.release import Release
from tests.photos import labelled_photos
from tests.waiting import wait_until

LIVE = {"scratch": "", "confirm": "replace mlops_db and mlflow for drill"}


@pytest.fixture
def drilled(release: Release) -> Iterator[Release]:
    """The release, which is left without a restore."""
    yield release
    release.upgrade()
    release.kubectl("delete", "job", "-l", "app.kubernetes.io/component=backup")
    sql(release, "DROP DATABASE restored_mlops_db; DROP DATABASE restored_mlflow")


def test_a_restore_runs_once_whatever_upgrades_follow(drilled: Release) -> None:
    before = predict(drilled)
    dump = back_up(drilled)
    lost = predict(drilled)

    drilled.upgrade(**restoring("rehearsal", dump))
    assert "restored restored_mlops_db" in said(drilled, "restore")
    assert stored(drilled, before, "restored_mlops_db")
    assert not stored(drilled, lost, "restored_mlops_db")
    assert stored(drilled, lost)

    drilled.upgrade(**restoring("drill", dump, **LIVE))
    assert "restored mlops_db" in said(drilled, "restore")
    assert stored(drilled, before)
    assert not stored(drilled, lost)

    kept = predict(drilled)
    ended = said(drilled, "end")
    drilled.upgrade_reusing()
    assert said(drilled, "end") == ended
    drilled.upgrade(**restoring("drill", dump, **LIVE), global__logLevel="debug")  # another Job
    assert "does not run again" in said(drilled, "begin")
    drilled.kubectl("delete", "job", *jobs(drilled))
    drilled.upgrade(**restoring("drill", dump, **LIVE))
    assert "does not run again" in said(drilled, "begin")
    assert "nothing to restore" in said(drilled, "restore")
    assert said(drilled, "end") == ended
    assert stored(drilled, before)
    assert stored(drilled, kept)


def restoring(name: str, dump: str, **more: str) -> dict[str, str]:
    return {f"backups.restore.{key}": value for key, value in {"id": name, "dump": dump, **more}.items()}


def back_up(release: Release) -> str:
    """The name of a fresh dump, as people find it."""
    release.kubectl("create", "job", "backup-now", "--from=cronjob/dandelion-backup-data")
    release.wait_for_job("backup-now")
    found = json.loads(release.in_api("dandelion", "backup", "list", "--json"))
    return str(found[0]["name"])


def predict(release: Release) -> str:
    """The id of a prediction that is in the database."""
    ((_, photo), *_) = labelled_photos(1)
    found = str(release.ask("POST", "/predict", body=photo).json()["prediction_id"])
    wait_until(lambda: stored(release, found), "a row in MySQL", seconds=60, every=0.5)
    return found


def stored(release: Release, prediction: str, database: str = "mlops_db") -> bool:
    number = prediction.replace("-", "").upper()
    query = f"SELECT COUNT(*) FROM {database}.predictions WHERE HEX(id) = '{number}'"  # noqa: S608 -- names of ours
    return sql(release, query) == "1"


def sql(release: Release, query: str) -> str:
    words = f'MYSQL_PWD=$MYSQL_ROOT_PASSWORD mysql --user=root --skip-column-names --execute "{query}"'
    return release.kubectl("exec", "dandelion-mysql-0", "-c", "mysql", "--", "sh", "-c", words).strip()


def jobs(release: Release) -> list[str]:
    """Jobs of restores, the newest first."""
    found = [
        each["metadata"] for each in release.kubectl.get("jobs")["items"] if "-restore-" in each["metadata"]["name"]
    ]
    return [each["name"] for each in sorted(found, key=lambda each: str(each["creationTimestamp"]), reverse=True)]


def said(release: Release, container: str) -> str:
    """What a container of the newest restore said, when it has ended."""
    name = jobs(release)[0]
    release.wait_for_job(name)
    return release.kubectl("logs", f"job/{name}", "-c", container)
