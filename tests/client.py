"""Writes the synchronous client from the asynchronous one.

python -m tests.client        # run it after a change of src/dandelion/client/asynchronous.py; a test compares
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "src" / "dandelion" / "client"
SOURCE, TARGET = FOLDER / "asynchronous.py", FOLDER / "synchronous.py"
_HEAD = '"""The synchronous client of the HTTP API. Do not edit: `python -m tests.client` writes it."""'
_WORDS = {
    r"\bimport asyncio\b": "import time",
    r"\basyncio\.sleep\b": "time.sleep",
    r"\basync def\b": "def",
    r"\bawait ": "",
    r"\bAsyncClient\b": "Client",
    r"\b__aenter__\b": "__enter__",
    r"\b__aexit__\b": "__exit__",
    r"\baclose\b": "close",
}


def synchronous() -> str:
    """The synchronous client's code, formatted."""
    text = re.sub(r'^"""[^"]*"""', _HEAD, SOURCE.read_text(encoding="utf-8"))
    for word, other in _WORDS.items():
        text = re.sub(word, other, text)
    ruff = Path(sys.executable).with_name("ruff")
    for arguments in (["check", "--select", "I", "--fix-only", "--quiet"], ["format", "--quiet"]):
        argv = [str(ruff), *arguments, "--stdin-filename", str(TARGET), "-"]
        text = subprocess.run(argv, input=text, capture_output=True, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    TARGET.write_text(synchronous(), encoding="utf-8")
