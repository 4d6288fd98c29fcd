"""Check a data folder before training: find unreadable, duplicate, blank and mislabelled photos.

Exit statuses, for scripts: 0 nothing or only notes, 1 warnings, 2 errors.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from dandelion.domain import LABEL_LENGTH, class_name, is_clutter
from dandelion.errors import DataError, PhotoError
from dandelion.imaging.prepare import PANORAMA_RATIO
from dandelion.training.photos import PHOTO_SUFFIXES, SUFFIXES, Photo, list_class_folders, scan_photos
from dandelion.training.splits import NEAR_BITS, group_near_duplicates

MIN_SIDE = 32  # pixels; the input of every model here is five to seven times as large
BLANK_CONTRAST = 2.0  # of 127.5; the flattest of 300 real photos has 6.3
MIN_PHOTOS = 20  # for each class; with fewer, 15 % are less than three test photos
MAX_IMBALANCE = 3.0  # largest class to smallest; beyond it accuracy says little about the small one


class Severity(IntEnum):
    """How bad a finding is; the value is the exit status."""

    INFO = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a data folder, and its remedy.

    Attributes:
        severity: Errors prevent or falsify training; warnings reduce quality; notes are harmless.
        kind: Its name, listed in docs/data.md.
        paths: The affected files or folders; may be many.
        message: What is wrong.
        remedy: What to do about it.
    """

    severity: Severity
    kind: str
    paths: tuple[Path, ...]
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of a check: the readable photos, and findings, worst first.

    `classes` maps each class, sorted by name, to the number of its readable photos.
    """

    folder: Path
    photos: tuple[Photo, ...]
    classes: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def exit_status(self) -> int:
        """0 nothing or only notes, 1 warnings, 2 errors."""
        return max((int(finding.severity) for finding in self.findings), default=0)

    def count(self, severity: Severity) -> int:
        """The number of findings of this severity."""
        return sum(finding.severity is severity for finding in self.findings)


def check_photos(folder: Path, *, progress: Callable[[int, int], None] = lambda done, total: None) -> CheckReport:
    """Check every file of a data folder with a sub-folder for each class; nothing is changed.

    `progress` is called with the number of files done and the number of all files.

    Raises:
        DataError: There is no such folder, it is empty, or it has only one class.
    """
    class_folders = list_class_folders(folder)
    labels = sorted({class_name(classed.name) for classed in class_folders})
    if len(labels) == 1:
        raise DataError(
            f"{folder} has only one class, {labels[0]!r}.",
            "Add a second sub-folder with photos of something else.",
        )
    unreadable: list[tuple[Path, PhotoError]] = []
    photos = scan_photos(folder, progress=progress, on_unreadable=lambda path, error: unreadable.append((path, error)))
    layout = list(_judge_layout(folder, class_folders))
    return judge_photos(folder, labels, photos, unreadable, layout)


def judge_photos(
    folder: Path,
    labels: Sequence[str],
    photos: Sequence[Photo],
    unreadable: Sequence[tuple[Path, PhotoError]],
    layout: Sequence[Finding] = (),
) -> CheckReport:
    """Find problems of photos that were described before, wherever they are stored; `layout` are earlier findings."""
    counts = Counter(photo.label for photo in photos)
    classes = {label: counts[label] for label in labels}
    findings = [
        *_judge_unreadable(unreadable),
        *layout,
        *_judge_classes(folder, classes),
        *_judge_each(photos),
        *_judge_copies(photos),
    ]
    findings.sort(key=lambda finding: -finding.severity)
    return CheckReport(folder=folder, photos=tuple(photos), classes=classes, findings=tuple(findings))


def _judge_unreadable(unreadable: Sequence[tuple[Path, PhotoError]]) -> Iterator[Finding]:
    for path, error in unreadable:
        if path.suffix.lower() in PHOTO_SUFFIXES:
            remedy = "Replace the file with an intact copy, or remove it."
            yield Finding(Severity.ERROR, "unreadable", (path,), error.message, remedy)
    others = tuple(path for path, _ in unreadable if path.suffix.lower() not in PHOTO_SUFFIXES)
    if others:
        message = f"{_files(len(others))} in class folders cannot be read as photos; training ignores them."
        remedy = "Nothing to do, unless some were meant as photos: then convert them to JPEG or PNG."
        yield Finding(Severity.INFO, "not-a-photo", others, message, remedy)


def _judge_layout(folder: Path, class_folders: Sequence[Path]) -> Iterator[Finding]:
    loose = tuple(
        p
        for p in sorted(folder.iterdir())
        if p.is_file() and p.suffix.lower() in PHOTO_SUFFIXES and not is_clutter(p.name)
    )
    if loose:
        message = f"{_files(len(loose))} outside any class folder; training ignores them."
        yield Finding(Severity.WARNING, "no-class", loose, message, "Move them into the folder of their class.")
    by_class: defaultdict[str, list[Path]] = defaultdict(list)
    for classed in class_folders:
        by_class[class_name(classed.name)].append(classed)
    for label, same in by_class.items():
        if len(same) > 1:
            message = f"{len(same)} folders are class {label!r}: their names differ only in Unicode normalisation."
            yield Finding(Severity.INFO, "same-class", tuple(same), message, "Nothing to do: they count as one class.")
    nested = tuple(
        child
        for classed in class_folders
        for child in sorted(classed.iterdir())
        if child.is_dir() and not is_clutter(child.name)
    )
    if nested:
        message = f"{len(nested)} folder(s) inside class folders; training ignores them."
        remedy = "Move the photos up into the class folder, or name the folder whose sub-folders are the classes."
        yield Finding(Severity.WARNING, "nested-folder", nested, message, remedy)


def _judge_classes(folder: Path, classes: dict[str, int]) -> Iterator[Finding]:
    for label, count in classes.items():
        if len(label) > LABEL_LENGTH:
            message = f"Class {label[:40]!r}... has a name of {len(label)} characters; no prediction could be stored."
            remedy = f"Rename the folder; a name has up to {LABEL_LENGTH} characters."
            yield Finding(Severity.ERROR, "long-name", (folder / label,), message, remedy)
        if count == 0:
            message = f"Class {label!r} has no readable photo."
            yield Finding(
                Severity.ERROR, "empty-class", (folder / label,), message, "Add photos, or remove the folder."
            )
        elif count < MIN_PHOTOS:
            message = f"Class {label!r} has {count} photos; its accuracy cannot be measured with so few."
            remedy = f"Add photos until there are {MIN_PHOTOS} or more; 100 are better."
            yield Finding(Severity.WARNING, "few-photos", (folder / label,), message, remedy)
    small, large = min(classes, key=classes.__getitem__), max(classes, key=classes.__getitem__)
    if classes[small] and classes[large] > MAX_IMBALANCE * classes[small]:
        message = (
            f"Class {large!r} has {classes[large]} photos and {small!r} {classes[small]}: "
            f"{classes[large] / classes[small]:.1f} to 1."
        )
        remedy = f"Add photos of {small!r}, or judge the model by its metrics for each class."
        yield Finding(Severity.WARNING, "imbalance", (folder / large, folder / small), message, remedy)


def _judge_each(photos: Sequence[Photo]) -> Iterator[Finding]:
    for photo in photos:
        if photo.path.suffix.lower() not in SUFFIXES.get(photo.format, ()):
            message = f"The file is {photo.format}, which does not match its name {photo.path.name!r}."
            remedy = f"Rename it to end in {SUFFIXES[photo.format][0]}; Dandelion reads it, but other tools may not."
            yield Finding(Severity.WARNING, "wrong-extension", (photo.path,), message, remedy)
        if min(photo.width, photo.height) < MIN_SIDE:
            message = f"The photo is {photo.width} x {photo.height} pixels; below {MIN_SIDE} there is little to learn."
            yield Finding(Severity.WARNING, "tiny", (photo.path,), message, "Replace it with a larger one.")
        if max(photo.width, photo.height) > PANORAMA_RATIO * min(photo.width, photo.height):
            message = f"The photo is a panorama of {photo.width} x {photo.height} pixels; training sees its middle."
            yield Finding(Severity.WARNING, "panorama", (photo.path,), message, "Crop it to what its class names.")
        if photo.contrast < BLANK_CONTRAST:
            message = f"The photo is blank: its contrast is {photo.contrast:.1f} of 127.5."
            yield Finding(Severity.WARNING, "blank", (photo.path,), message, "Review it, and remove it.")


def _judge_copies(photos: Sequence[Photo]) -> Iterator[Finding]:
    same: defaultdict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        same[photo.sha256].append(photo)
    for copies in same.values():
        if len(copies) > 1:
            yield _copies(copies, exact=True)
    # A blank photo resembles all blank photos, and exact copies are reported above.
    distinct = [copies[0] for copies in same.values() if copies[0].contrast >= BLANK_CONTRAST]
    for group in group_near_duplicates(distinct):
        if len(group) > 1:
            yield _copies([copy for i in group for copy in same[distinct[i].sha256]], exact=False)


def _copies(copies: Sequence[Photo], *, exact: bool) -> Finding:
    paths = tuple(photo.path for photo in copies)
    labels = sorted({photo.label for photo in copies})
    classes = " and ".join(repr(label) for label in labels)
    if exact and len(labels) > 1:
        message = f"The same file is in classes {classes}."
        return Finding(Severity.ERROR, "label-conflict", paths, message, "Keep it only in the right class.")
    if exact:
        message = f"The same file exists {len(copies)} times."
        return Finding(Severity.WARNING, "exact-duplicate", paths, message, "Keep one; copies gain too much weight.")
    if len(labels) > 1:
        message = f"{len(copies)} photos of classes {classes} look alike."
        remedy = "Review them; if they show the same thing, move them into one class."
        return Finding(Severity.WARNING, "near-label-conflict", paths, message, remedy)
    message = f"{len(copies)} photos look alike (up to {NEAR_BITS} of 64 bits of their perceptual hashes differ)."
    remedy = "Nothing to do: they share a split. Remove some if they are copies of one photo."
    return Finding(Severity.INFO, "near-duplicate", paths, message, remedy)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
