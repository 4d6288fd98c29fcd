"""The table of flows, and the modules that it names."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect.client.schemas import schedules as client_schedules
from prefect.server.schemas.schedules import CronSchedule

from dandelion.errors import SettingsError
from dandelion.flows.catalogue import FLOWS, list_deployments
from dandelion.flows.serve import as_runner_deployment
from dandelion.settings import PrefectSettings, load_settings

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


def runs(flow: str, time_zone: str, since: date, **schedules: str) -> list[datetime]:
    """When Prefect's own server starts a flow on ten days, in local time without its zone."""
    deployments = list_deployments(PrefectSettings(time_zone=time_zone, schedules=schedules))
    (deployed,) = (as_runner_deployment(each) for each in deployments if each.name == flow)
    (registered,) = deployed.schedules or []
    assert isinstance(registered.schedule, client_schedules.CronSchedule)
    schedule = CronSchedule.model_validate(registered.schedule.model_dump())
    zone = ZoneInfo(time_zone)
    midnight = datetime.combine(since, time(), zone)
    found = asyncio.run(schedule.get_dates(250, start=midnight, end=midnight + timedelta(days=10)))
    return [each.astimezone(zone).replace(tzinfo=None) for each in found]


# Lord Howe is half an hour from full hours in one half of the year, and its clocks change by half an hour.
@pytest.mark.parametrize(
    ("time_zone", "change"),
    [
        ("Europe/Paris", date(2027, 3, 28)),
        ("Europe/Paris", date(2027, 10, 31)),
        ("Australia/Lord_Howe", date(2027, 4, 4)),
        ("Australia/Lord_Howe", date(2027, 10, 3)),
        ("Asia/Kolkata", date(2027, 3, 28)),
    ],
)
def test_a_daily_flow_runs_once_a_day_at_its_local_time_over_a_change_of_the_clock(
    time_zone: str, change: date
) -> None:
    since = change - timedelta(days=5)
    days = [since + timedelta(days=day) for day in range(10)]
    assert runs("retrain", time_zone, since) == [datetime.combine(day, time(3)) for day in days]
    # A time that the change skips is an hour earlier or later on that day, and one that it repeats counts once.
    found = runs("backup", time_zone, since)
    assert [each.date() for each in found] == days
    assert {each.time() for each in found if each.date() != change} == {time(2, 15)}


def test_an_hourly_flow_runs_in_every_hour_of_the_local_clock() -> None:
    spring = runs("monitoring", "Europe/Paris", date(2027, 3, 28))[:3]
    assert [each.hour for each in spring] == [0, 1, 3]
    autumn = runs("monitoring", "Europe/Paris", date(2027, 10, 31))[:4]
    assert [each.hour for each in autumn] == [0, 1, 2, 3]


def test_flows_run_in_utc_unless_a_time_zone_is_set() -> None:
    (first, *_) = runs("retrain", "UTC", date(2027, 3, 28))
    assert first == datetime.combine(date(2027, 3, 28), time(3))
    assert {each.time_zone for each in list_deployments(PrefectSettings())} == {"UTC"}


@pytest.mark.parametrize(
    ("given", "remedy"),
    [("Europe/Pari", "Europe/Paris"), ("europe/paris", "Europe/Paris"), ("../zone", "IANA"), ("", "Europe/Paris")],
)
def test_an_unknown_time_zone_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, given: str, remedy: str
) -> None:
    monkeypatch.setenv("DANDELION_PREFECT__TIME_ZONE", given)
    with pytest.raises(SettingsError, match="DANDELION_PREFECT__TIME_ZONE") as refused:
        load_settings()
    assert repr(given) in str(refused.value)
    assert remedy in str(refused.value)


def test_a_machine_without_time_zones_is_named_with_the_remedy() -> None:
    code = (
        "import sys, zoneinfo\n"
        "zoneinfo.reset_tzpath(())\n"
        "sys.modules['tzdata'] = None\n"
        "from dandelion.settings import PrefectSettings\n"
        "print(PrefectSettings().time_zone)\n"
        "PrefectSettings(time_zone='Europe/Paris')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stdout == "UTC\n"
    assert "this machine has no time zones. Install tzdata" in found.stderr


def test_a_schedule_of_an_unknown_flow_is_refused() -> None:
    with pytest.raises(SettingsError, match="unknown flow 'retrian'"):
        list_deployments(PrefectSettings(schedules={"retrian": "0 4 * * *"}))
