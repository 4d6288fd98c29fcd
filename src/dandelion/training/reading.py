"""The photos that a model learns from, as pixels: decoded and prepared by what serving uses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from dandelion.domain import InputSpec
from dandelion.domain.arrays import Floats, Pixels
from dandelion.errors import DataError, PhotoError
from dandelion.imaging import decode, prepare
from dandelion.imaging.prepare import Choose
from dandelion.imaging.statistics import measure_size

Result = TypeVar("Result")


def augmented_side(spec: InputSpec) -> int:
    """Pixels that the short side of a photo needs before it is augmented."""
    return math.ceil(1.5 * max(spec.height, spec.width))


def decode_file(path: Path, spec: InputSpec) -> Pixels:
    """The whole photo, uint8 RGB [H, W, 3]; a large one at a fraction of its size that leaves `augmented_side`.

    Raises:
        DataError: The file is gone or can no longer be read.
    """
    return _read(path, partial(decode, min_side=augmented_side(spec)))


def prepare_files(paths: Sequence[Path], spec: InputSpec, choose: Choose | None = None) -> Pixels:
    """Every photo as serving prepares it, uint8 RGB [N, H, W, 3]; of a panorama, its middle without `choose`.

    Raises:
        DataError: A file is gone or can no longer be read.
    """
    inputs = np.empty((len(paths), spec.height, spec.width, 3), np.uint8)
    for index, path in enumerate(paths):
        inputs[index] = _read(path, partial(prepare, spec=spec, choose=choose))
    return inputs


def measure_files(paths: Sequence[Path]) -> Floats:
    """The size of every photo by `measure_size`, float32 [N].

    Raises:
        DataError: A file is gone or can no longer be read.
    """
    return np.array([_read(path, measure_size) for path in paths], dtype=np.float32)


def _read(path: Path, work: Callable[[bytes], Result]) -> Result:
    """What `work` makes of the file at `path`."""
    try:
        return work(path.read_bytes())
    except PhotoError as error:
        raise DataError(f"{path} cannot be read: {error.message}", "Run `dandelion data check`.") from error
    except OSError as error:
        raise DataError(
            f"{path} can no longer be read ({error.strerror}).",
            "Restore the data folder, then continue with --resume.",
        ) from error
