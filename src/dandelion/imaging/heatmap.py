"""Heat maps: a class activation map over its photo."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from dandelion.domain.arrays import Floats, Pixels
from dandelion.imaging.prepare import Box

# Dark blue, violet, orange, pale yellow: lightness rises, so that the map is readable in grey and if colour-blind.
_STOPS = np.array([[13, 8, 135], [156, 23, 158], [237, 121, 83], [240, 249, 33]], dtype=np.float32)


def render_heatmap(photo: Pixels, activation: Floats, seen: Box, *, strength: float, max_side: int) -> bytes:
    """A PNG of the photo, tinted where the model found evidence.

    Args:
        photo: uint8 RGB [H, W, 3].
        activation: Evidence by place, float32 [h, w], over the part of the photo that the model saw.
        seen: That part, in shares of the photo's width and height.
        strength: Opacity of the strongest evidence, in [0, 1].
        max_side: Maximum length of the picture's longer side, pixels.
    """
    picture = Image.fromarray(photo)
    # First, since the arrays below take some 50 bytes a pixel.
    picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    shown = np.asarray(picture)
    rows, columns = shown.shape[:2]
    left, top = min(round(seen[0] * columns), columns - 1), min(round(seen[1] * rows), rows - 1)
    # A long strip may shrink to a row of pixels.
    right, bottom = max(round(seen[2] * columns), left + 1), max(round(seen[3] * rows), top + 1)
    evidence = np.maximum(activation, 0)
    evidence = evidence / max(float(evidence.max()), 1e-6)
    heat = Image.fromarray(evidence).resize((right - left, bottom - top), Image.Resampling.BICUBIC)
    full = np.zeros((rows, columns), dtype=np.float32)
    full[top:bottom, left:right] = np.clip(np.asarray(heat), 0, 1)
    stops = np.linspace(0, 1, len(_STOPS))
    channels = [np.interp(full, stops, _STOPS[:, channel]) for channel in range(3)]
    colours = np.stack(channels, axis=-1, dtype=np.float32, casting="same_kind")
    opacity = (strength * full)[..., np.newaxis]
    picture = Image.fromarray((shown * (1 - opacity) + colours * opacity).astype(np.uint8))
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=4)
    return stream.getvalue()
