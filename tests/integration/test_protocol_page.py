"""What docs/protocol.md shows works as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.integration.conftest import Api
from tests.photos import labelled_photos
from tests.servers import tools

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    ((?:curl|echo) .*(?:\n      .*)?)$", PAGE, re.MULTILINE)
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ROUTES = re.findall(r"`((?:GET|POST) /v2[^`]*)`", PAGE)
EXAMPLE = re.search(r'^    (\{"model_name.*?\]\})$', PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def wanted(http: httpx.Client, tmp_path: Path) -> str:
    """The label of a photo that lies where the page has it."""
    photo = labelled_photos(1)[0][1]
    (tmp_path / "photo.jpg").write_bytes(photo)
    return str(http.post("/predict", content=photo, headers={"Content-Type": "image/jpeg"}).json()["label"])


def run(api: Api, folder: Path, *argv: str) -> str:
    here = "{}:{}".format(*api.address)
    argv = tuple(each.replace("127.0.0.1:8000", here) for each in argv)
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_classify_a_photo(api: Api, tmp_path: Path, wanted: str) -> None:
    tools.find("curl")
    assert len(COMMANDS) == 3
    assert EXAMPLE is not None
    shown = json.loads(EXAMPLE.group(1))
    for line in (COMMANDS[0], " && ".join(COMMANDS[1:])):
        body = json.loads(run(api, tmp_path, "sh", "-c", line))
        assert body["outputs"][0]["data"] == [wanted]
        assert body.keys() == shown.keys()
        for found, each in zip(body["outputs"], shown["outputs"], strict=True):
            assert {**found, "data": 0} == {**each, "data": 0}


def test_the_program_classifies_a_photo(api: Api, tmp_path: Path, wanted: str) -> None:
    (program,) = (each for each in PROGRAMS if "tritonclient.http" in each)
    assert run(api, tmp_path, sys.executable, "-c", program).split()[0] == wanted


def test_the_routes_are_there(http: httpx.Client) -> None:
    assert len(ROUTES) >= 7
    for route in ROUTES:
        method, path = route.split()
        assert http.request(method, path).status_code == (400 if method == "POST" else 200), route
