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
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dandelion.domain import Split
from dandelion.errors import DataError
from dandelion.training.photos import Photo

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
    splits: dict[int, Split] = {}
    for group in group_near_duplicates(photos):
        recorded = {record[photos[i].sha256] for i in group if photos[i].sha256 in record}
        if not recorded:
            shared = _derive_split(min(photos[i].sha256 for i in group))
        else:
            shared = recorded.pop() if len(recorded) == 1 else Split.VALIDATION
        splits |= {i: record.get(photos[i].sha256, shared) for i in group}
    return [replace(photo, split=splits[i]) for i, photo in enumerate(photos)]


def _derive_split(sha256: str) -> Split:
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
    for group in sorted(groups, key=lambda group: (-len(group), min(photos[i].sha256 for i in group))):
        labels = Counter(photos[i].label for i in group)
        load = [(sum(count[label] for label in labels), count.total(), fold) for fold, count in enumerate(per_label)]
        fold = min(load)[2]
        per_label[fold].update(labels)
        for i in group:
            folds[i] = fold
    return folds


def dataset_digest(photos: Sequence[Photo]) -> str:
    """SHA-256 of a dataset: of the sorted content hash, label and split of every photo; file names do not matter."""
    lines = sorted(f"{photo.sha256}\t{photo.label}\t{photo.split or '-'}\n" for photo in photos)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def group_near_duplicates(photos: Sequence[Photo]) -> list[list[int]]:
    """Groups of indices of near duplicates, direct or connected through others; a single photo is a group of one.

    Groups are in the order of their first photo.
    """
    if not photos:
        return []
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    hashes, index_of = np.unique(
        np.array([photo.perceptual_hash for photo in photos], dtype=np.uint64), return_inverse=True
    )
    every = first_of_group = group_of = np.arange(len(hashes))
    for start in range(0, len(hashes), _ROWS):
        distances = np.bitwise_count(hashes[start : start + _ROWS, None] ^ hashes[None, start:])
        near = np.argwhere(distances <= NEAR_BITS) + start
        # One link a hash stands for all links of the blocks before, of which there may be too many for the memory.
        ends = (np.append(near[:, 0], every), np.append(near[:, 1], first_of_group))
        links = coo_array((np.ones(len(ends[0]), dtype=bool), ends), shape=(len(hashes), len(hashes)))
        _, group_of = connected_components(links, directed=False)
        first_of_group = np.unique(group_of, return_index=True)[1][group_of]
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for i, group in enumerate(group_of[index_of].tolist()):
        groups[group].append(i)
    return list(groups.values())
