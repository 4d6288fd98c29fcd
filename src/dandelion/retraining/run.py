"""A running retraining: what its steps work with, and what outlives its process."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, TypeAlias

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.db import audit, retrainings
from dandelion.db.retrainings import RetrainingRecord
from dandelion.domain import CHAMPION, STARTER
from dandelion.objects import ObjectStore, create_store
from dandelion.orchestration.retrainings import RetrainingRequest
from dandelion.package import ModelPackage, open_package
from dandelion.package.starter import starter_path
from dandelion.registry import Registry, create_registry
from dandelion.retraining.guard import claim, heartbeat, in_transaction
from dandelion.retraining.state import State
from dandelion.settings import Settings

# Calls `work(store, shard)` for shards of items, here or elsewhere, and returns the results in order.
Spread = Callable[[Callable[[ObjectStore, Sequence[Any]], Any], Sequence[Any]], list[Any]]
# One of the seven: safe to repeat.
Step: TypeAlias = "Callable[[Run, State], State]"
_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Champion:
    """The model in service while a run is running; its version is `starter` while the registry has no champion."""

    version: str
    package: ModelPackage

    @property
    def is_starter(self) -> bool:
        """Whether it is the bundled model, whose classes the user did not choose."""
        # Not by the package's digest, which changes with each word of its model card.
        return self.package.manifest.dataset_digest == open_package(starter_path()).manifest.dataset_digest


class Run:
    """What the steps work with: settings, servers, and where they report. What they find is in `state`.

    Attributes:
        earlier: A run to resume, which failed or was killed after it had frozen its photos.
        dataset_digest: The dataset version that this run, or the run that it resumes, froze before it was killed.
        registered: Number of the version that this run, or the run that it resumes, registered before it was killed.
        say: Called with a line about what the run does.
        progress: Called with the progress of training: percent, and a line.
        publish: Called with the gate's decision as Markdown.
        spread: Where photos are inspected and copied.
        state: What the steps have found so far.
    """

    def __init__(
        self,
        settings: Settings,
        record: RetrainingRecord,
        request: RetrainingRequest,
        earlier: RetrainingRecord | None = None,
    ) -> None:
        self.settings = settings
        self.id = record.id
        self.request = request
        self.earlier = earlier
        self.say: Callable[[str], None] = log.info
        self.progress: Callable[[float, str], None] = lambda percent, words: log.info(words, percent=percent)
        self.publish: Callable[[str], None] = lambda _: None
        self.spread: Spread = lambda work, items: [work(self.store, items)]
        self.started = time.monotonic()
        self.folder = settings.home / "retraining" / record.id
        self.dataset_digest = record.dataset or (earlier.dataset if earlier else None)
        self.registered = record.version or (earlier.version if earlier else None)
        self.state = State()

    def fail(self, reason: str) -> None:
        """End the run, unless a step has ended it before."""
        if self.state.outcome is None:
            self.state = self.state.end("failed", reason)

    @cached_property
    def store(self) -> ObjectStore:
        """The object store with photos and dataset versions."""
        store = create_store(self.settings)
        store.prepare()
        return store

    @cached_property
    def registry(self) -> Registry:
        """The registry of model versions."""
        return create_registry(self.settings)

    @cached_property
    def champion(self) -> Champion | None:
        """The champion when the run first read it, or the starter if the registry has no champion."""
        found = self.registry.find_alias(CHAMPION)
        if found is not None:
            return Champion(found.version, self.registry.download(found, self.settings.cache))
        return Champion(STARTER, open_package(starter_path())) if self.settings.model.starter else None

    def remember(self, *, dataset: str | None = None, version: str | None = None) -> None:
        """Record the dataset version and the model version, so that another run can resume from them."""
        in_transaction(self.settings, lambda on: retrainings.note(on, self.id, dataset=dataset, version=version))


@contextmanager
def begin(
    settings: Settings, run_id: str, request: RetrainingRequest, *, is_over: Callable[[str], bool] = lambda _: False
) -> Iterator[Run | None]:
    """Begin or resume a run under its lock, as `claim` does, and record how it ends.

    Yields None while another run is running.

    Raises:
        DatabaseError: The database does not respond.
    """
    record = claim(settings, run_id, request, is_over)
    if record is None:
        yield None
        return
    # Within the cooldown, a run resumes an earlier one that did not finish, and uses its photos.
    since = datetime.now(UTC) - timedelta(hours=settings.retraining.cooldown_hours)
    earlier = in_transaction(settings, lambda on: retrainings.unfinished(on, since))
    run = Run(settings, record, request, earlier)
    with heartbeat(settings, run_id):
        try:
            _remove_left(run)
            yield run
        except BaseException as error:
            # Whatever stops a run between two steps, including an interrupt, leaves it in a state that can be resumed.
            run.fail(f"{type(error).__name__}: {error}")
            raise
        finally:
            _finish(run)
            shutil.rmtree(run.folder, ignore_errors=True)


def _remove_left(run: Run) -> None:
    """Remove files of killed runs: photos that no erasure would find. Their checkpoints are in the object store."""
    for folder in run.folder.parent.glob("*"):
        if folder != run.folder and _RUN_ID.fullmatch(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def _finish(run: Run) -> None:
    outcome, message = run.state.outcome or "failed", run.state.reason or "It ended without a message."
    detail = {
        "outcome": "failed" if outcome in {"failed", "rolled_back"} else "succeeded",
        "decision": outcome,
        "seconds": round(time.monotonic() - run.started, 1),
        "asked": str(run.request),
        "message": message,
    }
    candidate = run.state.candidate
    subject = f"version {candidate.version}" if candidate else "no candidate"

    async def write(on: AsyncConnection) -> None:
        await retrainings.finish(on, run.id, state=outcome, message=message)
        await audit.record(on, actor="flow:retrain", action="retrain", subject=subject, detail=detail)

    in_transaction(run.settings, write)
