"""Model packages for the tests: the starter with other names for its classes, or another card, or spoilt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from dandelion.package import seal_package
from dandelion.package.starter import starter_path


def make_package(folder: Path, *, classes: Sequence[str] | None = None, note: str = "") -> Path:
    """The starter as another model."""
    shutil.copytree(starter_path(), folder)
    card = folder / "MODEL_CARD.md"
    card.write_text(f"{card.read_text()}\n{note}\n")
    if classes is not None:
        manifest = folder / "model.json"
        written = json.loads(manifest.read_text()) | {"classes": list(classes)}
        if written["background"] not in classes:
            written["background"] = None
        manifest.write_text(json.dumps(written))
    seal_package(folder)
    return folder


def make_unreadable(file: Path) -> None:
    """Let whoever reads the file get an input/output error, as of a bad disk, root too."""
    file.unlink()
    file.symlink_to("/proc/self/mem")
