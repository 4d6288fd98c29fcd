"""The snippets of docs/serving.md, run as they are against a server."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import Api
from tests.photos import jpeg

PAGE = Path(__file__).resolve().parents[2] / "docs" / "serving.md"
SECTION = PAGE.read_text(encoding="utf-8").partition("## Clients")[2].partition("\n## ")[0]
SNIPPETS = dict(re.findall(r"```(\w+)\n(.*?)```", SECTION, re.DOTALL))
GO = 'package main\n\nimport (\n"io"\n"net/http"\n"os"\n)\n\nfunc main() {\n%s}\n'
JAVA = "class Main {\n    public static void main(String[] words) throws Exception {\n%s    }\n}\n"
# Tool, file, what surrounds the snippet, and the words that run the file.
LANGUAGES = {
    "sh": ("bash", "main.sh", "set -e\n%s", ["bash", "main.sh"]),
    "python": (sys.executable, "main.py", "%s", [sys.executable, "main.py"]),
    "js": ("node", "main.mjs", "%s", ["node", "main.mjs"]),
    "java": ("java", "Main.java", JAVA, ["java", "Main.java"]),
    "go": ("go", "main.go", GO, ["go", "run", "main.go"]),
}


def test_every_snippet_is_run() -> None:
    assert SNIPPETS.keys() == LANGUAGES.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_documented_snippet_gets_its_prediction(api: Api, tmp_path: Path, language: str) -> None:
    tool, file, around, words = LANGUAGES[language]
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    (tmp_path / "photo.jpg").write_bytes(jpeg())
    (tmp_path / file).write_text(around % SNIPPETS[language].replace("http://127.0.0.1:8000", api.url))
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    photos = {"sh": 6, "python": 2}.get(language, 1)
    labels = re.findall(r'"label":"(?:dandelion|grass)"', ran.stdout) or ran.stdout.split()
    assert len(labels) == photos, ran.stdout
