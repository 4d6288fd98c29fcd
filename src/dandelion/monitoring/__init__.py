"""Drift detection, live accuracy, and reports of both."""

from dandelion.monitoring.accuracy import LiveAccuracy, WindowAccuracy, measure_accuracy, seconds_of
from dandelion.monitoring.merged import MonitoringRun, run_monitoring, save_sketches
from dandelion.monitoring.monitor import DriftMonitor
from dandelion.monitoring.records import MERGED_FOR, Records

__all__ = [
    "MERGED_FOR",
    "DriftMonitor",
    "LiveAccuracy",
    "MonitoringRun",
    "Records",
    "WindowAccuracy",
    "measure_accuracy",
    "run_monitoring",
    "save_sketches",
    "seconds_of",
]
