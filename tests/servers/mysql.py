"""MySQL and MariaDB on a free port, in a temporary folder, without a password."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pymysql
from sqlalchemy import make_url

from tests.servers import tools
from tests.servers.ports import free_ports
from tests.servers.process import GivenServer, ServerProcess

Kind = Literal["mysql", "mariadb"]


class MySqlServer(ServerProcess):
    """A server with an empty database `mlops_db`; `more` are further options of its program."""

    def __init__(self, kind: Kind, folder: Path, more: Sequence[str] = ()) -> None:
        common = ["--no-defaults", "--user=root", f"--datadir={folder}/data"]
        if kind == "mysql":
            root = tools.find("mysql")
            libraries = root / "usr/lib/x86_64-linux-gnu"
            program = [
                *(str(root / "usr/lib64/ld-linux-x86-64.so.2"), "--library-path", f"{libraries}:{libraries}/systemd"),
                *(str(root / "usr/sbin/mysqld"), *common, f"--basedir={root}/usr"),
                f"--lc-messages-dir={root}/usr/share/mysql",
            ]
            initialise = [*program, "--initialize-insecure"]
            options = ["--secure-file-priv=NULL", f"--plugin-dir={root}/usr/lib/mysql/plugin", "--mysqlx=OFF"]
        else:
            program = [str(tools.find("mariadb")), *common]
            initialise = [
                *("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={folder}/data"),
                *("--auth-root-authentication-method=normal", "--skip-test-db"),
            ]
            options = ["--skip-log-bin"]
        subprocess.run(initialise, check=True, capture_output=True)
        (port,) = free_ports(1)
        network = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/s", f"--pid-file={folder}/pid"]
        super().__init__([*program, *options, *network, *more], port, folder / "server.log")
        self.start()
        self.create("mlops_db")

    def url(self, database: str = "mlops_db", *, port: int | None = None) -> str:
        """Where a database is, or where a proxy before it is."""
        return f"mysql://root@127.0.0.1:{port or self.port}/{database}"

    def create(self, database: str) -> None:
        """Make a database, empty also when there was one."""
        url = make_url(self.url())
        with pymysql.connect(
            host=url.host, port=url.port or 3306, user=url.username, password=url.password or ""
        ) as connection:
            connection.cursor().execute(f"DROP DATABASE IF EXISTS {database}")
            connection.cursor().execute(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")


class GivenMySqlServer(GivenServer, MySqlServer):
    """A server that the environment names, `mysql://user:password@host:3306`; its user may make databases."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self.port = self._url.port or 3306
        self.create("mlops_db")

    def url(self, database: str = "mlops_db", *, port: int | None = None) -> str:
        there = self._url.set(port=port, host="127.0.0.1") if port else self._url
        return there.set(database=database).render_as_string(hide_password=False)
