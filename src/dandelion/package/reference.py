"""Statistics of the training photos, which travel with the model: outliers and drift are measured against them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dandelion.domain.arrays import Floats


def normalise(embeddings: Floats) -> Floats:
    """Embeddings [N, D] on the unit sphere: direction encodes what a photo shows, length only how strongly."""
    lengths = np.sqrt(np.square(embeddings).sum(axis=1, keepdims=True))
    result: Floats = embeddings / np.maximum(lengths, 1e-12)
    return result


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Training photos in embedding space; a photo far from all of them is out of distribution (Sun et al. 2022).

    Attributes:
        embeddings: float32 [N, D], on the unit sphere.
        k: The score is the distance to the k-th nearest photo, from 1.
    """

    embeddings: Floats
    k: int

    def scores(self, embeddings: Floats) -> Floats:
        """Cosine distance to the k-th nearest training photo, float32 [B] in [0, 2], of embeddings float32 [B, D]."""
        likeness = normalise(embeddings) @ self.embeddings.T
        place = likeness.shape[1] - self.k
        result: Floats = 1 - np.partition(likeness, place, axis=1)[:, place]
        return result


@dataclass(frozen=True, slots=True)
class Histogram:
    """The distribution of a feature over the training photos.

    Attributes:
        edges: float32 [bins - 1], ascending; a value's bin is the number of edges that it reaches.
        shares: float32 [bins], shares of the photos.
        photos: Number of photos.
    """

    edges: Floats
    shares: Floats
    photos: int


@dataclass(frozen=True, slots=True)
class Directions:
    """Principal directions of the training photos' embeddings on the unit sphere.

    Attributes:
        centre: float32 [D].
        axes: float32 [R, D], orthonormal, strongest first.
        deviations: float32 [R], standard deviation along each axis.
        photos: Number of photos.
    """

    centre: Floats
    axes: Floats
    deviations: Floats
    photos: int

    def coordinates(self, embeddings: Floats) -> Floats:
        """Float32 [B, R], in standard deviations from the centre, of embeddings float32 [B, D]."""
        return ((normalise(embeddings) - self.centre) @ self.axes.T / self.deviations).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Reference:
    """Everything that live photos are compared with.

    Attributes:
        neighbours: For outliers.
        directions: For drift of the embedding.
        histograms: Feature to distribution, for drift of the photos' appearance and of the confidence.
        classes: Distribution of the predicted class, one bin a class.
    """

    neighbours: Neighbours
    directions: Directions
    histograms: dict[str, Histogram]
    classes: Histogram

    def save(self, path: Path) -> None:
        """Write it as `.npz`; neighbours in half precision, which changes no distance by more than 0.001."""
        arrays: dict[str, Any] = {
            "neighbours": self.neighbours.embeddings.astype(np.float16),
            "k": np.int64(self.neighbours.k),
            "centre": self.directions.centre,
            "axes": self.directions.axes,
            "deviations": self.directions.deviations,
            "directions_photos": np.int64(self.directions.photos),
            "class_shares": self.classes.shares,
            "class_photos": np.int64(self.classes.photos),
        }
        for name, histogram in self.histograms.items():
            arrays[f"{name}/edges"] = histogram.edges
            arrays[f"{name}/shares"] = histogram.shares
            arrays[f"{name}/photos"] = np.int64(histogram.photos)
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> Reference:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            names = [key.removesuffix("/edges") for key in arrays.files if key.endswith("/edges")]
            return cls(
                Neighbours(arrays["neighbours"].astype(np.float32), int(arrays["k"])),
                Directions(arrays["centre"], arrays["axes"], arrays["deviations"], int(arrays["directions_photos"])),
                {
                    name: Histogram(arrays[f"{name}/edges"], arrays[f"{name}/shares"], int(arrays[f"{name}/photos"]))
                    for name in names
                },
                class_histogram(arrays["class_shares"], int(arrays["class_photos"])),
            )


def class_histogram(shares: Floats, photos: int) -> Histogram:
    """A bin for each class index."""
    return Histogram(np.arange(1, len(shares), dtype=np.float32), shares, photos)
