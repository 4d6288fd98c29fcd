"""Live accuracy: accuracy on recent labels.

A window counts by the time of the label, not by the time of the photo. Labels come late, so a window by the time of the
photo would often be empty.
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

from dandelion.concurrency.patience import REQUEST_PATIENCE_SECONDS
from dandelion.db import feedback, transact
from dandelion.errors import DandelionError
from dandelion.telemetry import instruments

# 95 % of a normal distribution, two-sided.
_Z = 1.959964
_UNITS = {"m": 60, "h": 3600, "d": 86400}

log = structlog.get_logger(__name__)


class WindowAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    """One version's accuracy in one window, with its 95 % interval.

    Attributes:
        window: Length of the window, as in the settings.
        labelled: Number of labels.
        right: Number of labels that the model had predicted.
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
    """95 % interval of a share (Wilson 1927), which is also valid for few labels and for shares near 1."""
    share, z2 = right / labelled, _Z * _Z
    middle = share + z2 / (2 * labelled)
    spread = _Z * math.sqrt(share * (1 - share) / labelled + z2 / (4 * labelled * labelled))
    scale = 1 + z2 / labelled
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


async def measure_accuracy(engine: AsyncEngine, windows: Sequence[str]) -> list[WindowAccuracy]:
    """Measure every version's accuracy, window by window; versions without labels are left out.

    Raises:
        DatabaseError: The database does not respond.
    """
    now = datetime.now(UTC)
    accuracies: list[WindowAccuracy] = []
    for window in windows:
        since = now - timedelta(seconds=seconds_of(window))
        found = await transact(
            engine, partial(feedback.tally_bins, since=since), patience_seconds=REQUEST_PATIENCE_SECONDS
        )
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
    instruments.MODEL_ACCURACY: lambda accuracy: accuracy.accuracy,
    instruments.ACCURACY_LOWER: lambda accuracy: accuracy.low,
    instruments.ACCURACY_UPPER: lambda accuracy: accuracy.high,
    instruments.ACCURACY_SAMPLES: lambda accuracy: accuracy.labelled,
    instruments.CALIBRATION_ERROR: lambda accuracy: accuracy.calibration_error,
}


async def export_accuracy(engine: AsyncEngine, windows: Sequence[str], serving: Callable[[], str]) -> None:
    """Update `model_accuracy{window}` and the related metrics of the version that `serving` returns.

    Without labels, or without a database, a window has no value instead of an old one.
    """
    try:
        version = serving()
        measured = {each.window: each for each in await measure_accuracy(engine, windows) if each.version == version}
    except DandelionError as error:
        log.debug("accuracy_unknown", reason=str(error))
        measured = {}
    for window in windows:
        accuracy = measured.get(window)
        for gauge, value in _GAUGES.items():
            if accuracy is not None:
                gauge.labels(window).set(value(accuracy))
            else:
                gauge.remove_by_labels({"window": window})
