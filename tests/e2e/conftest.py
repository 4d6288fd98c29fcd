"""What tests of the whole product start, and end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.product import Launcher


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launcher]:
    """Start `dandelion WORDS...`; whatever runs still is ended after the test."""
    launcher = Launcher(tmp_path)
    yield launcher
    launcher.end()
