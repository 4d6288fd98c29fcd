"""What a restore's Job runs against MySQL, on a real one."""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pymysql
import pytest

from dandelion.db.migrate import LOCK
from tests.chart.chart import Helm, nested, of_kind
from tests.servers import tools
from tests.servers.mysql import MySqlServer

DUMP = """
CREATE DATABASE /*!32312 IF NOT EXISTS*/ `mlops_db`;
USE `mlops_db`;
CREATE TABLE old (id INT);
CREATE DATABASE /*!32312 IF NOT EXISTS*/ `mlflow`;
USE `mlflow`;
CREATE TABLE old (id INT);
-- Dump completed on 2026-11-29
"""
LIVE = {"scratch": "", "confirm": "replace mlops_db and mlflow for a"}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A fetched dump, and MySQL's own client as `mysql`."""
    (tmp_path / "dump.sql.gz").write_bytes(gzip.compress(DUMP.encode()))
    root = tools.find("mysql")
    libraries = root / "usr/lib/x86_64-linux-gnu"
    loader = f"{root}/usr/lib64/ld-linux-x86-64.so.2 --library-path {libraries}:{libraries}/systemd"
    client = tmp_path / "bin" / "mysql"
    client.parent.mkdir()
    client.write_text(f'#!/bin/sh\nexec {loader} {root}/usr/bin/mysql --no-defaults "$@"\n')
    client.chmod(0o755)
    return tmp_path


def restore(helm: Helm, mysql: MySqlServer, work: Path, more: Mapping[str, str], wait: int = 3600) -> tuple[int, str]:
    """Status and errors of the container `restore`."""
    values = nested("backups.restore", {"id": "a", "dump": "mysql/x.sql.gz", **more})
    (job,) = (each for each in of_kind(helm.template(values), "Job") if "-restore-" in each["metadata"]["name"])
    (container,) = (each for each in job["spec"]["template"]["spec"]["initContainers"] if each["name"] == "restore")
    script = container["command"][-1].replace("/work/", f"{work}/").replace(", 3600)", f", {wait})")
    given = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    path = f"{work}/bin:{os.environ['PATH']}"
    env = {"PATH": path, **given, "HOST": "127.0.0.1", "MYSQL_TCP_PORT": str(mysql.port)}
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize(("more", "prefix"), [({}, "restored_"), (LIVE, "")])
def test_a_dump_replaces_its_target_as_a_whole(
    helm: Helm, mysql: MySqlServer, work: Path, more: dict[str, str], prefix: str
) -> None:
    for name in ("mlops_db", "mlflow"):
        mysql.create(f"{prefix}{name}")
    with pymysql.connect(host="127.0.0.1", port=mysql.port, user="root", autocommit=True) as connection:
        on = connection.cursor()
        on.execute(f"CREATE TABLE {prefix}mlflow.newer (id INT)")
        assert restore(helm, mysql, work, more) == (0, "")
        for name in ("mlops_db", "mlflow"):
            on.execute(f"SHOW TABLES FROM {prefix}{name}")
            assert on.fetchall() == (("old",),)
            on.execute(f"DROP DATABASE {prefix}{name}")
    mysql.create("mlops_db")


def test_without_a_dump_nothing_is_replaced(helm: Helm, mysql: MySqlServer, work: Path) -> None:
    """The step before fetches none for a restore that has run: each later upgrade may start this Job again."""
    (work / "dump.sql.gz").unlink()
    mysql.create("mlflow")
    with pymysql.connect(host="127.0.0.1", port=mysql.port, user="root", autocommit=True) as connection:
        on = connection.cursor()
        on.execute("CREATE TABLE mlflow.newer (id INT)")
        assert restore(helm, mysql, work, LIVE) == (0, "")
        on.execute("SELECT COUNT(*) FROM mlflow.newer")
        on.execute("DROP DATABASE mlflow")


def test_nothing_is_replaced_while_a_migration_or_another_restore_works(
    helm: Helm, mysql: MySqlServer, work: Path
) -> None:
    mysql.create("mlflow")
    with pymysql.connect(host="127.0.0.1", port=mysql.port, user="root", autocommit=True) as connection:
        on = connection.cursor()
        on.execute("CREATE TABLE mlflow.newer (id INT)")
        on.execute("SELECT GET_LOCK(%s, 0)", [LOCK])
        status, errors = restore(helm, mysql, work, LIVE, wait=1)
        assert (status, "Another process has changed these databases" in errors) == (1, True), errors
        on.execute("SELECT COUNT(*) FROM mlflow.newer")
        on.execute("SELECT RELEASE_LOCK(%s)", [LOCK])
        on.execute("DROP DATABASE mlflow")
