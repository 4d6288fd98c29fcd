"""Which photo trains, validates and tests; decided by content, so that it stays decided as a data set grows.

The rule, in the order in which it is applied:

1. A photo whose split was recorded before keeps it, for ever.
2. Near duplicates share a split: photos whose perceptual hashes differ in at most `NEAR_BITS` bits, and photos that
   are connected through such pairs, are one group. A new photo of a group takes the split that was recorded for the
   others. Where the record disagrees (the new photo links two that used to be apart) it goes to validation, so that
   no new pair of look-alikes stands across train and test.
3. A group without a record takes its split from the SHA-256 of its canonical member, the one with the smallest: the
   last 64 bits, as a fraction, fall into 70 % train, 15 % validation or 15 % test. (The last bits, because being the
   smallest biases the first.)

Without a record the rule depends on nothing but content, and a photo that resembles no other never moves. A group may
move when a newcomer with a smaller SHA-256 joins it, though: any rule without memory either lets that happen or, by
keeping a group in test as soon as one member falls there, sends nearly every burst of photos to test. So keep the
record: pass `{photo.sha256: photo.split}` of the last data set version as `known`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from dandelion.domain import Split
from dandelion.errors import DataError
from dandelion.training.photos import Photo, with_split

# Measured on 300 real photos: copies at half the size, at JPEG quality 30 or 30 % brighter differ in at most 10 bits,
# 95 % of them in at most 6; of the 44,850 pairs of different photos the closest differs in 14. Each step of 2 bits
# makes chance pairs about seven times rarer.
NEAR_BITS = 8

TRAIN_SHARE = 0.70
VALIDATION_SHARE = 0.15

# Rows of the distance matrix that are held at once: 256 x 100,000 photos are 200 MB.
_ROWS = 256


def assign_splits(photos: Sequence[Photo], known: Mapping[str, Split] | None = None) -> list[Photo]:
    """The same photos in the same order, each with its split; the module's docstring is the rule.

    Args:
        photos: All photos of the data set, for near duplicates are looked for among them.
        known: SHA-256 to the split that was recorded for it; takes precedence.
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
    """The split that a content hash stands for: 70 % train, 15 % validation, 15 % test."""
    fraction = int(sha256[-16:], 16) / 2**64
    if fraction < TRAIN_SHARE:
        return Split.TRAIN
    return Split.VALIDATION if fraction < TRAIN_SHARE + VALIDATION_SHARE else Split.TEST


def assign_folds(photos: Sequence[Photo], k: int) -> list[int]:
    """A fold in [0, k) for each photo: near duplicates together, each class spread evenly, the same every time.

    Leave the test split out before calling. Groups are dealt out largest first, each to the fold that has the fewest
    photos of the group's classes so far; ties go to the smaller fold, then to the lower index.

    Raises:
        DataError: A class has fewer groups of look-alikes than there are folds.
    """
    if k < 2:
        raise DataError(f"{k} folds do not cross-validate.", "Ask for at least 2.")
    groups = group_near_duplicates(photos)
    groups_of = Counter(label for group in groups for label in {photos[i].label for i in group})
    for label, count in sorted(groups_of.items()):
        if count < k:
            raise DataError(
                f"Class {label!r} has {count} distinct photos, too few for {k} folds.",
                f"Add photos of {label!r}, or ask for at most {count} folds.",
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
    """SHA-256 of what is learnt from: the sorted content, label and split of every photo; names do not matter."""
    lines = sorted(f"{photo.sha256}\t{photo.label}\t{photo.split or '-'}\n" for photo in photos)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def group_near_duplicates(photos: Sequence[Photo], near_bits: int = NEAR_BITS) -> list[list[int]]:
    """Indices of photos that look alike, directly or through others; a photo that is alone is a group of one.

    Groups come in the order of their first photo.
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

    Equal hashes are chained rather than paired each with each, so that a thousand copies make a thousand pairs.
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
