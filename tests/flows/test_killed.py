"""A worker that is killed in training: another run resumes from its last epoch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from dandelion.client import Client
from dandelion.domain import Retraining
from dandelion.errors import DandelionError
from dandelion.objects import PROCESSED
from dandelion.retraining.lake import upload
from tests.flows.conftest import Stage
from tests.servers.prefect import FlowsProcess, PrefectServer
from tests.waiting import wait_until

EPOCHS = 4


@pytest.fixture(scope="module")
def stage(make_stage: Callable[..., Stage], prefect: PrefectServer) -> Stage:
    stage = make_stage(
        "killed",
        DANDELION_PREFECT__URL=prefect.url,
        DANDELION_RETRAINING__EPOCHS=str(EPOCHS),
        DANDELION_RETRAINING__IMAGE_SIZE="64",
    )
    upload(stage.store, stage.photos, progress=lambda *_: None)
    return stage


@pytest.fixture
def flows(stage: Stage, prefect: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowsProcess]:
    process = FlowsProcess(prefect, tmp_path_factory.mktemp("flows") / "flows.log", stage.env)
    process.start()
    yield process
    process.end()


def wait_for(holds: Callable[[], object], what: str) -> None:
    # Prefect over SQLite is busy now and then.
    wait_until(holds, what, seconds=900, every=0.5, not_yet=(DandelionError, httpx.HTTPError))


def epoch_of(run: Retraining) -> int:
    """The last epoch that the run has told of."""
    step = next(step for step in run.steps if step.name == "train_model")
    found = re.search(r"epoch (\d+) of", step.message)
    return int(found[1]) if found else 0


def test_a_killed_run_is_gone_on_with_and_loses_at_most_an_epoch(stage: Stage, flows: FlowsProcess) -> None:
    with Client(stage.api.url, timeout_seconds=60) as client:
        first = client.retrain(force=True, reason="to be killed").run_id
        wait_for(lambda: epoch_of(client.get_retraining(first)) >= 2, "the second epoch")
        flows.kill_run()
        killed = client.get_retraining(first)
        reached = epoch_of(killed)
        assert list(stage.store.list_objects(PROCESSED, "training/"))  # its checkpoint, where any machine finds it
        left = stage.settings.home / "retraining" / first
        assert list(left.glob("photos/*/*"))
        wait_for(lambda: client.get_retraining(first).state == "crashed", "the run counts as crashed")

        def others() -> list[Retraining]:
            return [
                run for run in client.list_retrainings() if run.run_id != first and run.reason.startswith("resumes")
            ]

        wait_for(others, "another run continues it")
        (second,) = others()
        seen: list[int] = []

        def ended() -> bool:
            run = client.get_retraining(second.run_id)
            if epoch := epoch_of(run):
                seen.append(epoch)
            return run.decision is not None

        wait_for(ended, "the other run ends")
        run = client.get_retraining(second.run_id)
    print(
        f"\nkilled after epoch {reached} of {EPOCHS}; the next run told of {sorted(set(seen))} "
        f"and ended: {run.decision}"
    )
    assert run.decision in {"promoted", "rejected"}, run
    assert run.steps[0].message.startswith(f"Resumes with the photos of run {first}")
    assert "resumed after it was killed" in run.steps[3].message
    assert min(seen) >= reached  # at most the epoch that was under way is done again
    assert not list(stage.store.list_objects(PROCESSED, "training/"))  # nothing is left behind
    assert not left.exists()
