"""The table of flows, and the modules that it names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dandelion.errors import SettingsError
from dandelion.flows.catalogue import FLOWS, list_deployments
from dandelion.settings import PrefectSettings

FOLDER = Path(__file__).resolve().parents[2] / "flows"


def test_prefect_s_own_file_lists_the_same_flows() -> None:
    listed = yaml.safe_load((FOLDER / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    for each, flow in zip(listed, FLOWS, strict=True):
        assert (each["name"], each["entrypoint"], each["description"]) == (
            flow.name,
            flow.entrypoint,
            flow.description,
        )
        assert [every["cron"] for every in each.get("schedules", [])] == ([flow.cron] if flow.cron else [])
        assert ("resumes-after-crash" in each.get("tags", [])) == flow.resumes_after_crash


def test_every_flow_can_be_deployed_by_its_file_too() -> None:
    for flow in FLOWS:
        module, _, function = flow.entrypoint.rpartition(".")
        file = FOLDER / f"{module.rpartition('.')[2]}.py"
        assert f"from {module} import {function}\n" in file.read_text(encoding="utf-8")


def test_the_process_that_serves_the_flows_loads_nothing_of_a_training() -> None:
    code = (
        "import sys\n"
        "from dandelion.flows.catalogue import FLOWS\n"
        "from dandelion.flows.serve import as_runner_deployment\n"
        "print(*(as_runner_deployment(each).flow_name for each in FLOWS))\n"
        "print(*(name for name in ('torch', 'timm', 'mlflow', 'openvino') if name in sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, heavy = found.stdout.splitlines()
    assert names.split() == [each.name for each in FLOWS]
    assert heavy == ""


def test_settings_change_a_schedule_or_remove_it() -> None:
    crons = {
        each.name: each.cron
        for each in list_deployments(PrefectSettings(schedules={"retrain": "0 4 * * 1", "backup": ""}))
    }
    assert crons == {"retrain": "0 4 * * 1", "predict-batch": "", "backup": "", "monitoring": "5 * * * *"}


def test_a_schedule_of_an_unknown_flow_is_refused() -> None:
    with pytest.raises(SettingsError, match="unknown flow 'retrian'"):
        list_deployments(PrefectSettings(schedules={"retrian": "0 4 * * *"}))
