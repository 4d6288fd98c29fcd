"""Accuracy on the truths that people told lately.

A window is about when a truth was told, not about when its photo came: labels come late, and a window of photos would
stand empty just when people tell what went wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import structlog
from prometheus_client import Gauge
from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion.db import feedback, transact
from dandelion.errors import DandelionError
from dandelion.telemetry import instruments

PATIENCE_SECONDS = 2.0
# 95 % of a normal distribution, two-sided.
_Z = 1.959964
_UNITS = {"m": 60, "h": 3600, "d": 86400}

log = structlog.get_logger(__name__)


class AccuracyFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One version's accuracy in one window.

    Attributes:
        version: Model version.
        window: How far back, as in the settings.
        told: How many truths it rests on.
        right: How many of them the model had answered.
        accuracy: Their share.
        low: Lower end of its 95 % interval.
        high: Upper end.
        calibration_error: Mean distance of confidence from accuracy, over tenths of confidence.
    """

    version: str
    window: str
    told: int
    right: int
    accuracy: float
    low: float
    high: float
    calibration_error: float


def seconds_of(window: str) -> float:
    """`30m`, `24h` or `7d` in seconds."""
    return float(int(window[:-1]) * _UNITS[window[-1]])


def wilson(right: int, told: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927), which holds for few truths and for shares near 1, too."""
    share, z2 = right / told, _Z * _Z
    middle = share + z2 / (2 * told)
    spread = _Z * math.sqrt(share * (1 - share) / told + z2 / (4 * told * told))
    scale = 1 + z2 / told
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


async def measure_accuracy(engine: AsyncEngine, windows: Sequence[str]) -> list[AccuracyFigure]:
    """Every version's figures, window by window; versions that nobody told about are left out.

    Raises:
        DatabaseError: The database does not answer.
    """
    now = datetime.now(UTC)
    figures = []
    for window in windows:
        since = now - timedelta(seconds=seconds_of(window))
        told = await transact(engine, lambda on: feedback.tally_tenths(on, since), patience_seconds=PATIENCE_SECONDS)  # noqa: B023 -- runs here
        versions = sorted({each.version for each in told})
        figures += [_figure(window, [each for each in told if each.version == version]) for version in versions]
    return figures


def _figure(window: str, tenths: Sequence[feedback.Tenth]) -> AccuracyFigure:
    told, right = sum(each.told for each in tenths), sum(each.right for each in tenths)
    low, high = wilson(right, told)
    return AccuracyFigure(
        version=tenths[0].version,
        window=window,
        told=told,
        right=right,
        accuracy=right / told,
        low=low,
        high=high,
        calibration_error=sum(abs(each.right - each.confidence) for each in tenths) / told,
    )


_GAUGES: dict[Gauge, Callable[[AccuracyFigure], float]] = {
    instruments.MODEL_ACCURACY: lambda figure: figure.accuracy,
    instruments.ACCURACY_LOWER: lambda figure: figure.low,
    instruments.ACCURACY_UPPER: lambda figure: figure.high,
    instruments.ACCURACY_SAMPLES: lambda figure: figure.told,
    instruments.CALIBRATION_ERROR: lambda figure: figure.calibration_error,
}


class LiveAccuracy:
    """Keeps `model_accuracy{window}` and its company true for the version that serves.

    Args:
        engine: Where truths are.
        windows: How far back.
        version: Tells what serves now.
    """

    def __init__(self, engine: AsyncEngine, windows: Sequence[str], version: Callable[[], str]) -> None:
        self._engine = engine
        self._windows = windows
        self._version = version

    async def refresh(self) -> None:
        """Measure again; a window without truths, or without a database, has no figure rather than an old one."""
        try:
            version = self._version()
            figures = {
                each.window: each
                for each in await measure_accuracy(self._engine, self._windows)
                if each.version == version
            }
        except DandelionError as error:
            log.debug("accuracy_unknown", reason=str(error))
            figures = {}
        for window in self._windows:
            figure = figures.get(window)
            for gauge, value in _GAUGES.items():
                if figure is not None:
                    gauge.labels(window).set(value(figure))
                else:
                    gauge.remove_by_labels({"window": window})
