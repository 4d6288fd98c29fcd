"""The servers that benchmarks compare with start from their documented environment."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from benchmarks.compare import parse
from benchmarks.loads import Row
from benchmarks.model import export
from benchmarks.report import markdown
from benchmarks.servers import DidNotStartError, Server, running, servers

from tests.photos import jpeg

PEERS = Path(__file__).resolve().parents[2] / ".venv-peers" / "bin" / "python"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("model")
    thumbnail = folder / "thumbnail.jpg"
    thumbnail.write_bytes(jpeg())
    return export("test_resnet", folder, thumbnail)


@pytest.mark.parametrize("name", ["LitServe", "LitServe, our runtime", "FastAPI", "BentoML"])
def test_a_peer_is_healthy(name: str, model: tuple[Path, Path], tmp_path: Path) -> None:
    # FastAPI and torch are ours as well; the others come from benchmarks/requirements.txt alone.
    if not PEERS.exists() and name != "FastAPI":
        pytest.skip(f"{PEERS} is not there; docs/performance.md says how to make it")
    python = PEERS if PEERS.exists() else Path(sys.executable)
    (peer,) = (each for each in servers("test_resnet", *model, python, 2) if each.name == name)
    with running(peer, tmp_path):
        pass


def test_a_server_that_does_not_start_is_a_row(tmp_path: Path) -> None:
    broken = Server("Broken", [sys.executable, "-c", "raise SystemExit('no port')"], {}, "http://127.0.0.1:9/", "file")
    with pytest.raises(DidNotStartError, match="no port"), running(broken, tmp_path):
        pass
    ours = Row("model", "thumbnail", "dandelion", 8, 100, 1, 2, 0)
    limit = replace(ours, server="limit", connections=0)
    rows = [limit, ours, replace(ours, server="Broken", per_second=0, note="-?")]
    result = {"rows": [asdict(row) for row in rows], "date": "", "processor": "", "cores": 2, "command": ""}
    assert "| Broken | -? |" in markdown({**result, "measurements": {}})


def test_a_server_is_named_whatever_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["compare", "--server", "LitServe, our runtime", "--server", "FastAPI"])
    assert parse().servers == ["LitServe, our runtime", "FastAPI"]
    monkeypatch.setattr(sys, "argv", ["compare", "--server", "Triton"])
    with pytest.raises(SystemExit):
        parse()
