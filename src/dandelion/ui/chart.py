"""Line charts of the last hour as SVG: a few hundred bytes in the page's colours.

Gradio's own plots load a megabyte of scripts, show nothing for a single point, and flicker at every update.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 160

# Age in seconds and value, None where there was none; oldest first.
Points = Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One line of a chart: its name in the legend, its SVG path within `WIDTH` times `HEIGHT`, and its newest value."""

    name: str
    path: str
    last: float | None


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines on one scale from 0 to `top`, in the order of the legend; the left edge lies `span_seconds` back."""

    lines: Sequence[ChartLine]
    top: float
    span_seconds: float


def draw(series: Mapping[str, Points], span_seconds: float) -> Chart:
    """Create a chart from values by their age in seconds."""
    values = [value for points in series.values() for _, value in points if value is not None]
    top = _round_up(max(values, default=0.0))
    lines = [
        ChartLine(name, _path(points, span_seconds, top), next((v for _, v in reversed(points) if v is not None), None))
        for name, points in series.items()
    ]
    return Chart(lines, top, span_seconds)


def _path(points: Points, span_seconds: float, top: float) -> str:
    """Create an SVG path that is interrupted where values are missing."""
    parts, is_drawing = [], False
    for ago, value in points:
        if value is None or ago > span_seconds:
            is_drawing = False
            continue
        x, y = WIDTH * (1 - ago / span_seconds), HEIGHT * (1 - value / top)
        # A round line cap turns a line of zero length into a dot.
        parts.append(f"L{x:.1f} {y:.1f}" if is_drawing else f"M{x:.1f} {y:.1f}h.01")
        is_drawing = True
    return "".join(parts)


def _round_up(value: float) -> float:
    """Round up to the next of 1, 2, 5, 10 ..."""
    if value <= 0:
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(value))
    return next(step * magnitude for step in (1, 2, 5, 10) if step * magnitude >= value * (1 - 1e-9))
