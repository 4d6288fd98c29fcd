"""The command line: help, errors, exit statuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dandelion.cli.audit import actor
from dandelion.cli.doctor import examine
from tests.photos import jpeg
from tests.servers.ports import NEEDS_IPV6, free_ports

COMMANDS = [
    [],
    *(["up"], ["serve"], ["train"], ["predict"], ["doctor"], ["settings"]),
    *(["data"], ["data", "check"], ["data", "fetch"], ["data", "sample"]),
    *(["models"], ["models", "list"], ["models", "show"], ["models", "register"], ["models", "promote"]),
    ["models", "rollback"],
]


def dandelion(*words: str, home: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "COLUMNS": "200", "HOME": "/nonexistent", **env}
    if home is not None:
        environment["DANDELION_HOME"] = str(home)
    argv = [sys.executable, "-m", "dandelion", *words]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "dandelion")
def test_every_help_shows_an_example(words: list[str]) -> None:
    shown = dandelion(*words, "--help")
    assert shown.returncode == 0, shown.stderr
    if words not in (["data"], ["models"]):  # groups list their commands, which have the examples
        assert "Example: dandelion" in shown.stdout or "Start with: dandelion" in shown.stdout


def test_a_misspelt_setting_is_named_and_nothing_runs(tmp_path: Path) -> None:
    result = dandelion("serve", home=tmp_path, DANDELION_API__PROT="1")
    assert result.returncode == 2
    assert "DANDELION_API__PROT" in result.stderr
    assert "Remedy: Did you mean DANDELION_API__PORT?" in result.stderr


def test_a_wrong_option_is_an_error_without_a_traceback() -> None:
    result = dandelion("serve", "--prot", "1")
    assert result.returncode == 2
    assert "--prot" in result.stderr
    assert "Traceback" not in result.stderr


def test_predict_answers_here_and_reports_each_bad_file(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    good.write_bytes(jpeg())
    bad.write_text("no photo")
    result = dandelion("predict", str(good), str(bad), "--json", home=tmp_path / "home")
    assert result.returncode == 1
    answers = json.loads(result.stdout)
    assert answers[0]["label"] in answers[0]["probabilities"]
    assert "not an image" in answers[1]["error"]


def test_predict_against_a_server_that_is_down_says_how_to_start_one(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg())
    result = dandelion("predict", str(photo), "--url", "http://127.0.0.1:9")
    assert result.returncode == 1
    assert "dandelion up" in result.stdout


def test_settings_shows_what_is_set(tmp_path: Path) -> None:
    values = json.loads(dandelion("settings", "--json", home=tmp_path, DANDELION_API__PORT="8123").stdout)
    assert values["DANDELION_API__PORT"] == "8123"
    assert values["DANDELION_HOME"] == str(tmp_path)


def test_doctor_passes_on_a_fresh_home_and_fails_on_a_bad_one(tmp_path: Path) -> None:
    fresh = dandelion("doctor", "--json", home=tmp_path, DANDELION_API__PORT="18734")
    assert fresh.returncode == 0, fresh.stdout + fresh.stderr
    bad = dandelion("doctor", "--json", home=Path("/proc/nowhere"))
    assert bad.returncode == 1
    home = next(finding for finding in json.loads(bad.stdout) if finding["what"] == "Home folder")
    assert home["state"] == "fail"
    assert "DANDELION_HOME" in home["remedy"]


@NEEDS_IPV6
def test_doctor_looks_at_ports_of_ipv6(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    given = {"DANDELION_HOME": str(tmp_path), "DANDELION_API__HOST": "::1", "DANDELION_API__PORT": str(port)}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    api = next(finding for finding in examine() if finding.what == "API")
    assert (api.state, api.saw) == ("ok", f"port {port} is free")


def test_a_path_in_a_pipe_is_neither_cut_nor_read_as_colours(tmp_path: Path) -> None:
    photo = tmp_path / ("long" * 20) / "[bold]photo.jpg"
    photo.parent.mkdir()
    photo.write_text("no photo")
    shown = dandelion("predict", str(photo), home=tmp_path / "home")
    assert str(photo) in shown.stdout


def test_a_name_that_is_not_utf_8_is_reported_as_json(tmp_path: Path) -> None:
    photo = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    photo.write_bytes(jpeg())
    done = dandelion("predict", str(photo), "--json", home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert str(photo) in json.dumps(json.loads(done.stdout), ensure_ascii=False)


def test_who_types_has_a_number_where_the_machine_knows_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    assert actor() == "cli:uid 54321"
