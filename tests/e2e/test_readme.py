"""The README's "Your own model", command for command, on few photos and for one epoch."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dandelion.training.sample import create_sample

README = Path(__file__).resolve().parents[2] / "README.md"

pytestmark = pytest.mark.training  # in processes of its own, which no import tells


def test_the_readmes_commands_make_a_model_and_let_it_serve(tmp_path: Path) -> None:
    section = README.read_text(encoding="utf-8").split("## Your own model")[1].split("\n## ")[0]
    commands = [line.split("#")[0].strip() for line in section.splitlines() if re.match(r"\s{4}dandelion ", line)]
    assert [command.split()[1] for command in commands] == ["data", "train", "models", "models", "models"]
    create_sample(tmp_path / "photos", per_class=30, size=96)
    env = {**os.environ, "DANDELION_HOME": str(tmp_path / "home"), "DANDELION_REGISTRY__TIMEOUT_SECONDS": "30"}

    def run(command: str) -> str:
        argv = [sys.executable, "-m", *shlex.split(command)]
        done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False)
        # Drawn photos resemble each other, which the check rightly says by its status.
        assert done.returncode == 0 or (command.startswith("dandelion data check") and done.returncode == 1), (
            command,
            done.stdout,
            done.stderr,
        )
        return done.stdout

    run("dandelion models register --if-empty")  # as `dandelion up` does
    for command in commands:
        short = " --epochs 1 --size 64 --pretrained off" if " train " in command else ""
        output = run(command + short)
        if " promote " in command:
            assert "version 2 is champion" in output
    assert "version 1 is champion again" in output
