"""Sketches: photos summarised as counts, of constant size. Two sketches add up to the sketch of all their photos."""

from __future__ import annotations

from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt

from dandelion.package import Reference

CLASSES = "classes"

Floats = npt.NDArray[np.floating]


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A histogram of training photos that can be serialised: ascending edges between bins, and each bin's share."""

    edges: list[float]
    shares: list[float]
    photos: int


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """The reference that traffic is compared with, without the neighbours, which only outlier detection needs.

    Attributes:
        spreads: Feature to its histogram, `classes` among them.
        directions: Number of principal directions of the embedding.
        directions_photos: Number of photos that they were computed from.
    """

    spreads: dict[str, Spread]
    directions: int
    directions_photos: int

    @classmethod
    def of(cls, reference: Reference) -> Self:
        """The expectation from a package's reference."""
        histograms = reference.histograms | {CLASSES: reference.classes}
        return cls(
            spreads={
                name: Spread(edges=each.edges.tolist(), shares=each.shares.tolist(), photos=each.photos)
                for name, each in histograms.items()
            },
            directions=len(reference.directions.deviations),
            directions_photos=reference.directions.photos,
        )


class Sketch(msgspec.Struct, frozen=True, kw_only=True):
    """A summary of photos as one model saw them.

    Attributes:
        expected: The reference from the training photos.
        photos: Number of photos.
        counts: Feature to the number of photos in each bin.
        sums: Sum of their embeddings' coordinates, in standard deviations from the training photos' centre.
    """

    expected: Expected
    photos: int
    counts: dict[str, list[int]]
    sums: list[float]

    @classmethod
    def empty(cls, expected: Expected) -> Self:
        """The sketch of no photos."""
        return cls(
            expected=expected,
            photos=0,
            counts={name: [0] * len(spread.shares) for name, spread in expected.spreads.items()},
            sums=[0.0] * expected.directions,
        )

    @classmethod
    def of(cls, expected: Expected, values: dict[str, Floats], coordinates: Floats) -> Self:
        """The sketch of some photos.

        Args:
            expected: The reference from the training photos.
            values: Feature to one value for each photo; class indices for `classes`.
            coordinates: Coordinates of their embeddings, float [B, R].
        """
        counts = {}
        for name, spread in expected.spreads.items():
            bins = np.searchsorted(spread.edges, values[name], side="right")
            counts[name] = np.bincount(bins, minlength=len(spread.shares)).tolist()
        return cls(expected=expected, photos=len(coordinates), counts=counts, sums=coordinates.sum(axis=0).tolist())

    def __add__(self, other: Sketch) -> Sketch:
        """The sketch of the photos of both; one model must have seen them all."""
        counts = {
            name: [one + two for one, two in zip(mine, other.counts[name], strict=True)]
            for name, mine in self.counts.items()
        }
        sums = [one + two for one, two in zip(self.sums, other.sums, strict=True)]
        return Sketch(expected=self.expected, photos=self.photos + other.photos, counts=counts, sums=sums)
