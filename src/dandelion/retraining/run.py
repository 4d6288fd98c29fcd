"""The state of a running retraining: what its steps share, and what outlives its process."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.db import audit, retrainings
from dandelion.db.retrainings import Retraining
from dandelion.domain import CHAMPION, STARTER, ModelVersion
from dandelion.objects import ObjectStore, create_store
from dandelion.package import ModelPackage, open_package
from dandelion.package.starter import starter_path
from dandelion.package.store import digest_of
from dandelion.registry import Registry, create_registry
from dandelion.retraining.compare import Comparison
from dandelion.retraining.guard import Heartbeat, claim, in_transaction
from dandelion.retraining.lake import Inspected, Source
from dandelion.retraining.request import Outcome, RetrainingRequest
from dandelion.settings import Settings
from dandelion.training.versions import DatasetVersion

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """The outcome of a step.

    Attributes:
        message: What it did, in a sentence or two.
        skipped: Whether it had nothing to do.
    """

    message: str
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Champion:
    """The model in service while a run is running.

    Attributes:
        version: Its number; `starter` while the registry has no champion.
        package: The model.
    """

    version: str
    package: ModelPackage

    @property
    def is_starter(self) -> bool:
        """Whether it is the bundled model, whose classes the user did not choose."""
        return self.package.digest == digest_of(starter_path())


class Run:
    """What the steps share. Steps set what they found; `end` sets how the run ended.

    Args:
        settings: All settings.
        record: The run's row in the database.
        request: Why it runs.
        earlier: A run to resume, which failed or was killed after it had frozen its photos.

    Attributes:
        registered: Number of the version that this run, or the run that it resumes, registered before it was killed.
        say: Called with a line about what the run does.
        progress: Called with the progress of training: percent, and a line.
        outcome: How it ended; None while it is running.
        message: Why it ended so.
        links: Name to address, for the notification.
        report: The gate's decision as Markdown.
    """

    def __init__(
        self,
        settings: Settings,
        record: Retraining,
        request: RetrainingRequest,
        earlier: Retraining | None = None,
    ) -> None:
        self.settings = settings
        self.id = record.id
        self.request = request
        self.earlier = earlier
        self.say: Callable[[str], None] = log.info
        self.progress: Callable[[float, str], None] = lambda percent, words: log.info(words, percent=percent)
        self.started = time.monotonic()
        self.folder = settings.home / "retraining" / record.id
        self.dataset_digest = record.dataset or (earlier.dataset if earlier else None)
        self.registered = record.version or (earlier.version if earlier else None)
        self.outcome: Outcome | None = None
        self.message = ""
        self.links: dict[str, str] = {}
        self.sources: list[Source] = []
        self.news: list[Source] = []
        self.inspected: list[Inspected] = []
        self.parent: DatasetVersion | None = None
        self.draft: DatasetVersion | None = None
        self.copies: list[tuple[str, str, str]] = []
        self.dataset: DatasetVersion | None = None
        self.candidate: ModelVersion | None = None
        self.comparison: Comparison | None = None
        self.report = ""

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

    @property
    def frozen(self) -> DatasetVersion:
        """The frozen dataset version."""
        if self.dataset is None:
            raise RuntimeError("prepare_data comes first")
        return self.dataset

    @property
    def trained(self) -> ModelVersion:
        """The candidate."""
        if self.candidate is None:
            raise RuntimeError("train_model comes first")
        return self.candidate

    def end(self, outcome: Outcome, message: str) -> Step:
        """End the run with the result of a step."""
        self.outcome, self.message = outcome, message
        return Step(message)

    def skip(self) -> Step | None:
        """The outcome of a step if the run has ended already; None if the run is still running."""
        return None if self.outcome is None else Step(f"Nothing to do: the run was {self.outcome}.", skipped=True)

    def remember(self, *, dataset: str | None = None, version: str | None = None) -> None:
        """Record the dataset version and the model version, so that another run can resume from them."""
        in_transaction(self.settings, lambda on: retrainings.note(on, self.id, dataset=dataset, version=version))


@contextmanager
def begin(
    settings: Settings, run_id: str, request: RetrainingRequest, *, is_over: Callable[[str], bool] = lambda _: False
) -> Iterator[Run | None]:
    """Begin a run under its lock and record how it ends; yield None while another run is running.

    Args:
        settings: All settings.
        run_id: A UUID; a run of that id that was begun before is resumed.
        request: Why it runs.
        is_over: Whether a run that holds the lock is known to have been killed.

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
    with Heartbeat(settings, run_id):
        try:
            _remove_left(run)
            yield run
        except BaseException as error:
            # Whatever stops a run between two steps, including an interrupt, leaves it in a state that can be resumed.
            run.outcome = run.outcome or "failed"
            run.message = run.message or f"{type(error).__name__}: {error}"
            raise
        finally:
            _finish(run)
            shutil.rmtree(run.folder, ignore_errors=True)


def _remove_left(run: Run) -> None:
    """Remove files of killed runs: photos that no erasure would find. Their checkpoints are in the object store."""
    for folder in run.folder.parent.glob("*"):
        if folder != run.folder and _is_run(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def _is_run(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def _finish(run: Run) -> None:
    outcome, message = run.outcome or "failed", run.message or "It ended without a message."
    detail = {
        "outcome": "failed" if outcome in {"failed", "rolled_back"} else "succeeded",
        "decision": outcome,
        "seconds": round(time.monotonic() - run.started, 1),
        "asked": str(run.request),
        "message": message,
    }
    subject = f"version {run.candidate.version}" if run.candidate else "no candidate"

    async def write(on: AsyncConnection) -> None:
        await retrainings.finish(on, run.id, state=outcome, message=message)
        await audit.record(on, actor="flow:retrain", action="retrain", subject=subject, detail=detail)

    in_transaction(run.settings, write)
