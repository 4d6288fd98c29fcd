"""Photos of every kind in a folder that a model is trained on: what training checks, splits and learns from."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dandelion.domain import InputSpec
from dandelion.errors import DataError
from dandelion.imaging import prepare
from dandelion.training.photos import scan_photos
from dandelion.training.reading import decode_file, measure_files, prepare_files
from dandelion.training.splits import assign_splits
from tests.corpus import Sample, corpus

SPEC = InputSpec(96, 96)
KINDS = list({sample.kind: sample for sample in corpus()}.values())
READ = [sample for sample in KINDS if sample.looks is not None]


def write(samples: list[Sample], folder: Path) -> list[Path]:
    files = [folder / f"{number}.jpg" for number in range(len(samples))]
    for file, sample in zip(files, samples, strict=True):
        file.write_bytes(sample.data)
    return files


def test_a_photo_of_each_kind_is_learned_from_as_its_plain_twin_or_named(tmp_path: Path) -> None:
    for file, sample in zip(write(KINDS, tmp_path), KINDS, strict=True):
        if sample.looks is None:
            with pytest.raises(DataError, match=f"{file.name} cannot be read"):
                prepare_files([file], SPEC)
            with pytest.raises(DataError, match=f"{file.name} cannot be read"):
                decode_file(file, SPEC)
            continue
        stream = io.BytesIO()
        Image.fromarray(sample.looks).save(stream, "PNG", compress_level=0)
        (served,) = prepare_files([file], SPEC)
        assert np.abs(served.astype(int) - prepare(stream.getvalue(), SPEC)).mean() <= sample.margin + 1, sample.name
        whole = decode_file(file, SPEC)
        assert whole.shape == sample.looks.shape, sample.name
        assert np.abs(whole.astype(int) - sample.looks).mean() <= sample.margin, sample.name


def test_what_is_measured_of_a_photo_is_its_size_as_it_is_stored(tmp_path: Path) -> None:
    """For drift: as serving measures it."""
    found = measure_files(write(READ, tmp_path))
    looks = [sample.looks for sample in READ if sample.looks is not None]
    expected = np.log2([each.shape[0] * each.shape[1] for each in looks])
    is_shown_in_part = np.array([sample.kind == "AVIF with an aperture" for sample in READ])
    assert found[~is_shown_in_part] == pytest.approx(expected[~is_shown_in_part])


def test_photos_of_each_kind_get_a_split(tmp_path: Path) -> None:
    """Copies get the same one."""
    for label in ("dandelion", "grass"):
        (tmp_path / label).mkdir()
        write(READ, tmp_path / label)
    photos = assign_splits(scan_photos(tmp_path))
    assert {photo.path.name for photo in photos} == {f"{number}.jpg" for number in range(len(READ))}
    splits = {(photo.path.name, photo.split) for photo in photos}
    assert None not in {split for _, split in splits}
    assert len(splits) == len(READ)  # the same file in both classes is in the same split
