"""Artifacts of a run in Prefect."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.servers.prefect import PrefectServer

# In a process of its own: Prefect reads where its server is when it is imported.
RUN = """
from prefect import flow, runtime
from prefect.client.orchestration import get_client
import httpx
from dandelion.orchestration import artifacts
from dandelion.orchestration.artifacts import ProgressBar, show_text

def lose(*_, **__):
    raise httpx.ReadTimeout("no answer")

@flow
def work():
    bar = ProgressBar()
    bar.show(10, "a tenth")
    bar.show(50, "half")
    with get_client(sync_client=True) as client:
        mine = {"artifacts": {"flow_run_id": {"any_": [str(runtime.flow_run.id)]}}}
        (shown,) = client.request("POST", "/artifacts/filter", json=mine).json()
        client.request("DELETE", "/artifacts/{id}", path_params={"id": shown["id"]}).raise_for_status()
    bar.show(90, "most")
    show_text("# Good", key="page", description="A page")
    artifacts.create_markdown_artifact = lose
    show_text("# Better", key="page", description="A page")
    print("RESULT", shown["data"], shown["description"])

work()
"""


def test_work_goes_on_where_nothing_of_it_is_taken(prefect: PrefectServer) -> None:
    env = {"PREFECT_API_URL": f"{prefect.url}/api", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    done = subprocess.run(
        [sys.executable, "-c", RUN], env={**os.environ, **env}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "RESULT 50 half" in done.stdout.replace("50.0", "50")
    assert "Prefect did not accept the artifact 'progress'" in done.stderr
    assert done.stderr.count("Prefect did not accept the artifact 'page' (ReadTimeout).") == 1
