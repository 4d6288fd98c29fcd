"""The checkpoint from which a killed run resumes: one file, replaced as a whole after each epoch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dandelion.errors import TrainingError
from dandelion.files.replacing import replacing
from dandelion.training.config import TrainingConfig

# Options that may differ between a run and the run that resumes it.
_FREE = {"device", "compact", "folds"}


@dataclass(frozen=True, slots=True)
class Epoch:
    """The metrics of one pass over the training photos.

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


@dataclass(slots=True)
class Checkpoint:
    """The progress of a run.

    Attributes:
        history: Epochs done.
        best_epoch: Number of the best epoch, 0 before the first.
        best_loss: Validation loss of the best epoch.
        best: Averaged weights of the best epoch.
    """

    history: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float = float("inf")
    best: dict[str, Tensor] = field(default_factory=dict)


def save_checkpoint(path: Path, state: Checkpoint, training: dict[str, object], config: TrainingConfig) -> None:
    """Replace `path` atomically: a reader finds either the old checkpoint or the new one, never a partial one.

    Raises:
        TrainingError: The disk is full or the folder cannot be written.
    """
    content = {
        "params": config.as_params(),
        "history": [asdict(epoch) for epoch in state.history],
        "best_epoch": state.best_epoch,
        "best_loss": state.best_loss,
        "best": state.best,
        "training": training,
    }
    # torch reports a short write of its archive as RuntimeError, not OSError.
    with disk_errors(f"The checkpoint {path}", OSError, RuntimeError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as fresh, fresh.open("wb") as stream:
            torch.save(content, stream)
            stream.flush()
            os.fsync(stream.fileno())


def load_checkpoint(path: Path, config: TrainingConfig) -> tuple[Checkpoint, dict[str, object]] | None:
    """Load the checkpoint at `path` with the optimiser's state; return None if there is none.

    Raises:
        TrainingError: The checkpoint cannot be read, or comes from a run with another configuration.
    """
    if not path.exists():
        return None
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises whatever its archive reader meets
        raise TrainingError(
            f"The checkpoint {path} cannot be read ({error}).", "Delete it, or start without --resume."
        ) from error
    ours, theirs = config.as_params(), content["params"]
    for name in sorted(ours.keys() - _FREE):
        if ours[name] != theirs.get(name):
            raise TrainingError(
                f"The checkpoint {path} is from a run with {name}={theirs.get(name)}, this one has {ours[name]}.",
                "Use the same options, or start without --resume.",
            )
    history = [Epoch(**epoch) for epoch in content["history"]]
    return Checkpoint(history, content["best_epoch"], content["best_loss"], content["best"]), content["training"]


@contextmanager
def disk_errors(what: str, *kinds: type[Exception]) -> Iterator[None]:
    """Report exceptions of `kinds` as a `TrainingError`: `what` cannot be written."""
    try:
        yield
    except kinds as error:
        raise TrainingError(
            f"{what} cannot be written ({getattr(error, 'strerror', None) or error}).",
            "Free some disk space, or choose another --output, then continue with --resume.",
        ) from error
