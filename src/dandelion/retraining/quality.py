"""Data quality: whether the labelled photos allow a retraining. Enough of each class, readable, with sound labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dandelion.domain import Split
from dandelion.errors import NotAnImageError
from dandelion.retraining.label_noise import LabelNoise
from dandelion.retraining.lake import Inspected
from dandelion.settings import RetrainingSettings
from dandelion.training.checks import Severity, judge_photos
from dandelion.training.run import MIN_PHOTOS_A_SPLIT
from dandelion.training.versions import DatasetVersion, Labelled, draft_version

# Warnings of the data check that exclude a photo from training, as its errors do.
_USELESS = frozenset({"blank", "tiny"})


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality of the new photos.

    Attributes:
        draft: The dataset version of the old photos and the good new ones.
        new: The good new photos.
        bad: Keys of the new photos that are left out, and why.
        stops: Reasons to stop the run; empty if it may continue.
    """

    draft: DatasetVersion
    new: tuple[Labelled, ...]
    bad: dict[str, str]
    stops: tuple[str, ...]

    @property
    def message(self) -> str:
        """Why the run stops, or else the number of photos."""
        if self.stops:
            return " ".join(self.stops)
        total = Counter(photo.label for photo in self.draft.photos)
        classes = ", ".join(f"{count} {label}" for label, count in sorted(total.items()))
        left_out = f", {len(self.bad)} left out" if self.bad else ""
        return f"{len(self.new)} new photos{left_out}; {len(self.draft.photos)} in all: {classes}."


def judge_quality(
    inspected: Sequence[Inspected],
    parent: DatasetVersion | None,
    limits: RetrainingSettings,
    *,
    known_classes: Sequence[str],
    force: bool,
) -> Quality:
    """Sort the new photos into good and bad, draft the next dataset version, and find reasons to stop the run.

    `parent` is the last version without erased photos, `known_classes` are the champion's. With `force`, few new photos
    or none suffice.
    """
    old = [record.as_photo() for record in parent.photos] if parent else []
    readable = [each.photo.photo for each in inspected if each.photo is not None]
    unreadable = [(Path(each.source.key), NotAnImageError(each.error)) for each in inspected if each.photo is None]
    labels = sorted({photo.label for photo in [*old, *readable]})
    findings = judge_photos(Path(), labels, [*old, *readable], unreadable).findings if labels else ()
    bad = {str(path): error.message for path, error in unreadable}
    for finding in findings:
        if finding.kind in _USELESS or (finding.severity is Severity.ERROR and finding.kind != "empty-class"):
            bad |= {str(path): finding.message for path in finding.paths}
    own = {each.source.key for each in inspected}
    bad = {key: why for key, why in bad.items() if key in own}
    good = tuple(each.photo for each in inspected if each.photo is not None and each.source.key not in bad)
    draft = draft_version(good, parent, classes=limits.classes)
    wanted = limits.classes or known_classes
    stops = tuple(_stops(draft, len(good), len(bad), wanted, limits, force=force))
    return Quality(draft, good, bad, stops)


def stop_for_label_noise(noise: LabelNoise, limits: RetrainingSettings) -> str:
    """Why suspect labels stop the run; empty if they do not."""
    if not noise.is_more or noise.new_share - noise.old_share <= limits.max_label_noise:
        return ""
    return (
        f"{noise.new_share:.0%} of new photos carry a label that hardly any similar photo shares, against "
        f"{noise.old_share:.0%} of old photos. Review these photos and correct their labels."
    )


def _stops(
    draft: DatasetVersion, good: int, bad: int, wanted: Sequence[str], limits: RetrainingSettings, *, force: bool
) -> Iterator[str]:
    if not draft.photos:
        yield "No labelled photo. Upload some with `dandelion data upload photos/`, or label stored photos."
        return
    if good + bad and bad / (good + bad) > limits.max_bad_share:
        yield f"{bad} of {good + bad} new photos are unreadable, blank, tiny or labelled twice."
    if good < limits.min_new_photos and not force:
        yield f"{good} new photos since the last version; a retraining needs {limits.min_new_photos}."
    counts = Counter(photo.label for photo in draft.photos)
    for label in sorted({*wanted, *counts}):
        if counts[label] < limits.min_photos_per_class:
            yield f"Class {label!r} has {counts[label]} photos; {limits.min_photos_per_class} are needed."
    if len(counts) < 2:
        yield f"There is only one class, {next(iter(counts))!r}. Add photos of a second class."
    for label, splits in draft.counts().items():
        for split in Split:
            if counts[label] >= limits.min_photos_per_class and splits[split] < MIN_PHOTOS_A_SPLIT:
                yield (
                    f"{splits[split]} photos of {label!r} fell into the {split} split; {MIN_PHOTOS_A_SPLIT} are "
                    "needed. Add photos of this class: their content decides their split."
                )
