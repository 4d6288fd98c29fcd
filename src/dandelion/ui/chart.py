"""Lines over the last hour, as SVG: a few hundred bytes that follow the page's colours.

Gradio's own plots load a megabyte of scripts, draw nothing for a single point, and blink at every new value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 160

# How many seconds ago, and the value, if there was one; oldest first.
Points = Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart.

    Attributes:
        name: What it shows.
        path: SVG path within `WIDTH` times `HEIGHT`; broken where there is nothing to show.
        last: Its newest value, if it has any.
    """

    name: str
    path: str
    last: float | None


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines with one scale.

    Attributes:
        lines: From the first to the last.
        top: Value at the upper edge; the lower one is 0.
        span_seconds: How far back the left edge lies.
    """

    lines: Sequence[Line]
    top: float
    span_seconds: float


def draw(series: Mapping[str, Points], span_seconds: float) -> Chart:
    """A chart of values by how many seconds ago they were."""
    values = [value for points in series.values() for _, value in points if value is not None]
    top = _round_up(max(values, default=0.0))
    lines = [
        Line(name, _path(points, span_seconds, top), next((v for _, v in reversed(points) if v is not None), None))
        for name, points in series.items()
    ]
    return Chart(lines, top, span_seconds)


def _path(points: Points, span_seconds: float, top: float) -> str:
    parts, is_drawing = [], False
    for ago, value in points:
        if value is None or ago > span_seconds:
            is_drawing = False
            continue
        x, y = WIDTH * (1 - ago / span_seconds), HEIGHT * (1 - value / top)
        # A round cap makes a dot of a line without length.
        parts.append(f"L{x:.1f} {y:.1f}" if is_drawing else f"M{x:.1f} {y:.1f}h.01")
        is_drawing = True
    return "".join(parts)


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10 ... that is not smaller."""
    if value <= 0:
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(value))
    return next(step * magnitude for step in (1, 2, 5, 10) if step * magnitude >= value * (1 - 1e-9))
