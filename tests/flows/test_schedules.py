"""Schedules on a real Prefect server: one a flow, in the time zone of the settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.servers.prefect import PrefectServer

# In a process of its own, as Prefect's client reads its settings once.
DEPLOYED = """
import asyncio, json, pathlib, sys
import httpx
from dandelion.flows.deploy import deploy
from dandelion.settings import load_settings
found, settings = [], load_settings()
for zone in ("UTC", "Europe/Paris"):
    given = settings.model_copy(update={"prefect": settings.prefect.model_copy(update={"time_zone": zone})})
    options = {"concurrency": None, "folder": pathlib.Path("/"), "template": None, "variables": {}}
    names = asyncio.run(deploy(given, "zones", "process", **options))
    urls = [f"{settings.prefect.url}/api/deployments/name/{name}/{name}" for name in names]
    found.append({name: httpx.get(url).json()["schedules"] for name, url in zip(names, urls)})
json.dump(found, sys.stdout)
"""


def test_a_new_time_zone_replaces_the_schedule(prefect: PrefectServer, tmp_path: Path) -> None:
    """A second schedule beside the first would start every run twice."""
    env = {
        "DANDELION_HOME": str(tmp_path),
        "DANDELION_PREFECT__URL": prefect.url,
        "DANDELION_PREFECT__SCHEDULES": '{"backup": ""}',
    }
    argv = [sys.executable, "-c", DEPLOYED]
    done = subprocess.run(argv, env={**os.environ, **env}, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    for zone, found in zip(("UTC", "Europe/Paris"), json.loads(done.stdout), strict=True):
        schedules = {
            flow: [(each["schedule"]["cron"], each["schedule"]["timezone"]) for each in registered]
            for flow, registered in found.items()
        }
        assert schedules == {
            "retrain": [("0 3 * * *", zone)],
            "predict-batch": [],
            "backup": [],
            "monitoring": [("5 * * * *", zone)],
        }
