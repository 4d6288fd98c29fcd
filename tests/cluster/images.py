"""Container images without a registry: the project's own from its Dockerfile, and those of parts that cannot be pulled.

Each is built again only when something changed that it is made of; its tag is a digest of that.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.layout import Layout
from tests.cluster.namespace import quick
from tests.cluster.worker import Worker, install
from tests.servers import tools
from tests.servers.tools import debian
from tests.servers.tools.install import alone

ROOT = Path(__file__).parents[2]
PARTS = Path(__file__).parent / "parts"
REPOSITORY = "localhost/dandelion"
KEPT_SECONDS = 7 * 24 * 3600
LAYOUT = Layout(tools.CACHE / "images")
# Perl is there only for a program that merges /bin and /usr/bin, where they are merged already.
PERL = ("usrmerge", "libfile-find-rule-perl", "libnumber-compare-perl", "libtext-glob-perl", "perl", "perl-modules*")
PERL_LIBRARIES = ("libperl5*", "libgdbm*")
BINUTILS = ("binutils*", "libbinutils", "libctf*", "libgprofng*", "libjansson*")


_PINS = (ROOT / "constraints.txt", ROOT / "docker", ROOT / "pyproject.toml")


@dataclass(frozen=True)
class Recipe:
    """How an image is built.

    Args:
        dockerfile: What says so.
        made_of: Files and folders that it depends on.
        target: Stage of the Dockerfile; the last if empty.
        base: Debian root that it stands on.
        program: A tool that it holds.
        arguments: Of the Dockerfile.
    """

    dockerfile: Path
    made_of: tuple[Path, ...]
    target: str = ""
    base: str = "python"
    program: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Of all that the image is made of."""
        content = hashlib.sha256(repr((self.base, BASES[self.base], WORKER)).encode())
        if self.program:
            content.update(tools.find(self.program).name.encode())
        for path in sorted(file for each in (self.dockerfile, *self.made_of) for file in _files(each)):
            content.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
        return content.hexdigest()[:12]


# Suite and packages of each Debian root, and what is not needed once others are installed.
BASES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "build": ("bookworm", ("usr-is-merged", "python3", "python3-venv", "binutils"), ()),
    "python": ("bookworm", (), (*PERL, *PERL_LIBRARIES, *BINUTILS)),
    "mysql": ("sid", ("mysql-server-core", "mysql-client", "gzip"), ()),
    "monitoring": ("sid", ("prometheus", "prometheus-mysqld-exporter", "prometheus-node-exporter"), ()),
}
# Flows run without training's libraries until they train, and torch from PyPI brings 5 GB for GPUs; `TESTS_WORKER`
# may name `train` too.
WORKER = os.environ.get("TESTS_WORKER", "flows kubernetes")
# One tag for all that is the project's own, as its releases have.
_PROJECT = tuple(ROOT / each for each in (".dockerignore", "README.md", "LICENSE", "src"))
RECIPES = {
    **{
        target: Recipe(ROOT / "Dockerfile", (*_PROJECT, *_PINS), target, arguments={"WORKER_EXTRAS": WORKER})
        for target in ("api", "ui", "worker", "mlflow")
    },
    "mysql": Recipe(PARTS / "mysql" / "Dockerfile", (PARTS / "mysql",), base="mysql"),
    "minio": Recipe(PARTS / "minio" / "Dockerfile", (PARTS / "minio",), program="minio"),
    "prefect": Recipe(PARTS / "prefect" / "Dockerfile", _PINS[:2]),
    **{
        target: Recipe(PARTS / "monitoring" / "Dockerfile", (), target, base="monitoring")
        for target in ("prometheus", "mysqld-exporter", "node-exporter")
    },
    **{
        program: Recipe(PARTS / "program" / "Dockerfile", (), program=program, arguments={"PROGRAM": program})
        for program in ("prometheus-operator", "prometheus-config-reloader")
    },
}


def load_images(worker: Worker, names: Iterable[str] = tuple(RECIPES)) -> dict[str, str]:
    """Build what changed, give it to the node, and say how each image is called there."""
    loaded = {}
    for name in names:
        image = f"{REPOSITORY}-{name}:{RECIPES[name].digest}"
        if image not in worker.images():
            build(name)
            begin = time.monotonic()
            LAYOUT.take(image, name)
            size = worker.load(functools.partial(LAYOUT.write, name, image))
            print(f"{name}: {size / 1e6:.0f} MB loaded in {time.monotonic() - begin:.0f} s", flush=True)
            for old in worker.images():
                if old.startswith(f"{REPOSITORY}-{name}:") and old != image:
                    worker.forget(old)
        loaded[name] = image
    return loaded


