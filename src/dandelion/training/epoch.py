"""One pass over the training photos."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch brought.

    Attributes:
        number: From 1.
        loss: Mean training loss, on varied and mixed photos.
        validation_loss: Cross-entropy of the averaged weights on the validation photos; NaN without any.
        validation_accuracy: Their accuracy there; NaN without any.
        learning_rate: At the end of the epoch.
        seconds: Wall-clock time.
    """

    number: int
    loss: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float
