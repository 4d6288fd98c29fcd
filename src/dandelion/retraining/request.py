"""Why a retraining was asked for, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# `skipped`: nothing to do, or not now. `stopped`: the photos do not allow it. `rolled_back`: it served, and was taken
# back.
Outcome = Literal["promoted", "rejected", "stopped", "skipped", "failed", "rolled_back"]


@dataclass(frozen=True, slots=True)
class RetrainingRequest:
    """Who wants a retraining.

    Attributes:
        force: Whatever the figures say, without cooldown and budget, and also without new photos.
        reason: In a person's words.
        alert: Name of the alert that asks; it is reason enough, within cooldown and budget.
    """

    force: bool = False
    reason: str = ""
    alert: str = ""

    def __str__(self) -> str:
        """For lists and notices."""
        parts = [f"alert {self.alert}" if self.alert else "", self.reason, "forced" if self.force else ""]
        return ", ".join(part for part in parts if part) or "schedule"
