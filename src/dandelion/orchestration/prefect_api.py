"""A client of Prefect's HTTP API, for processes without Prefect installed, such as the API's pod."""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Self

import httpx
import msgspec

from dandelion.domain import FlowRun, FlowStep
from dandelion.errors import FlowRunNotFoundError, OrchestrationError
from dandelion.http.addresses import url_of
from dandelion.settings import PrefectSettings, Settings

TIMEOUT_SECONDS = 10.0
# Tasks that are read for one query: the steps, and the shards among them.
MAX_STEPS = 200
# Prefect over SQLite responds with these while others write.
BUSY = frozenset({429, 503})
TRIES, PAUSE_SECONDS = 10, 1.0
_AT_ONCE = timedelta(seconds=5)
ENDED = frozenset({"completed", "failed", "crashed", "cancelled"})


class _State(msgspec.Struct):
    type: str = "PENDING"
    name: str = ""
    message: str | None = None


class _RunRow(msgspec.Struct):
    id: str
    name: str
    state: _State | None = None
    parameters: dict[str, Any] = {}
    expected_start_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    flow_run_id: str | None = None
    created: datetime | None = None


class _Artifact(msgspec.Struct):
    task_run_id: str | None
    description: str | None = None
    data: float | None = None


class _Log(msgspec.Struct):
    message: str
    timestamp: datetime


def prefect_url(options: PrefectSettings) -> str:
    """Prefect's address: the server that the settings name, or the embedded one."""
    return (options.url or url_of(options.host, options.port)).rstrip("/").removesuffix("/api")


