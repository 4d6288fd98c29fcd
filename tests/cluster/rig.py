"""Whether tests of the node itself are worth their minutes: not while nothing changed since they passed here."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import time
from pathlib import Path

import pytest

from tests.servers import tools

HERE = Path(__file__).parent
FILE = HERE / "test_rig.py"
# What a node is made of; versions of its programs stand beside how they are installed.
MADE_OF = (HERE, HERE.parent / "servers" / "tools")
PASSED = tools.CACHE / "rig.json"


def digest() -> str:
    """Of all that the node is made of, and of the machine that it stands on."""
    content = hashlib.sha256(f"{platform.node()} {platform.release()}".encode())
    files = (file for folder in MADE_OF for file in folder.rglob("*") if file.is_file())
    for file in sorted(each for each in files if "__pycache__" not in each.parts):
        content.update(str(file.relative_to(HERE.parent)).encode() + b"\0" + file.read_bytes())
    return content.hexdigest()


class RigTests:
    """Leaves them out where they passed, and remembers when they did. Whoever names their file runs them anyway."""

    def __init__(self) -> None:
        self._digest = digest()
        self._nodes: dict[str, str] = {}
        self._passed: set[str] = set()
        self._failed = False
        self._left_out = ""

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        ours = [item for item in items if item.path == FILE]
        others = [item for item in items if item.path != FILE]
        is_named = any(FILE.name in argument for argument in config.args)
        since = self._passed_at()
        if ours and since and not is_named:
            self._left_out = f"{len(ours)} tests of the node itself left out: unchanged since they passed on {since}"
            config.hook.pytest_deselected(items=ours)
            items[:] = others
            return
        self._nodes = {item.nodeid: getattr(item, "originalname", item.name) for item in ours}
        # Where the node is at fault, its own tests say so best.
        items[:] = [*ours, *others]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.nodeid in self._nodes:
            self._failed |= not report.passed
            if report.when == "teardown":
                self._passed.add(self._nodes[report.nodeid])

    def pytest_sessionfinish(self) -> None:
        all_of_them = set(re.findall(r"^def (test_\w+)", FILE.read_text(), re.MULTILINE))
        if self._passed == all_of_them and not self._failed and digest() == self._digest:
            now = time.strftime("%Y-%m-%d %H:%M %Z")
            PASSED.write_text(json.dumps({"digest": self._digest, "at": now}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._left_out:
            terminalreporter.write_line(self._left_out)

    def _passed_at(self) -> str:
        """When they last passed as they are, or nothing."""
        found = json.loads(PASSED.read_text()) if PASSED.exists() else {}
        return str(found["at"]) if found.get("digest") == self._digest else ""
