"""How well the model does on what it meets, and whether that still looks like what it was trained on."""

from dandelion.watch.accuracy import AccuracyFigure, LiveAccuracy, measure_accuracy, seconds_of
from dandelion.watch.merged import Watch, run_watch, save_sketches
from dandelion.watch.monitor import DriftMonitor
from dandelion.watch.records import MERGED_FOR, Records

__all__ = [
    "MERGED_FOR",
    "AccuracyFigure",
    "DriftMonitor",
    "LiveAccuracy",
    "Records",
    "Watch",
    "measure_accuracy",
    "run_watch",
    "save_sketches",
    "seconds_of",
]
