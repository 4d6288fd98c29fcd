"""Statistics of a photo's appearance, which change with the lens, the light or the season."""

from __future__ import annotations

import math

import numpy as np

from dandelion.domain.arrays import Floats, Pixels
from dandelion.imaging.decode import probe

SIZE = "size"
NAMES = ("brightness", "contrast", "sharpness", "red_green", "yellow_blue")

_STEP = 3
# ITU-R BT.601, as JPEG's own luminance.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def measure_pixels(batch: Pixels) -> Floats:
    """The statistics `NAMES` of photos as the model sees them, uint8 RGB [B, H, W, 3], as float32 [B, 5].

    Of values scaled to [0, 1]: mean luminance, its standard deviation, the mean step from a pixel to its neighbour, and
    the means of the two opponent colours (Hasler and Suesstrunk 2003). Only every third pixel counts in both
    directions, which changes each statistic by less than photos differ.
    """
    every = batch[:, ::_STEP, ::_STEP].reshape(len(batch), -1, 3).astype(np.float32)
    mean = every.mean(axis=1) / 255
    luma = every @ _LUMA
    beside = batch[:, ::_STEP, 1::_STEP, 1].astype(np.int16)
    step = np.abs(beside - batch[:, ::_STEP, :-1:_STEP, 1][:, :, : beside.shape[2]]).mean(axis=(1, 2))
    red, green, blue = mean.T
    columns = (luma.mean(axis=1) / 255, luma.std(axis=1) / 255, step / 255, red - green, (red + green) / 2 - blue)
    return np.stack(columns, axis=1).astype(np.float32)


def measure_size(photo: bytes) -> float:
    """The size of an encoded photo: the binary logarithm of its pixels, so that twice the side adds 2.

    Raises:
        PhotoError: The bytes are not an image.
    """
    header = probe(photo)
    return math.log2(max(1, header.width * header.height))
