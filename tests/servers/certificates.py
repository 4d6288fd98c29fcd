"""Certificates for servers of the tests, by an authority that nobody else trusts."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM.

    Attributes:
        ca: The authority's certificate.
        file: The server's, for 127.0.0.1.
        key: Its key.
    """

    ca: Path
    file: Path
    key: Path

    @property
    def mysql_options(self) -> list[str]:
        """Options of a server of MySQL or MariaDB that encrypts by it."""
        return [f"--ssl-ca={self.ca}", f"--ssl-cert={self.file}", f"--ssl-key={self.key}"]


def make_certificate(folder: Path) -> Certificate:
    """A certificate for 127.0.0.1, good for a day."""
    made = Certificate(folder / "ca.crt", folder / "tls.crt", folder / "tls.key")
    authority = folder / "ca.key"
    _request("-keyout", authority, "-out", made.ca, "-subj", "/CN=authority of the tests")
    signed = ("-CA", made.ca, "-CAkey", authority, "-addext", "basicConstraints=critical,CA:FALSE")
    of = ("-subj", "/CN=server of the tests", "-addext", "subjectAltName=IP:127.0.0.1")
    _request("-keyout", made.key, "-out", made.file, *signed, *of)
    return made


def _request(*options: str | Path) -> None:
    subprocess.run(["openssl", "req", "-x509", *_NEW_KEY, *options], check=True, capture_output=True)
