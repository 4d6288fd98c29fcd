"""Preparing the model's input in the same way for training, calibration and serving."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import Image

from dandelion.domain import InputSpec
from dandelion.domain.arrays import Pixels
from dandelion.errors import TensorError
from dandelion.imaging.decode import Header, decode

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# Beyond the common screens and films (20:9 and 21:9), so that few ordinary photos or screenshots are panoramas.
PANORAMA_RATIO = 2.4
# Each costs an inference. Views of panoramas beyond 9:1 are stretched, so that they still cover all of it.
MAX_VIEWS = 9
# Views of narrower strips show nothing that a model could recognise.
MIN_VIEW_SIDE = 32

# Left, top, right and bottom of a part of a photo.
Box = tuple[float, float, float, float]
# Of the views of a panorama, uint8 RGB [V, H, W, 3], the index of the one that stands for the photo.
Choose = Callable[[Pixels], int]


@dataclass(frozen=True, slots=True)
class Views:
    """What a model can see of a photo.

    Attributes:
        pixels: uint8 RGB [V, H, W, 3]; an odd number, and the view in the middle shows the middle of the photo.
        boxes: The places of the views, in shares of the photo's width and height.
    """

    pixels: Pixels
    boxes: tuple[Box, ...]


class PanoramaError(Exception):
    """A photo has several views, and was to be cut only if it has one."""


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


def prepare(data: bytes, spec: InputSpec, *, max_pixels: int | None = None, choose: Choose | None = None) -> Pixels:
    """Encoded bytes as the model's input, uint8 RGB [spec.height, spec.width, 3].

    That is the middle of the photo; of a panorama, the view that `choose` returns, if it is given.

    Raises:
        PhotoError: The bytes cannot be decoded or are too large.
    """
    views = cut_views(data, spec, max_pixels=max_pixels, only_middle=choose is None).pixels
    chosen: Pixels = views[choose(views) if choose and len(views) > 1 else 0]
    return chosen


def cut_views(
    data: bytes,
    spec: InputSpec,
    *,
    max_pixels: int | None = None,
    only_middle: bool = False,
    refuse_panorama: bool = False,
) -> Views:
    """The views of a panorama, unless `only_middle`; of any other photo its middle.

    Raises:
        PhotoError: The bytes cannot be decoded or are too large.
        PanoramaError: With `refuse_panorama`, by the header, before a panorama is decoded.
    """
    if isinstance(data, PreparedPhoto):
        if data.shape[:2] != (spec.height, spec.width):
            raise TensorError(
                f"These pixels have the shape {data.shape}, and the model takes {spec.height} x {spec.width}.",
                "Read the model's metadata again: another model may be in service.",
            )
        return Views(data.pixels[np.newaxis], ((0.0, 0.0, 1.0, 1.0),))
    # 1.5 times the size of the crop: the resampling filter still averages real detail, and an 8-bit JPEG can skip most
    # of its inverse transform.
    min_side = math.ceil(1.5 * max(spec.height, spec.width) / spec.crop_fraction)

    def check(header: Header) -> None:
        if refuse_panorama and len(view_boxes(header.height, header.width, spec)) > 1:
            raise PanoramaError

    photo = decode(data, min_side=min_side, max_pixels=max_pixels, check=check)
    rows, columns = photo.shape[:2]
    boxes = [crop_box(rows, columns, spec)] if only_middle else view_boxes(rows, columns, spec)
    return Views(
        np.stack([_resample(photo, box, spec) for box in boxes]),
        tuple((left / columns, top / rows, right / columns, bottom / rows) for left, top, right, bottom in boxes),
    )


def _resample(photo: Pixels, box: Box, spec: InputSpec) -> Pixels:
    size, sampling = (spec.width, spec.height), _FILTERS[spec.interpolation]
    rows, columns = photo.shape[:2]
    if not _is_long(rows, columns, spec):
        # One resampling of the crop's box both resizes and crops, so pixels outside it cost nothing.
        return np.asarray(Image.fromarray(photo).resize(size, sampling, box))
    # Pillow copies what it resamples. A copy of the whole panorama for each worker would be most of the memory.
    left, top = math.floor(box[0]), math.floor(box[1])
    part = Image.fromarray(photo[top : math.ceil(box[3]), left : math.ceil(box[2])])
    within = (box[0] - left, box[1] - top, min(box[2] - left, part.width), min(box[3] - top, part.height))
    return np.asarray(part.resize(size, sampling, within, reducing_gap=3.0))


def crop_box(rows: int, columns: int, spec: InputSpec) -> Box:
    """The middle of a photo that the model sees, pixels."""
    scale = max(spec.height / rows, spec.width / columns) / spec.crop_fraction
    height, width = min(rows, spec.height / scale), min(columns, spec.width / scale)
    left, top = (columns - width) / 2, (rows - height) / 2
    return left, top, left + width, top + height


def view_boxes(rows: int, columns: int, spec: InputSpec) -> list[Box]:
    """The parts of a photo among which the model chooses, pixels: only its middle, unless it is a panorama.

    The views of a panorama have its short side. Each covers half of the one before if that takes up to `MAX_VIEWS`.
    """
    if not _is_long(rows, columns, spec) or min(rows, columns) < MIN_VIEW_SIDE:
        return [crop_box(rows, columns, spec)]
    ratio = columns / rows / (spec.width / spec.height)
    times = min(max(ratio, 1 / ratio), MAX_VIEWS)
    count = min(MAX_VIEWS, 2 * math.ceil(times - 1) + 1)
    starts = [(1 - 1 / times) * view / (count - 1) for view in range(count)]
    if ratio > 1:
        return [(start * columns, 0.0, min((start + 1 / times) * columns, columns), rows) for start in starts]
    return [(0.0, start * rows, columns, min((start + 1 / times) * rows, rows)) for start in starts]


def _is_long(rows: int, columns: int, spec: InputSpec) -> bool:
    ratio = columns / rows / (spec.width / spec.height)
    return max(ratio, 1 / ratio) > PANORAMA_RATIO
