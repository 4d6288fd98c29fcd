"""One pass over the training photos."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Epoch:
    """The metrics of one epoch.

    Attributes:
        number: Its number, from 1.
        loss: Mean training loss, on augmented and mixed photos.
        validation_loss: Cross-entropy of the averaged weights on the validation photos; NaN without any.
        validation_accuracy: Their accuracy there; NaN without any.
        learning_rate: Learning rate at the end of the epoch.
        seconds: Wall-clock time, seconds.
    """

    number: int
    loss: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float
