"""`dandelion up`: everything on one machine."""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dandelion.cli.supervisor import Part, Supervisor
from dandelion.errors import DandelionError
from dandelion.http.addresses import url_of
from dandelion.http.sockets import check_port
from dandelion.orchestration.prefect_api import prefect_url
from dandelion.registry import artifacts_uri, embedded_url, tracking_uri
from dandelion.settings import Settings


def run_up(settings: Settings) -> int:
    """Start every part, print the addresses, restart parts that die, stop at a signal; return the exit status.

    Raises:
        PortInUseError: Another process listens on a port that a part needs.
        DandelionError: Another `dandelion up` uses the same folder, or an address cannot be listened on.
    """
    with _only_one(settings.home):
        for host, port, variable in ports_of(settings):
            check_port(host, port, variable)
        asyncio.run(_supervise(settings))
    return 0


def ports_of(settings: Settings) -> list[tuple[str, int, str]]:
    """Host, port and the port's setting for every socket of the parts."""
    api, registry, prefect, ui = settings.api, settings.registry, settings.prefect, settings.ui
    found = [(api.host, api.port, "DANDELION_API__PORT"), (ui.host, ui.port, "DANDELION_UI__PORT")]
    if api.monitoring_port is not None:
        found.append((api.host, api.monitoring_port, "DANDELION_API__MONITORING_PORT"))
    if settings.grpc.port:
        found.append((settings.grpc_host, settings.grpc.port, "DANDELION_GRPC__PORT"))
    if registry.uri is None:
        found.append((registry.host, registry.port, "DANDELION_REGISTRY__PORT"))
    if prefect.url is None:
        found.append((prefect.host, prefect.port, "DANDELION_PREFECT__PORT"))
    return found


def parts_of(settings: Settings) -> list[Part]:
    """All parts: API, web page, and MLflow and Prefect unless the settings name other servers."""
    mlflow_url = embedded_url(settings)
    ui_url = url_of(settings.ui.host, settings.ui.port)
    environment = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Its runners of evaluation jobs would be nine more processes that nothing here uses.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONUNBUFFERED": "1",
    }
    api = Part(
        name="API",
        argv=[sys.executable, "-m", "dandelion", "serve"],
        url=f"{settings.api.url}/docs",
        # Not whether a model is there: where the cache was emptied, the API waits for MLflow, which comes after it.
        health_url=f"{settings.api.monitoring_url}/livez",
        env={
            **environment,
            "DANDELION_REGISTRY__URI": settings.registry.uri or mlflow_url,
            # The web page forwards its visitors' addresses.
            "DANDELION_API__TRUSTED_PROXIES": json.dumps([*settings.api.trusted_proxies, "127.0.0.1", "::1"]),
        },
    )
    ui = Part(
        name="UI",
        argv=[sys.executable, "-m", "dandelion", "ui"],
        url=ui_url,
        health_url=f"{ui_url}/readyz",
        env=environment,
        waits_for="API",
    )
    if settings.registry.uri is not None:
        return [ui, api, *_flows(settings, environment, after="UI")]
    mlflow = Part(
        name="MLflow",
        argv=[
            *(sys.executable, "-m", "mlflow", "server"),
            *("--backend-store-uri", tracking_uri(settings)),
            # Paths rather than proxied artifacts: `dandelion train` and `models` use the same database directly,
            # whether or not the page runs.
            *("--default-artifact-root", artifacts_uri(settings.home), "--no-serve-artifacts"),
            *("--host", settings.registry.host, "--port", str(settings.registry.port), "--workers", "1"),
        ],
        url=mlflow_url,
        health_url=f"{mlflow_url}/health",
        env=environment,
        after=[sys.executable, "-m", "dandelion", "models", "register", "--if-empty"],
        waits_for="UI",
    )
    return [ui, api, mlflow, *_flows(settings, environment, after="MLflow")]


def _flows(settings: Settings, environment: dict[str, str], *, after: str) -> list[Part]:
    """Prefect's server, unless the settings name another one, and the process that runs the flows."""
    if importlib.util.find_spec("prefect") is None:
        return []  # without the extra there are no flows
    url = prefect_url(settings.prefect)
    served = Part(
        name="Flows",
        argv=[sys.executable, "-m", "dandelion", "flows", "serve"],
        url=f"{url}/deployments",
        health_url=f"{url}/api/deployments/name/retrain/retrain",
        env=environment,
        waits_for=after if settings.prefect.url else "Prefect",
    )
    if settings.prefect.url is not None:
        return [served]
    home = settings.home / "prefect"
    server = Part(
        name="Prefect",
        argv=[
            *(sys.executable, "-m", "prefect", "server", "start"),
            *("--host", settings.prefect.host, "--port", str(settings.prefect.port)),
        ],
        url=url,
        health_url=f"{url}/api/health",
        env={
            **environment,
            "PREFECT_HOME": str(home),
            "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{(home / 'prefect.db').absolute()}",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_API_URL": f"{url}/api",
        },
        waits_for=after,
    )
    return [server, served]


async def _supervise(settings: Settings) -> None:
    console = Console(highlight=False, soft_wrap=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    parts = parts_of(settings)
    supervisor = Supervisor(parts, settings.home / "logs", lambda line: console.print(line, markup=False))
    started = time.monotonic()
    supervisor.start()
    try:
        with console.status("Starting ..."):
            stopping = asyncio.create_task(stop.wait())
            healthy = asyncio.create_task(supervisor.wait_until_healthy("API"))
            await asyncio.wait({stopping, healthy}, return_when=asyncio.FIRST_COMPLETED)
            healthy.cancel()
        if not stop.is_set():
            console.print(addresses_of(parts, settings, time.monotonic() - started))
        others = asyncio.create_task(_report_others(supervisor, parts, console, started))
        await stopping
        others.cancel()
        console.print("Stopping ...")
    finally:
        await supervisor.stop()
    console.print("Stopped.")


async def _report_others(supervisor: Supervisor, parts: list[Part], console: Console, started: float) -> None:
    """Print a line once all parts are healthy."""
    for part in parts:
        await supervisor.wait_until_healthy(part.name)
    console.print(f"All parts answer ({time.monotonic() - started:.1f} s).")


def addresses_of(parts: list[Part], settings: Settings, seconds: float) -> Table:
    """What to print once the parts run, after so many seconds."""
    table = Table(title=f"Dandelion is up ({seconds:.1f} s)", title_justify="left", show_header=False, box=None)
    for part in parts:
        table.add_row(part.name, part.url)
    if settings.grpc.port:  # without a scheme, as its clients want it
        address = url_of(settings.grpc_host, settings.grpc.port).removeprefix("http://")
        table.add_row("gRPC", f"{address} ({'encrypted' if settings.grpc.tls_certificate else 'not encrypted'})")
    table.add_row("Data and logs", str(settings.home))
    table.add_row("Try", f"curl -F file=@photo.jpg {settings.api.url}/predict")
    table.add_row("Stop", "Ctrl-C")
    return table


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel releases it however the process ends."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "up.lock").open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise DandelionError(
                f"Another `dandelion up` (process {file.read().strip()}) already runs on {home}.",
                "Stop it, or set DANDELION_HOME to another folder.",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