def build(name: str) -> str:
    """Build an image if it is not there, and say how it is called."""
    install()
    recipe = RECIPES[name]
    image = f"{REPOSITORY}-{name}:{recipe.digest}"
    with alone(f"image-{name}"):
        if _exists(image):
            return image
        begin = time.monotonic()
        if recipe.base == "python":
            bases = {"BASE": _base("python"), "BUILD_BASE": _base("build")}
        else:
            bases = {"BASE": _base(recipe.base)}
        with tempfile.TemporaryDirectory() as folder:
            context = ROOT if recipe.base == "python" and not recipe.program else Path(folder, "context")
            if context != ROOT:
                shutil.copytree(recipe.dockerfile.parent, context)
                if recipe.program:
                    shutil.copy2(tools.find(recipe.program), context / recipe.program)
            quick(
                *("buildah", "bud", "--isolation=chroot", "--pull-never", "--layers"),
                *(f"--build-arg={key}={value}" for key, value in {**bases, **recipe.arguments}.items()),
                *([f"--target={recipe.target}"] if recipe.target else []),
                *("--tag", image, "--file", recipe.dockerfile, context),
            )
        print(f"{name}: {size_bytes(image) / 1e6:.0f} MB, built in {time.monotonic() - begin:.0f} s", flush=True)
        _forget(name, image)
    return image


def _forget(name: str, image: str) -> None:
    """Let go what an image replaces, and steps of builds that are old: whoever still needs one makes it again."""
    for old in quick("buildah", "images", "--format", "{{.Name}}:{{.Tag}}").split():
        if old.startswith(f"{REPOSITORY}-{name}:") and old != image:
            quick("buildah", "rmi", old, check=False)
    for step in json.loads(quick("buildah", "images", "--json", "--filter", "dangling=true")) or ():
        if step["created"] < time.time() - KEPT_SECONDS:
            quick("buildah", "rmi", step["id"], check=False)


def size_bytes(image: str) -> int:
    """What the layers of an image take when unpacked."""
    manifest = json.loads(quick("buildah", "inspect", "--type=image", "--format={{.Manifest}}", image))
    return sum(layer["size"] for layer in manifest["layers"])


def _base(name: str) -> str:
    """A Debian root as an image."""
    image = f"{REPOSITORY}-debian-{name}:{hashlib.sha256(repr(BASES[name]).encode()).hexdigest()[:12]}"
    with alone(f"base-{name}"):
        if not _exists(image):
            _make_base(name, image)
    return image


def _make_base(name: str, image: str) -> None:
    suite, packages, spared = BASES[name]
    begin = time.monotonic()
    if packages:
        container = quick("buildah", "from", "scratch").strip()
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder, "root.tar")
            debian.bootstrap(suite, archive, "essential", list(packages))
            quick("buildah", "add", "-q", container, archive, "/")
            _trust(container, Path(folder))
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        quick("buildah", "config", "--env", f"PATH={path}", container)
    else:
        container = quick("buildah", "from", "--pull-never", _base("build")).strip()
        purge = "dpkg --purge $(dpkg-query --show --showformat '${Package} ' \"$@\")"
        quick("buildah", "run", "--isolation=chroot", container, "--", "sh", "-c", purge, "sh", *spared)
    quick("buildah", "commit", "-q", "--squash", container, image)
    quick("buildah", "rm", container)
    print(f"debian-{name}: {size_bytes(image) / 1e6:.0f} MB, made in {time.monotonic() - begin:.0f} s", flush=True)


def _trust(container: str, folder: Path) -> None:
    """Believe whom this machine believes, where its packages come through a proxy of its own."""
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    if bundle.exists():
        quick("buildah", "copy", "-q", container, bundle, str(bundle))
        (folder / "pip.conf").write_text(f"[global]\ncert = {bundle}\n")
        quick("buildah", "copy", "-q", container, folder / "pip.conf", "/etc/pip.conf")


def _exists(image: str) -> bool:
    return (
        subprocess.run(["buildah", "inspect", "--type=image", image], capture_output=True, check=False).returncode == 0
    )


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [each for each in path.rglob("*") if each.is_file() and "__pycache__" not in each.parts]
