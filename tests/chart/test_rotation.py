"""Secrets as docs/security.md rotates them."""

from __future__ import annotations

import re

import pymysql

from tests.chart.chart import ROOT
from tests.servers.mysql import MySqlServer


def test_the_administrator_of_mysql_gets_another_password_from_everywhere(mysql: MySqlServer) -> None:
    """Its image creates two accounts, and the one that probes use is not the one that Jobs use."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    (statement,) = re.findall(r"`(ALTER USER [^`]+)`", page)
    with pymysql.connect(host="127.0.0.1", port=mysql.port, user="root") as connection:
        on = connection.cursor()
        on.execute("CREATE USER 'drill'@'%', 'drill'@'localhost'")
        on.execute(statement.replace("'root'", "'drill'").replace("...", "another password"))
        on.execute("SELECT COUNT(*) FROM mysql.user WHERE user = 'drill' AND authentication_string <> ''")
        assert on.fetchone() == (2,)
        on.execute("DROP USER 'drill'@'%', 'drill'@'localhost'")
