"""The public clients of the Open Inference Protocol, which need libraries that ours do not go with."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.servers.tools.debian import of_release
from tests.servers.tools.install import CACHE, on_path, run

# Their protobuf is older than ours.
CLIENTS = ("kserve==0.21.0", "tritonclient[http,grpc]==2.73.0")
PERF_ANALYZER = "perf-analyzer==2.60.0"
# The release whose C library it was built for, and what it uses of that.
_RELEASE = "trixie"
_LIBRARIES = ("libc6", "libstdc++6", "libgcc-s1", "libssl3t64", "zlib1g", "libzstd1")


def open_inference_clients() -> Path:
    """A Python that has the clients of KServe and Triton."""
    home = CACHE / "+".join(CLIENTS)
    if not (home / "done").is_file():
        shutil.rmtree(home, ignore_errors=True)
        run([sys.executable, "-m", "venv", home])
        run([home / "bin" / "pip", "install", "-q", *CLIENTS])
        (home / "done").touch()
    return home / "bin" / "python"


def perf_analyzer() -> Path:
    """Triton's load generator."""
    if found := on_path("perf_analyzer"):
        return found
    home = CACHE / PERF_ANALYZER
    starter = home / "perf_analyzer.sh"
    if not starter.is_file():
        shutil.rmtree(home, ignore_errors=True)
        options = [
            "--no-deps",
            "--only-binary=:all:",
            "--platform",
            "manylinux_2_38_x86_64",
            "--python-version",
            "3.12",
        ]
        run([sys.executable, "-m", "pip", "install", "-q", *options, "--target", home, PERF_ANALYZER])
        libraries = of_release(_RELEASE, *_LIBRARIES) / "usr" / "lib" / "x86_64-linux-gnu"
        loader = f"{libraries}/ld-linux-x86-64.so.2 --library-path {libraries}"
        fresh = home / ".starter"
        fresh.write_text(f'#!/bin/sh\nexec {loader} {home}/perf_analyzer/bin/perf_analyzer "$@"\n')
        fresh.chmod(0o755)
        fresh.rename(starter)
    return starter
