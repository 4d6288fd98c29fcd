"""Drift detection, live accuracy, and reports of both."""

from dandelion.monitoring.accuracy import WindowAccuracy, export_accuracy, measure_accuracy, seconds_of
from dandelion.monitoring.merged import MonitoringRun, run_monitoring, save_sketches
from dandelion.monitoring.monitor import DriftMonitor
from dandelion.monitoring.records import MERGED_FOR, export_records

__all__ = [
    "MERGED_FOR",
    "DriftMonitor",
    "MonitoringRun",
    "WindowAccuracy",
    "export_accuracy",
    "export_records",
    "measure_accuracy",
    "run_monitoring",
    "save_sketches",
    "seconds_of",
]
