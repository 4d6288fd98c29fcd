"""The model that ships with Dandelion, so that a fresh install classifies at once."""

from __future__ import annotations

from pathlib import Path

import dandelion


def starter_path() -> Path:
    """The folder of the bundled model package."""
    return Path(dandelion.__file__).parent / "starter" / "model"
