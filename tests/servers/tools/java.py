"""Libraries of Java, which Maven brings."""

from __future__ import annotations

from pathlib import Path

from tests.servers.tools.debian import by_apt
from tests.servers.tools.install import CACHE, run, unfinished

OKHTTP = ("com.squareup.okhttp3", "okhttp-jvm", "5.5.1")
PROJECT = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tests</groupId><artifactId>tests</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>
  </dependencies>
</project>
"""


def okhttp() -> Path:
    """The folder of OkHttp's jars and of those that it needs."""
    folder = CACHE / "java" / "-".join(OKHTTP[1:])
    if not folder.is_dir():
        with unfinished(folder) as fresh:
            (fresh / "pom.xml").write_text(PROJECT.format(*OKHTTP))
            copy = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
            run([by_apt("maven", "mvn"), "-q", "-B", copy, "-DoutputDirectory=jars"], folder=fresh)
            (fresh / "jars").rename(folder)
    return folder
