"""Programs of the servers that tests talk to: those on PATH, else installed once into a cache outside the tree.

python -m tests.servers.tools        # installs what is missing, and says where all of it is
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dandelion" / "tools"
DEBIAN_PATHS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")


class ToolMissingError(Exception):
    """A program that is neither there nor could be installed."""


def mariadb() -> Path:
    """MariaDB's server; Debian's core packages bring it without starting anything."""
    if _on_path("my_print_defaults") is None:  # which the server's installer calls
        _by_apt("mariadb-client-core", "my_print_defaults")
    return _on_path("mariadbd") or _by_apt("mariadb-server-core", "mariadbd")


def mysql_root() -> Path:
    """A root folder with Debian's MySQL server inside, which runs with its own loader and libraries."""
    root = CACHE / "mysql"
    if not (root / "usr/sbin/mysqld").is_file():
        maker = _on_path("mmdebstrap") or _by_apt("mmdebstrap", "mmdebstrap")
        fresh = CACHE / f"mysql.{os.getpid()}"
        # Old mirrors' dates are past; what is fetched is still signed.
        _run(
            [
                *(str(maker), '--aptopt=Acquire::Check-Valid-Until "false"', "--variant=extract"),
                *("--include=mysql-server", "sid", str(fresh), f"deb {_mirror()} sid main"),
            ]
        )
        shutil.rmtree(root, ignore_errors=True)
        fresh.rename(root)
    return root


def _mirror() -> str:
    """Where this machine has Debian from, as its own lists say."""
    targets = _run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"])
    sites = [line.strip() for line in targets.splitlines() if line.strip() and "security" not in line]
    if not sites:
        raise ToolMissingError("apt knows no Debian mirror: run apt-get update")
    return sites[0]


def _by_apt(package: str, program: str) -> Path:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ToolMissingError(f"{program} is missing: install Debian's {package}, or your system's like it")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "update"], environment)
    _run(["apt-get", "install", "-y", "--no-install-recommends", package], environment)
    if (found := _on_path(program)) is None:
        raise ToolMissingError(f"{package} was installed and brought no {program}")
    return found


def _on_path(program: str) -> Path | None:
    found = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *DEBIAN_PATHS]))
    return Path(found) if found else None


def _run(argv: list[str], env: dict[str, str] | None = None) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        raise ToolMissingError(f"{' '.join(argv)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


@contextmanager
def alone() -> Iterator[None]:
    """One process installs at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


TOOLS: dict[str, Callable[[], Path]] = {"mariadb": mariadb, "mysql": mysql_root}


def find(name: str) -> Path:
    """Where the tool is, installed if it was missing.

    Raises:
        ToolMissingError: It cannot be had on this machine; says what to do.
    """
    with alone():
        return TOOLS[name]()


def main() -> int:
    failed = 0
    for name in sys.argv[1:] or TOOLS:
        try:
            print(f"{name}: {find(name)}", flush=True)
        except ToolMissingError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            failed = 1
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
