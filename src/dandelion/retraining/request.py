"""Why a retraining was requested, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# `skipped`: nothing to do, or not now. `stopped`: the photos do not allow it. `rolled_back`: it was in service, and was
# rolled back.
Outcome = Literal["promoted", "rejected", "stopped", "skipped", "failed", "rolled_back"]


@dataclass(frozen=True, slots=True)
class RetrainingRequest:
    """A request for a retraining.

    Attributes:
        force: Retrain whatever the metrics say, without cooldown and budget, and also without new photos.
        reason: Why, in a person's words.
        alert: Name of the alert that triggered it. An alert is reason enough, but cooldown and budget apply.
    """

    force: bool = False
    reason: str = ""
    alert: str = ""

    def __str__(self) -> str:
        """The trigger in words, for lists and notices."""
        parts = [f"alert {self.alert}" if self.alert else "", self.reason, "forced" if self.force else ""]
        return ", ".join(part for part in parts if part) or "schedule"
