"""Programs that Debian has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.servers.tools.install import CACHE, ToolMissingError, alone, on_path, run


def by_apt(package: str, program: str) -> Path:
    """The program on PATH, else from that package."""
    if found := on_path(program):
        return found
    install(package)
    if (found := on_path(program)) is None:
        raise ToolMissingError(f"{package} was installed and brought no {program}")
    return found


def install(*packages: str) -> None:
    """Bring these packages."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ToolMissingError(f"install Debian's {' '.join(packages)}, or your system's like it")
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    with alone("apt"):
        run(["apt-get", "update"], environment)
        # Somebody else may be installing something just now.
        patient = ["-o", "DPkg::Lock::Timeout=600"]
        run(["apt-get", "install", "-y", "--no-install-recommends", *patient, *packages], environment)


def by_unpacking(package: str, program: str) -> Path:
    """The program on PATH, else from that package laid out in the cache: installing it would start its service."""
    if found := on_path(program):
        return found
    unpacked = CACHE / "debian" / package
    if not unpacked.is_dir():
        if shutil.which("apt-get") is None:
            raise ToolMissingError(f"install Debian's {package}, or your system's like it")
        fresh = CACHE / "debian" / f".{package}.{os.getpid()}"
        fresh.mkdir(parents=True)
        with alone("apt"):
            run(["apt-get", "update"])
            run(["sh", "-c", f"cd {fresh} && apt-get download {package}"])
        (archive,) = fresh.glob("*.deb")
        run(["dpkg-deb", "--extract", archive, fresh])
        archive.unlink()
        fresh.rename(unpacked)
    return unpacked / "usr" / "bin" / program


def alertmanager() -> Path:
    """Alertmanager, whose templates Debian's program looks for at one place only."""
    program = by_unpacking("prometheus-alertmanager", "prometheus-alertmanager")
    templates = Path("/usr/share/prometheus/alertmanager")
    if not templates.exists():
        brought = program.parents[1] / templates.relative_to("/usr")
        if os.geteuid() != 0:
            raise ToolMissingError(f"link {templates} to {brought}, or install Debian's prometheus-alertmanager")
        templates.parent.mkdir(parents=True, exist_ok=True)
        templates.unlink(missing_ok=True)
        templates.symlink_to(brought)
    return program


def mariadb() -> Path:
    """MariaDB's server; Debian's core packages bring it without starting anything."""
    by_apt("mariadb-client-core", "my_print_defaults")  # which the server's installer calls
    return by_apt("mariadb-server-core", "mariadbd")


def chromium() -> Path:
    """A browser that tests drive."""
    return by_apt("chromium", "chromium")


def mysql_root() -> Path:
    """A root folder with Debian's MySQL server inside, which runs with its own loader and libraries."""
    root = CACHE / "mysql"
    if not (root / "usr/sbin/mysqld").is_file():
        fresh = CACHE / f"mysql.{os.getpid()}"
        bootstrap("sid", fresh, "extract", ["mysql-server"])
        shutil.rmtree(root, ignore_errors=True)
        fresh.rename(root)
    return root


def bootstrap(suite: str, target: Path, variant: str, packages: list[str]) -> None:
    """Put a Debian root with these packages into a folder, or into a `.tar`."""
    run(
        [
            # Old mirrors' dates are past; what is fetched is still signed.
            *(by_apt("mmdebstrap", "mmdebstrap"), '--aptopt=Acquire::Check-Valid-Until "false"'),
            *(f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("doc", "man", "locale")),
            *("--dpkgopt=force-unsafe-io", f"--variant={variant}", f"--include={','.join(packages)}", suite, target),
            f"deb {_mirror()} {suite} main",
        ]
    )


def _mirror() -> str:
    """Where this machine has Debian from, as its own lists say."""
    targets = run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"])
    sites = [line.strip() for line in targets.splitlines() if line.strip() and "security" not in line]
    if not sites:
        raise ToolMissingError("apt knows no Debian mirror: run apt-get update")
    return sites[0]
