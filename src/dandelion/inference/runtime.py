"""The protocol that every engine implements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dandelion.domain.arrays import Floats, Pixels


@dataclass(frozen=True, slots=True)
class Output:
    """The graph's output for a batch.

    Attributes:
        logits: float32 [B, K].
        embedding: float32 [B, D], the input of the last linear layer.
    """

    logits: Floats
    embedding: Floats


class Runtime(Protocol):
    """A loaded model. As many threads may call `run` at once as the runtime was created for workers."""

    precision: str

    def run(self, batch: Pixels) -> Output:
        """Logits and embeddings of `batch`, uint8 RGB [B, H, W, 3]."""
        ...

    def activation(self, photo: Pixels) -> Floats:
        """Class activation map of one photo, uint8 RGB [H, W, 3], as float32 [K, h, w]."""
        ...
