"""Preparing the model's input in the same way for training, calibration and serving."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from PIL import Image

from dandelion.domain import InputSpec
from dandelion.domain.arrays import Pixels
from dandelion.errors import TensorError
from dandelion.imaging.decode import decode

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class PreparedPhoto(bytes):
    """The pixels of a photo that its sender has prepared: the model gets them as they are.

    They are no encoded photo, and are neither stored nor measured for drift: stored, they would be prepared once more
    before anybody labels them or a model learns from them, and their size tells nothing of the photo's.
    """

    shape: tuple[int, ...]

    @classmethod
    def copy(cls, pixels: Pixels) -> Self:
        """Copy uint8 RGB [H, W, 3], of which a view would hold the request's whole body."""
        photo = cls(pixels.tobytes())
        photo.shape = pixels.shape
        return photo

    @property
    def pixels(self) -> Pixels:
        """uint8 RGB [H, W, 3]."""
        return np.frombuffer(self, dtype=np.uint8).reshape(self.shape)


def prepare(data: bytes, spec: InputSpec, *, max_pixels: int | None = None) -> Pixels:
    """Encoded bytes as the model's input, uint8 RGB [spec.height, spec.width, 3].

    Raises:
        PhotoError: The bytes cannot be decoded or are too large.
    """
    if isinstance(data, PreparedPhoto):
        if data.shape[:2] != (spec.height, spec.width):
            raise TensorError(
                f"These pixels have the shape {data.shape}, and the model takes {spec.height} x {spec.width}.",
                "Read the model's metadata again: another model may be in service.",
            )
        return data.pixels
    # 1.5 times the size of the crop: the resampling filter still averages real detail, and an 8-bit JPEG can skip most
    # of its inverse transform.
    min_side = math.ceil(1.5 * max(spec.height, spec.width) / spec.crop_fraction)
    photo = decode(data, min_side=min_side, max_pixels=max_pixels)
    # One resampling of the crop's box both resizes and crops, so pixels outside it cost nothing.
    box = crop_box(photo.shape[0], photo.shape[1], spec)
    resized = Image.fromarray(photo).resize((spec.width, spec.height), _FILTERS[spec.interpolation], box)
    return np.asarray(resized)


def crop_box(rows: int, columns: int, spec: InputSpec) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the part of a photo that the model sees, pixels."""
    scale = max(spec.height / rows, spec.width / columns) / spec.crop_fraction
    height, width = min(rows, spec.height / scale), min(columns, spec.width / scale)
    left, top = (columns - width) / 2, (rows - height) / 2
    return left, top, left + width, top + height
