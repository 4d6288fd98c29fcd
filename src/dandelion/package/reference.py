"""What a model knows, as places in embedding space: outliers and drift are measured against it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Reference:
    """Class means and the precision within classes (Lee et al. 2018), `floor * I - factor @ factor.T`.

    The covariance is a few strong directions plus the same small variance in every other, so its inverse is kept as
    those directions: a score costs D * R multiplications instead of D * D, and a package a tenth of the bytes.

    Attributes:
        means: float32 [K, D].
        factor: float32 [D, R].
        floor: Inverse of the variance in every other direction.
    """

    means: Floats
    factor: Floats
    floor: float

    def scores(self, embeddings: Floats) -> Floats:
        """Squared Mahalanobis distance to the nearest class mean, float32 [N], of embeddings float32 [N, D]."""
        offsets = embeddings[:, np.newaxis, :] - self.means
        plain = np.square(offsets).sum(axis=2) * self.floor
        result: Floats = (plain - np.square(offsets @ self.factor).sum(axis=2)).min(axis=1)
        return result

    def save(self, path: Path) -> None:
        """Write it as `.npz`."""
        np.savez(path, means=self.means, factor=self.factor, floor=np.float64(self.floor))

    @classmethod
    def load(cls, path: Path) -> Reference:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["means"].astype(np.float32), arrays["factor"].astype(np.float32), float(arrays["floor"]))
