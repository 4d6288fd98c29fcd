"""Accuracy on the labels that people gave lately.

A window is about when a label was given, not about when its photo came: labels come late, and a window of photos would
stand empty just when people tell what went wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

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


class WindowAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    """One version's accuracy in one window.

    Attributes:
        version: Model version.
        window: How far back, as in the settings.
        labelled: Number of labels.
        right: How many of them the model had answered.
        accuracy: Their share.
        low: Lower end of its 95 % interval.
        high: Upper end.
        calibration_error: Mean distance of confidence from accuracy, over equal bins of confidence.
    """

    version: str
    window: str
    labelled: int
    right: int
    accuracy: float
    low: float
    high: float
    calibration_error: float


def seconds_of(window: str) -> float:
    """`30m`, `24h` or `7d` in seconds."""
    return float(int(window[:-1]) * _UNITS[window[-1]])


def wilson(right: int, labelled: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927), which holds for few labels and for shares near 1, too."""
    share, z2 = right / labelled, _Z * _Z
    middle = share + z2 / (2 * labelled)
    spread = _Z * math.sqrt(share * (1 - share) / labelled + z2 / (4 * labelled * labelled))
    scale = 1 + z2 / labelled
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


async def measure_accuracy(engine: AsyncEngine, windows: Sequence[str]) -> list[WindowAccuracy]:
    """Every version's accuracy, window by window; versions without labels are left out.

    Raises:
        DatabaseError: The database does not answer.
    """
    now = datetime.now(UTC)
    accuracies: list[WindowAccuracy] = []
    for window in windows:
        since = now - timedelta(seconds=seconds_of(window))
        found = await transact(engine, partial(feedback.tally_bins, since=since), patience_seconds=PATIENCE_SECONDS)
        versions = sorted({each.version for each in found})
        accuracies += [_accuracy(window, [each for each in found if each.version == version]) for version in versions]
    return accuracies


def _accuracy(window: str, bins: Sequence[feedback.BinTally]) -> WindowAccuracy:
    labelled, right = sum(each.labelled for each in bins), sum(each.right for each in bins)
    low, high = wilson(right, labelled)
    return WindowAccuracy(
        version=bins[0].version,
        window=window,
        labelled=labelled,
        right=right,
        accuracy=right / labelled,
        low=low,
        high=high,
        calibration_error=sum(abs(each.right - each.confidence) for each in bins) / labelled,
    )


_GAUGES: dict[Gauge, Callable[[WindowAccuracy], float]] = {
    instruments.MODEL_ACCURACY: lambda figure: figure.accuracy,
    instruments.ACCURACY_LOWER: lambda figure: figure.low,
    instruments.ACCURACY_UPPER: lambda figure: figure.high,
    instruments.ACCURACY_SAMPLES: lambda figure: figure.labelled,
    instruments.CALIBRATION_ERROR: lambda figure: figure.calibration_error,
}


class LiveAccuracy:
    """Keeps `model_accuracy{window}` and its company true for the version that serves.

    Args:
        engine: Where labels are.
        windows: How far back.
        version: Tells what serves now.
    """

    def __init__(self, engine: AsyncEngine, windows: Sequence[str], version: Callable[[], str]) -> None:
        self._engine = engine
        self._windows = windows
        self._version = version

    async def refresh(self) -> None:
        """Measure again; a window without labels, or without a database, has no figure rather than an old one."""
        try:
            version = self._version()
            measured = {
                each.window: each
                for each in await measure_accuracy(self._engine, self._windows)
                if each.version == version
            }
        except DandelionError as error:
            log.debug("accuracy_unknown", reason=str(error))
            measured = {}
        for window in self._windows:
            figure = measured.get(window)
            for gauge, value in _GAUGES.items():
                if figure is not None:
                    gauge.labels(window).set(value(figure))
                else:
                    gauge.remove_by_labels({"window": window})
