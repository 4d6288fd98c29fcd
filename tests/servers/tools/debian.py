"""Programs that Debian has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.servers.tools.install import CACHE, ToolMissingError, alone, on_path, run, unfinished


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
    with alone(f"debian-{package}"):  # which may have several of the programs
        if not unpacked.is_dir():
            _unpack(package, unpacked)
    if not (programs := list(unpacked.glob(f"usr/*bin/{program}"))):
        raise ToolMissingError(f"Debian's {package} brought no {program}")
    return programs[0]


def _unpack(package: str, folder: Path) -> None:
    if shutil.which("apt-get") is None:
        raise ToolMissingError(f"install Debian's {package}, or your system's like it")
    with unfinished(folder) as fresh:
        with alone("apt"):
            run(["apt-get", "update"])
            run(["apt-get", "download", package], folder=fresh)
        (archive,) = fresh.glob("*.deb")
        run(["dpkg-deb", "--extract", archive, fresh / "root"])
        (fresh / "root").rename(folder)


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
    targets = run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", "Origin: Debian"])
    sites = [line.strip() for line in targets.splitlines() if line.strip() and "security" not in line]
    if not sites:
        raise ToolMissingError("apt knows no mirror of Debian: run apt-get update, or add one to its sources")
    return sites[0]


def of_release(suite: str, *packages: str) -> Path:
    """These packages of another release, laid out in the cache, where nothing of this system uses them."""
    unpacked = CACHE / "debian" / suite
    with alone(f"debian-{suite}"):
        if not unpacked.is_dir():
            _unpack_release(suite, packages, unpacked)
    return unpacked


def _unpack_release(suite: str, packages: Sequence[str], unpacked: Path) -> None:
    if shutil.which("apt-get") is None:
        raise ToolMissingError(f"this needs packages of Debian's {suite}")
    with unfinished(unpacked) as fresh:
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (fresh / folder).mkdir(parents=True)
        (fresh / "status").touch()
        keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (fresh / "sources").write_text(f"deb [signed-by={keys}] {_mirror()} {suite} main\n")
        options = {
            "Dir::Etc::SourceList": fresh / "sources",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State": fresh / "state",
            "Dir::State::status": fresh / "status",
            "Dir::Cache": fresh / "cache",
        }
        apt = ["apt-get", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
        run([*apt, "update"])
        run([*apt, "download", *packages], folder=fresh)
        laid_out = fresh / "root"
        for archive in fresh.glob("*.deb"):
            run(["dpkg-deb", "--extract", archive, laid_out])
        laid_out.rename(unpacked)
