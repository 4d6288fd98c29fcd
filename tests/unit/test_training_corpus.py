"""Photos of every kind in a folder that a model is trained on."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dandelion.domain import InputSpec
from dandelion.errors import DataError
from dandelion.imaging import prepare
from dandelion.training.dataset import PhotoSet
from tests.corpus import corpus

SPEC = InputSpec(96, 96)
KINDS = list({sample.kind: sample for sample in corpus()}.values())


def test_a_photo_of_each_kind_is_learned_from_as_its_plain_twin_or_named(tmp_path: Path) -> None:
    files = []
    for number, sample in enumerate(KINDS):
        files.append(tmp_path / f"{number}.jpg")
        files[-1].write_bytes(sample.data)
    for file, sample in zip(files, KINDS, strict=True):
        photos = PhotoSet([file], [0], SPEC)
        if sample.looks is None:
            with pytest.raises(DataError, match=f"{file.name} cannot be read"):
                photos.served()
            with pytest.raises(DataError, match=f"{file.name} cannot be read"):
                photos.decoded(0)
            continue
        stream = io.BytesIO()
        Image.fromarray(sample.looks).save(stream, "PNG")
        (served,) = photos.served()
        assert np.abs(served.astype(int) - prepare(stream.getvalue(), SPEC)).mean() <= sample.margin + 1, sample.name
        assert photos.decoded(0).shape == (3, *sample.looks.shape[:2]), sample.name
