"""MySQL and MariaDB on a free port, in a temporary folder, without a password."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path
from typing import Literal

from tests.servers import tools
from tests.servers.ports import free_ports

Kind = Literal["mysql", "mariadb"]


class MySqlServer:
    """A server that can be stopped, killed and started again on the same port and data."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None
        common = ["--no-defaults", "--user=root", f"--datadir={self._data}"]
        if kind == "mysql":
            root = tools.find("mysql")
            libraries = root / "usr/lib/x86_64-linux-gnu"
            self._program = [
                *(str(root / "usr/lib64/ld-linux-x86-64.so.2"), "--library-path", f"{libraries}:{libraries}/systemd"),
                *(str(root / "usr/sbin/mysqld"), *common, f"--basedir={root}/usr"),
                f"--lc-messages-dir={root}/usr/share/mysql",
            ]
            initialise = [*self._program, "--initialize-insecure"]
            self._options = ["--secure-file-priv=NULL", f"--plugin-dir={root}/usr/lib/mysql/plugin", "--mysqlx=OFF"]
        else:
            self._program = [str(tools.find("mariadb")), *common]
            initialise = [
                *("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={self._data}"),
                *("--auth-root-authentication-method=normal", "--skip-test-db"),
            ]
            self._options = ["--skip-log-bin"]
        subprocess.run(initialise, check=True, capture_output=True)
        self.start()
        self._create()

    def url(self, database: str = "mlops_db") -> str:
        return f"mysql://root@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start and wait until it takes connections."""
        log = self._folder / "server.log"
        network = [f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={self._folder}/s"]
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                [*self._program, *self._options, *network, f"--pid-file={self._folder}/pid"],
                stdout=stream,
                stderr=stream,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self._process.poll() is None, log.read_text()[-3000:]
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(log.read_text()[-3000:])

    def stop(self) -> None:
        self._end(kill=False)

    def kill(self) -> None:
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        if self._process is not None:
            (self._process.kill if kill else self._process.terminate)()
            self._process.wait(60)
            self._process = None

    def _create(self) -> None:
        import pymysql

        with pymysql.connect(host="127.0.0.1", port=self.port, user="root") as connection:
            connection.cursor().execute("CREATE DATABASE mlops_db CHARACTER SET utf8mb4")
