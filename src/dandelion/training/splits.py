"""Assign photos to the splits train, validation and test by their content, so that splits stay as a dataset grows.

The rule, in the order of its application:

1. A photo whose split was recorded before keeps it for ever.
2. Near duplicates share a split. Photos form a group if their perceptual hashes differ in up to `NEAR_BITS` bits, or if
   such pairs connect them. A new photo takes the split that was recorded for its group. If the records disagree,
   because the new photo connects two groups, it goes to validation, so that no new pair of near duplicates crosses
   train and test.
3. A group without a record takes its split from the smallest SHA-256 among its photos: the last 64 bits, as a fraction,
   fall into 70 % train, 15 % validation or 15 % test. (The last bits, because the choice of the smallest biases the
   first.)

Without a record, the rule depends on content alone, and a photo that resembles no other never moves. A group may still
move when a new photo with a smaller SHA-256 joins it. Every rule without memory has such a flaw: to hold a group in
test as soon as one of its photos falls there would send nearly every burst of photos to test. So store the record: pass
`{photo.sha256: photo.split}` of the last dataset version as `known`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from dandelion.domain import Split
from dandelion.errors import DataError
from dandelion.training.photos import Photo, with_split

# Measured on 300 real photos: copies at half the size, at JPEG quality 30 or 30 % brighter differ in up to 10 bits,
# 95 % of them in up to 6. Among the 44,850 pairs of different photos, the closest pair differs in 14 bits. Each step of
# 2 bits makes chance pairs about seven times rarer.
NEAR_BITS = 8

TRAIN_SHARE = 0.70
VALIDATION_SHARE = 0.15

# Rows of the distance matrix in memory at once: 256 x 100,000 photos take 200 MB.
_ROWS = 256


def assign_splits(photos: Sequence[Photo], known: Mapping[str, Split] | None = None) -> list[Photo]:
    """The same photos in the same order, each with its split by the rule in the module's docstring.

    Args:
        photos: All photos of the dataset, because near duplicates are found among them.
        known: SHA-256 to the recorded split; takes precedence.
    """
    record = known or {}
    assigned: list[Photo | None] = [None] * len(photos)
    for group in group_near_duplicates(photos):
        recorded = {record[photos[i].sha256] for i in group if photos[i].sha256 in record}
        if not recorded:
            shared = derive_split(min(photos[i].sha256 for i in group))
        else:
            shared = recorded.pop() if len(recorded) == 1 else Split.VALIDATION
        for i in group:
            assigned[i] = with_split(photos[i], record.get(photos[i].sha256, shared))
    return [photo for photo in assigned if photo is not None]


def derive_split(sha256: str) -> Split:
    """The split of a content hash: 70 % train, 15 % validation, 15 % test."""
    fraction = int(sha256[-16:], 16) / 2**64
    if fraction < TRAIN_SHARE:
        return Split.TRAIN
    return Split.VALIDATION if fraction < TRAIN_SHARE + VALIDATION_SHARE else Split.TEST


def assign_folds(photos: Sequence[Photo], k: int) -> list[int]:
    """A fold in [0, k) for each photo: near duplicates together, each class spread evenly, deterministic.

    Pass photos without the test split. Groups are assigned largest first, each to the fold with the fewest photos of
    the group's classes so far; ties go to the smaller fold, then to the lower index.

    Raises:
        DataError: A class has fewer groups of near duplicates than there are folds.
    """
    if k < 2:
        raise DataError(f"The number of folds is {k}.", "Set it to 2 or more.")
    groups = group_near_duplicates(photos)
    groups_of = Counter(label for group in groups for label in {photos[i].label for i in group})
    for label, count in sorted(groups_of.items()):
        if count < k:
            raise DataError(
                f"Class {label!r} has {count} distinct photos, too few for {k} folds.",
                f"Add photos of {label!r}, or use {count} folds or fewer.",
            )
    folds = [0] * len(photos)
    per_label: list[Counter[str]] = [Counter() for _ in range(k)]
    sizes = [0] * k
    for group in sorted(groups, key=lambda group: (-len(group), min(photos[i].sha256 for i in group))):
        labels = Counter(photos[i].label for i in group)
        load = [(sum(per_label[fold][label] for label in labels), sizes[fold], fold) for fold in range(k)]
        fold = min(load)[2]
        per_label[fold].update(labels)
        sizes[fold] += len(group)
        for i in group:
            folds[i] = fold
    return folds


def dataset_digest(photos: Sequence[Photo]) -> str:
    """SHA-256 of a dataset: of the sorted content hash, label and split of every photo; file names do not matter."""
    lines = sorted(f"{photo.sha256}\t{photo.label}\t{photo.split or '-'}\n" for photo in photos)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def group_near_duplicates(photos: Sequence[Photo], near_bits: int = NEAR_BITS) -> list[list[int]]:
    """Groups of indices of near duplicates, direct or connected through others; a single photo is a group of one.

    Groups are in the order of their first photo.
    """
    parents = list(range(len(photos)))

    def find(i: int) -> int:
        while parents[i] != i:
            parents[i] = parents[parents[i]]
            i = parents[i]
        return i

    for one, other in near_pairs([photo.perceptual_hash for photo in photos], near_bits):
        low, high = sorted((find(one), find(other)))
        parents[high] = low
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for i in range(len(photos)):
        groups[find(i)].append(i)
    return list(groups.values())


def near_pairs(hashes: Sequence[int], near_bits: int = NEAR_BITS) -> Iterator[tuple[int, int]]:
    """Pairs of indices (low, high) that connect all hashes within `near_bits` of each other.

    Equal hashes are chained instead of paired with each other, so that a thousand copies make only a thousand pairs.
    """
    values, first, inverse = np.unique(np.asarray(hashes, dtype=np.uint64), return_index=True, return_inverse=True)
    for index, value in enumerate(inverse.tolist()):
        if index != first[value]:
            yield int(first[value]), index
    for start in range(0, len(values), _ROWS):
        rows = values[start : start + _ROWS]
        close = np.bitwise_count(rows[:, None] ^ values[None, start:]) <= near_bits
        for row, column in np.argwhere(close).tolist():
            if column > row:
                one, other = int(first[start + row]), int(first[start + column])
                yield min(one, other), max(one, other)
