"""What runs a model: one small protocol, whichever engine is behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dandelion.domain.arrays import Floats, Pixels


@dataclass(frozen=True, slots=True)
class Output:
    """What the graph says of a batch.

    Attributes:
        logits: float32 [B, K].
        embedding: float32 [B, D], what the last linear layer sees.
    """

    logits: Floats
    embedding: Floats


class Runtime(Protocol):
    """A loaded model. `run` may be called by as many threads at once as the runtime was made for workers."""

    precision: str

    def run(self, batch: Pixels) -> Output:
        """Logits and embeddings of `batch`, uint8 RGB [B, H, W, 3]."""
        ...

    def activation(self, photo: Pixels) -> Floats:
        """Class activation map of one photo, uint8 RGB [H, W, 3], as float32 [K, h, w]."""
        ...
