"""What a retraining has found so far: a value that each step takes and returns anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from dandelion.domain import ModelVersion
from dandelion.retraining.compare import Comparison
from dandelion.retraining.lake import Source
from dandelion.training.versions import DatasetVersion

# `skipped`: nothing to do, or not now. `stopped`: the photos do not allow it. `rolled_back`: it was in service, and was
# rolled back.
Outcome = Literal["promoted", "rejected", "stopped", "skipped", "failed", "rolled_back"]


@dataclass(frozen=True, slots=True)
class State:
    """The state of a run after a step.

    Attributes:
        message: What the last step says, in a sentence or two.
        skipped: The last step had nothing to do, because the run had ended before.
        outcome: How the run ended; None while it continues.
        reason: Why it ended so.
        sources: Every labelled photo of the data lake.
        news: Those of them that the last dataset version lacks.
        parent: The dataset version that the next one extends.
        draft: The next dataset version, while it is not frozen.
        copies: Photos to copy for it: key in `data-lake`, key in `processed-data`, SHA-256.
        dataset: The frozen dataset version that the run rests on.
        candidate: The trained version.
        comparison: Candidate and champion on the same photos.
        links: Name to address, for the notification.
    """

    message: str = ""
    skipped: bool = False
    outcome: Outcome | None = None
    reason: str = ""
    sources: tuple[Source, ...] = ()
    news: tuple[Source, ...] = ()
    parent: DatasetVersion | None = None
    draft: DatasetVersion | None = None
    copies: tuple[tuple[str, str, str], ...] = ()
    dataset: DatasetVersion | None = None
    candidate: ModelVersion | None = None
    comparison: Comparison | None = None
    links: Mapping[str, str] = field(default_factory=dict)

    def after(self, message: str, **found: Any) -> State:
        """The state after a step that says `message` and found these attributes."""
        return replace(self, message=message, skipped=False, **found)

    def skip(self, message: str, **found: Any) -> State:
        """The state after a step that had nothing to do."""
        return replace(self, message=message, skipped=True, **found)

    def end(self, outcome: Outcome, reason: str, **found: Any) -> State:
        """The state of a run that a step ends."""
        return self.after(reason, outcome=outcome, reason=reason, **found)

    @property
    def frozen(self) -> DatasetVersion:
        """The dataset version that the run rests on."""
        if self.dataset is None:
            raise RuntimeError("prepare_data comes first")
        return self.dataset

    @property
    def trained(self) -> ModelVersion:
        """The candidate."""
        if self.candidate is None:
            raise RuntimeError("train_model comes first")
        return self.candidate
