"""Serve the flows on this machine, with their schedules: each run in its own process, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from dandelion.errors import OrchestrationError
from dandelion.flows.catalogue import Deployment, list_deployments
from dandelion.orchestration.prefect_api import PrefectApi, prefect_url
from dandelion.settings import PrefectSettings, Settings

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

# One run trains; monitoring or a batch may run beside it.
MAX_RUNS = 3
POLL_SECONDS = 2.0
PATIENCE_SECONDS = 120.0


def use_prefect(options: PrefectSettings) -> None:
    """Configure Prefect's server for this process and its children; call it before Prefect is imported."""
    os.environ.update(
        {
            "PREFECT_API_URL": f"{prefect_url(options)}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            # Otherwise a run without a server would start its own, which nobody sees.
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        }
    )
    if options.auth is not None:
        os.environ["PREFECT_API_AUTH_STRING"] = options.auth.get_secret_value()


async def wait_for_prefect(settings: Settings) -> None:
    """Return once Prefect responds.

    Raises:
        OrchestrationError: It did not respond for `PATIENCE_SECONDS`.
    """
    async with PrefectApi(settings) as api:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not await api.is_reachable():  # noqa: ASYNC110 -- another process's state has no event
                    await asyncio.sleep(0.5)
        except TimeoutError as error:
            raise OrchestrationError(
                f"Prefect at {api.url} did not respond for {PATIENCE_SECONDS:.0f} s.",
                "Start it with `dandelion up`, or set DANDELION_PREFECT__URL.",
            ) from error


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Run all flows that are triggered or due, and `say` a line once they are registered; SIGTERM and Ctrl-C end it.

    Raises:
        OrchestrationError: Prefect does not respond.
    """
    use_prefect(settings.prefect)
    asyncio.run(_serve(settings, say))


async def _serve(settings: Settings, say: Callable[[str], None]) -> None:
    await wait_for_prefect(settings)
    from prefect.runner import Runner

    # Deployments and their schedules outlive this process: runs that fall due meanwhile start when it is back.
    runner = Runner(name="dandelion", pause_on_shutdown=False, limit=MAX_RUNS, query_seconds=POLL_SECONDS)
    deployments = list_deployments(settings.prefect)
    for each in deployments:
        await runner.aadd_deployment(as_runner_deployment(each))
    say(f"Flows are served: {', '.join(each.name for each in deployments)}.")
    stop = asyncio.Event()
    # Prefect's own SIGTERM handler calls a coroutine without awaiting it, and then raises an exception.
    loop = asyncio.get_running_loop()
    runner.handle_sigterm = partial(_on_signal, loop, stop)  # type: ignore[method-assign]
    loop.add_signal_handler(signal.SIGINT, stop.set)
    serving, stopping = asyncio.create_task(runner.start()), asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        await runner.astop()
    stopping.cancel()
    await serving


def _on_signal(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, *_: object, **__: object) -> None:
    loop.call_soon_threadsafe(stop.set)


def as_runner_deployment(each: Deployment) -> RunnerDeployment:
    """A flow as Prefect's client registers it."""
    from prefect.deployments.runner import RunnerDeployment
    from prefect.events import DeploymentEventTrigger
    from prefect.schedules import Cron

    # When a run was killed, another run resumes from what it had recorded.
    after_crash = DeploymentEventTrigger(
        name=f"{each.name} resumes after a crash",
        expect={"prefect.flow-run.Crashed"},
        match_related={"prefect.resource.role": "deployment", "prefect.resource.name": each.name},
        parameters={"reason": "resumes after a crash"},
    )
    return RunnerDeployment.from_entrypoint(
        each.entrypoint,
        name=each.name,
        description=each.description,
        schedule=Cron(each.cron, timezone=each.time_zone) if each.cron else None,
        triggers=[after_crash] if each.resumes_after_crash else [],
    )
