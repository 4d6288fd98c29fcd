"""Jobs and SIGTERM: Kubernetes deletes a Job while it works, or while it waits."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pymysql
from pymysql.cursors import Cursor

from tests.servers.mysql import MySqlServer
from tests.waiting import wait_until


@contextmanager
def started(
    tmp_path: Path, url: str, *more: str, words: Sequence[str] = ("db", "upgrade"), section: str = "DATABASE__URL"
) -> Iterator[subprocess.Popen[str]]:
    env = {**os.environ, "DANDELION_HOME": str(tmp_path), f"DANDELION_{section}": url}
    argv = [sys.executable, "-m", "dandelion", *words, *more]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


@contextmanager
def migrating(mysql: MySqlServer, database: str) -> Iterator[Cursor]:
    """A new database as another migration has it, which holds the lock; a cursor on it."""
    mysql.create(database)
    with pymysql.connect(host="127.0.0.1", port=mysql.port, user="root", database=database) as connection:
        on = connection.cursor()
        on.execute("SELECT GET_LOCK('dandelion-migration', 0)")
        yield on


def test_a_migration_that_has_begun_ends_before_its_process(mysql: MySqlServer, tmp_path: Path) -> None:
    with migrating(mysql, "deleted_job") as on:

        def waits() -> bool:
            on.execute("SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User lock'")
            return bool(on.fetchone() == (1,))

        with started(tmp_path, mysql.url("deleted_job")) as running:
            wait_until(waits, "the migration waits for its turn", seconds=60, every=0.1)
            running.send_signal(signal.SIGTERM)
            assert running.stdout is not None
            assert "the migration ends first" in running.stdout.readline()
            on.execute("SELECT RELEASE_LOCK('dandelion-migration')")
            said, _ = running.communicate(timeout=120)
        assert running.returncode == 0, said
        on.execute("SELECT COUNT(*) FROM predictions")
        assert on.fetchone() == (0,)


def test_a_process_that_only_waits_for_the_database_ends_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"mysql://root@127.0.0.1:{server.getsockname()[1]}/nothing"
        with started(tmp_path, url, "--wait", "10m") as running:
            server.settimeout(60)
            server.accept()[0].close()  # it has asked, and asks again
            running.send_signal(signal.SIGTERM)
            assert running.wait(timeout=30) == 128 + signal.SIGTERM


def test_a_migration_waits_for_the_one_before_as_long_as_for_the_database(mysql: MySqlServer, tmp_path: Path) -> None:
    with migrating(mysql, "long_migration") as on:

        def asks() -> str:
            on.execute("SELECT info FROM information_schema.processlist WHERE state = 'User lock'")
            return str((on.fetchone() or ("",))[0])

        with started(tmp_path, mysql.url("long_migration"), "--wait", "1h"):
            wait_until(lambda: "3600" in asks(), "the migration waits for an hour", seconds=60, every=0.1)


def test_the_first_model_holds_up_no_deletion(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with started(tmp_path, url, "--if-empty", words=("models", "register"), section="REGISTRY__URI") as running:
            server.settimeout(60)
            with server.accept()[0]:  # MLflow, which does not respond
                running.send_signal(signal.SIGTERM)
                assert running.wait(timeout=30) == 128 + signal.SIGTERM
