"""Programs that are built from Go modules."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.tools.install import CACHE, ToolMissingError, alone, new_enough, on_path, run

BUILT = CACHE / "go"


@dataclass(frozen=True)
class GoProgram:
    """A program, and where its source is.

    Args:
        name: What it is called on PATH, and in the cache.
        package: Import path of its `main`; none where `source` is the program.
        version: Of the module.
        module: The module when its own go.mod redirects others, so that `go install` refuses it: a small module of
            ours then requires it and redirects the same.
        replace: What is redirected, to where and which version.
        source: A Go file of ours that needs that module.
        flags: For the linker.
        ask: Arguments that make it print its version, where an older one on PATH is not good enough; `None` when
            only the one built here is.
    """

    name: str
    package: str
    version: str
    module: str = ""
    replace: Mapping[str, str] = field(default_factory=dict)
    source: Path | None = None
    flags: str = ""
    ask: tuple[str, ...] | None = ()

    def find(self) -> Path:
        """The one on PATH if it is new enough, else the one that is built once."""
        there = on_path(self.name) if self.ask is not None else None
        if there and (not self.ask or new_enough(there, self.ask, self.version)):
            return there
        if not self.built.is_file():
            self._build()
        return self.built

    @property
    def built(self) -> Path:
        edition = f"-{hashlib.sha256(self.source.read_bytes()).hexdigest()[:8]}" if self.source else ""
        return BUILT / f"{self.name}-{self.version}{edition}"

    def _build(self) -> None:
        if (go := on_path("go")) is None:
            raise ToolMissingError(f"{self.name} is missing: put it on PATH, or install Go so that it can be built")
        BUILT.mkdir(parents=True, exist_ok=True)
        folder = BUILT / f"{self.name}.{os.getpid()}"
        # What is interrupted leaves its compiled packages in Go's cache, and nothing under the program's name.
        environment = {"GOFLAGS": "-p=2", "CGO_ENABLED": "0", "GOBIN": str(folder)}
        flags = ["-ldflags", f"-s -w {self.flags}".strip()]
        try:
            if self.module:
                self._build_in_module(go, folder, environment, flags)
            else:
                run([go, "install", *flags, f"{self.package}@{self.version}"], environment)
            next(folder.iterdir()).rename(self.built)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _build_in_module(self, go: Path, folder: Path, environment: dict[str, str], flags: list[str]) -> None:
        """Programs of one module share a folder, where what they need is worked out once."""
        kind = self.name if self.source else hashlib.sha256(self.module.encode()).hexdigest()[:8]
        home = CACHE / "src" / f"{kind}-{self.version}"
        with alone(home.name):
            home.mkdir(parents=True, exist_ok=True)
            replaced = [f"replace {old} => {new}" for old, new in self.replace.items()]
            wanted = [f"module {kind}", "go 1.24.0", f"require {self.module} {self.version}", *replaced, ""]
            if self.source:
                shutil.copy(self.source, home / "main.go")
            else:
                (home / f"{self.name}.go").write_text(f'//go:build tools\n\npackage x\n\nimport _ "{self.package}"\n')
            (home / "go.mod").write_text("\n".join(wanted))
            run([go, "mod", "tidy", "-e"], environment, home)
            run([go, "build", *flags, "-o", folder / self.name, self.package or "."], environment, home)


def module_folder(module: str, version: str) -> Path:
    """Where the source of a module lies, fetched if it is not there."""
    if (go := on_path("go")) is None:
        raise ToolMissingError(f"the source of {module} is missing: install Go, which brings it")
    return Path(json.loads(run([go, "mod", "download", "-json", f"{module}@{version}"]))["Dir"])


MINIO = GoProgram("minio", "github.com/minio/minio", "v0.0.0-20250907161309-07c3a429bfed")
VERSITYGW = GoProgram("versitygw", "github.com/versity/versitygw/cmd/versitygw", "v1.7.0")
TOXIPROXY = GoProgram("toxiproxy-server", "github.com/Shopify/toxiproxy/v2/cmd/server", "v2.5.0")
