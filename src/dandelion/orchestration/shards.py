"""Process many photos in parallel shards: in threads, or on Dask or Ray, through Prefect's task runners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from dandelion.errors import SettingsError
from dandelion.inference.cores import usable_cores
from dandelion.settings import PrefectSettings

Item = TypeVar("Item")
Result = TypeVar("Result")

RETRIES = 2


class _Sealed:
    """Wraps a shard so that neither Prefect nor Dask searches each of its thousand photos for futures."""

    def __init__(self, shard: Sequence[Any]) -> None:
        self.shard = shard


def cut(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Cut `items` into parts of up to `size` items."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def run_shards(
    work: Callable[[Sequence[Item]], Result],
    shards: Sequence[Sequence[Item]],
    options: PrefectSettings,
    *,
    on_done: Callable[[Result], None] = lambda _: None,
) -> list[Result]:
    """Run `work` on every shard and return the results in order; `on_done` gets each, in order.

    Each shard is a task, retried when it fails. `work` must be picklable, since it may run in another process.
    """
    if not shards:
        return []

    def run(sealed: _Sealed) -> Result:
        return work(sealed.shard)

    mapped = Task(run, name=getattr(work, "__name__", "shard"), cache_policy=NO_CACHE, retries=RETRIES)
    found = []
    with create_task_runner(options) as runner:
        futures = [runner.submit(mapped, {"sealed": _Sealed(shard)}) for shard in shards]
        for future in futures:
            found.append(future.result())
            on_done(found[-1])
    return found


def create_task_runner(options: PrefectSettings) -> TaskRunner[Any]:
    """Create the task runner that the settings name.

    Raises:
        SettingsError: The task runner is not installed.
    """
    if options.runner == "threads":
        return ThreadPoolTaskRunner(max_workers=usable_cores() + 1)
    try:
        if options.runner == "dask":
            from prefect_dask.task_runners import DaskTaskRunner

            own = None if options.runner_address else {"dashboard_address": None, "threads_per_worker": 1}
            return DaskTaskRunner(address=options.runner_address, cluster_kwargs=own)
        from prefect_ray.task_runners import RayTaskRunner

        runner: TaskRunner[Any] = RayTaskRunner(address=options.runner_address)
        return runner
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"DANDELION_PREFECT__RUNNER is {options.runner}, but {error.name} is not installed.",
            f"pip install 'dandelion[{options.runner}]'",
        ) from error
