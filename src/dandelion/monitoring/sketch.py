"""Photos as counts: as small for a million as for one, and two sketches add up to the sketch of all their photos."""

from __future__ import annotations

from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt

from dandelion.package import Reference

CLASSES = "classes"

Floats = npt.NDArray[np.floating]


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A histogram of training, in words that travel.

    Attributes:
        edges: Between the bins, ascending.
        shares: Of the photos, a bin each.
        photos: How many they were.
    """

    edges: list[float]
    shares: list[float]
    photos: int


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What traffic is compared with; without the training photos' places, which outliers alone need.

    Attributes:
        spreads: Feature to its histogram, `classes` among them.
        directions: How many directions of the embedding there are.
        directions_photos: How many photos they were found in.
    """

    spreads: dict[str, Spread]
    directions: int
    directions_photos: int

    @classmethod
    def of(cls, reference: Reference) -> Self:
        """Of a package."""
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
    """What some photos looked like to one model.

    Attributes:
        expected: What training photos looked like.
        photos: How many were seen.
        counts: Feature to how many fell into each bin.
        sums: Sum of their embeddings' coordinates, in standard deviations from the training photos' centre.
    """

    expected: Expected
    photos: int
    counts: dict[str, list[int]]
    sums: list[float]

    @classmethod
    def empty(cls, expected: Expected) -> Self:
        """Of no photo."""
        return cls(
            expected=expected,
            photos=0,
            counts={name: [0] * len(spread.shares) for name, spread in expected.spreads.items()},
            sums=[0.0] * expected.directions,
        )

    @classmethod
    def of(cls, expected: Expected, values: dict[str, Floats], coordinates: Floats) -> Self:
        """Of photos.

        Args:
            expected: What they are compared with.
            values: Feature to a value a photo; class indices for `classes`.
            coordinates: Float [B, R].
        """
        counts = {}
        for name, spread in expected.spreads.items():
            bins = np.searchsorted(spread.edges, values[name], side="right")
            counts[name] = np.bincount(bins, minlength=len(spread.shares)).tolist()
        return cls(expected=expected, photos=len(coordinates), counts=counts, sums=coordinates.sum(axis=0).tolist())

    def __add__(self, other: Sketch) -> Sketch:
        """Of the photos of both, which one model must have seen."""
        counts = {
            name: [one + two for one, two in zip(mine, other.counts[name], strict=True)]
            for name, mine in self.counts.items()
        }
        sums = [one + two for one, two in zip(self.sums, other.sums, strict=True)]
        return Sketch(expected=self.expected, photos=self.photos + other.photos, counts=counts, sums=sums)