class PrefectApi:
    """Everything that Dandelion needs of Prefect. Every method may raise `OrchestrationError`."""

    def __init__(self, settings: Settings) -> None:
        options = settings.prefect
        self.url = prefect_url(options)
        self._ui_url = (options.ui_url or self.url).rstrip("/")
        auth = options.auth.get_secret_value().partition(":") if options.auth else None
        self._http = httpx.AsyncClient(
            base_url=f"{self.url}/api/",
            timeout=TIMEOUT_SECONDS,
            auth=(auth[0], auth[2]) if auth else None,
            verify=_certificates(),
        )

    async def is_reachable(self) -> bool:
        """Whether Prefect responds."""
        try:
            return (await self._http.get("health")).is_success
        except httpx.HTTPError:
            return False

    async def start(self, flow: str, parameters: Mapping[str, Any], *, once: str | None = None) -> FlowRun:
        """Trigger a run of a deployed flow, which starts within seconds.

        `once` is an idempotency key: a second call with the same key returns the run of the first.

        Raises:
            OrchestrationError: The flow is not deployed, or Prefect refuses the parameters.
        """
        try:
            deployment = await self._request("GET", f"deployments/name/{flow}/{flow}")
        except FlowRunNotFoundError as error:
            raise OrchestrationError(
                f"Prefect at {self.url} has no deployment {flow!r}.",
                "Start `dandelion up` or `dandelion flows serve`, or run `dandelion flows deploy` for a work pool.",
            ) from error
        key = once or uuid.uuid4().hex  # a retried request must not start a second run
        body = {"parameters": dict(parameters), "state": {"type": "SCHEDULED"}, "idempotency_key": key}
        found = await self._request("POST", f"deployments/{deployment['id']}/create_flow_run", body)
        return self._as_run(msgspec.convert(found, _RunRow), [])

    async def list_runs(self, flow: str, *, limit: int) -> list[FlowRun]:
        """Runs that are running, have ended or are due now, newest first; not those scheduled for later."""
        due = {"expected_start_time": {"before_": datetime.now(UTC).isoformat()}}
        runs = await self._runs(flow, due, "EXPECTED_START_TIME_DESC", limit)
        steps = await self._steps([run.id for run in runs])
        return [self._as_run(run, steps.get(run.id, [])) for run in runs]

    async def get_run(self, run_id: str) -> FlowRun:
        """One run.

        Raises:
            FlowRunNotFoundError: Prefect has no run of that id.
        """
        run = msgspec.convert(await self._request("GET", f"flow_runs/{run_id}"), _RunRow)
        return self._as_run(run, (await self._steps([run_id])).get(run_id, []))

    async def find_active(self, flow: str) -> FlowRun | None:
        """A run that is running, or was triggered and is about to start; None if there is no such run."""
        for states in (["RUNNING", "PENDING"], ["SCHEDULED"]):
            of_state = {"state": {"type": {"any_": states}}}
            for run in await self._runs(flow, of_state, "EXPECTED_START_TIME_ASC", 50):
                # Prefect creates a scheduled run long before its start, and a triggered run just before it.
                is_triggered = (
                    run.created and run.expected_start_time and run.expected_start_time <= run.created + _AT_ONCE
                )
                if is_triggered or "SCHEDULED" not in states:
                    return self._as_run(run, [])
        return None

    async def read_log(self, run_id: str, *, after: int, limit: int = 200) -> list[str]:
        """Log lines of a run, oldest first, without the first `after` lines."""
        of_run = {"flow_run_id": {"any_": [run_id]}}
        body = {"logs": of_run, "sort": "TIMESTAMP_ASC", "offset": after, "limit": limit}
        logs = msgspec.convert(await self._request("POST", "logs/filter", body), list[_Log])
        return [f"{log.timestamp:%H:%M:%S} {log.message}" for log in logs]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def _runs(self, flow: str, which: Mapping[str, Any], sort: str, limit: int) -> list[_RunRow]:
        body = {"flows": {"name": {"any_": [flow]}}, "flow_runs": which, "sort": sort, "limit": limit}
        return msgspec.convert(await self._request("POST", "flow_runs/filter", body), list[_RunRow])

    async def _steps(self, run_ids: Sequence[str]) -> dict[str, list[FlowStep]]:
        if not run_ids:
            return {}
        these = {"flow_runs": {"id": {"any_": list(run_ids)}}}
        tasks, artifacts = await asyncio.gather(
            self._request("POST", "task_runs/filter", {**these, "sort": "EXPECTED_START_TIME_ASC", "limit": MAX_STEPS}),
            self._request("POST", "artifacts/filter", {**these, "artifacts": {"type": {"any_": ["progress"]}}}),
        )
        progress = {each.task_run_id: each for each in msgspec.convert(artifacts, list[_Artifact])}
        found: dict[str, list[FlowStep]] = {}
        for task in msgspec.convert(tasks, list[_RunRow]):
            found.setdefault(task.flow_run_id or "", []).append(_as_step(task, progress.get(task.id)))
        return found

    def _as_run(self, run: _RunRow, steps: list[FlowStep]) -> FlowRun:
        state = run.state or _State()
        return FlowRun(
            run_id=run.id,
            name=run.name,
            url=f"{self._ui_url}/runs/flow-run/{run.id}",
            state=state.type.lower(),
            outcome=state.name,
            message=state.message or "",
            parameters=run.parameters,
            created_at=run.created,
            started_at=run.start_time,
            ended_at=run.end_time,
            steps=steps,
        )

    async def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        try:
            for _ in range(TRIES):
                response = await self._http.request(method, path, json=body)
                if response.status_code not in BUSY:
                    break
                await asyncio.sleep(PAUSE_SECONDS)
        except httpx.HTTPError as error:
            raise OrchestrationError(
                f"Prefect at {self.url} did not respond ({type(error).__name__}).",
                "Start it with `dandelion up`, or set DANDELION_PREFECT__URL.",
            ) from error
        if response.status_code == 404:
            raise FlowRunNotFoundError(f"Prefect at {self.url} has no {path}.", "Check the id.")
        if response.status_code == 401:
            raise OrchestrationError(f"Prefect at {self.url} requires a password.", "Set DANDELION_PREFECT__AUTH.")
        if not response.is_success:
            raise OrchestrationError(
                f"Prefect at {self.url} returned {response.status_code} for {path}: {response.text[:300]}",
                "Check Prefect's log.",
            )
        return response.json()


@cache
def _certificates() -> ssl.SSLContext:
    """Those that a server's may be signed by, read once: that takes 20 ms, in which a process does nothing else."""
    return httpx.create_ssl_context()


async def has_ended(settings: Settings, run_id: str) -> bool:
    """Whether Prefect says that a run has ended; False if Prefect does not know the run or does not respond."""
    async with PrefectApi(settings) as api:
        try:
            return (await api.get_run(run_id)).state in ENDED
        except OrchestrationError:
            return False


def _as_step(task: _RunRow, progress: _Artifact | None) -> FlowStep:
    state = task.state or _State()
    message = progress.description if progress and state.type == "RUNNING" else state.message
    return FlowStep(
        name=task.name.rsplit("-", 1)[0],
        state="skipped" if state.name == "Skipped" else state.type.lower(),
        started_at=task.start_time,
        ended_at=task.end_time,
        message=message or "",
        percent=progress.data if progress else None,
    )
