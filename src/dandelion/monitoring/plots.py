"""The report's plots, as SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dandelion.db.predictions import Summary
from dandelion.domain import FeatureDrift
from dandelion.imaging.statistics import SIZE
from dandelion.monitoring.accuracy import wilson
from dandelion.monitoring.sketch import CLASSES, Sketch

COLUMNS = 3
LIVE, TRAINED, ALARM = "#2a7f3f", "#9aa0a6", "#c0392b"


def plot_periods(periods: Sequence[tuple[datetime, Summary]]) -> str:
    """Plot accuracy with its interval, confidence, and the number of photos, period by period."""
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    labelled = [(start, summary) for start, summary in periods if summary.labelled]
    if labelled:
        shares = np.array([summary.right / summary.labelled for _, summary in labelled])
        ends = np.array([wilson(summary.right, summary.labelled) for _, summary in labelled])
        errors = np.abs(ends.T - shares)
        above.errorbar(
            [start for start, _ in labelled], shares, errors, fmt="o-", color=LIVE, capsize=3, label="accuracy, 95 %"
        )
    sure = [(start, summary.confidence) for start, summary in periods if summary.photos]
    above.plot(
        [start for start, _ in sure], [each for _, each in sure], marker=".", color=TRAINED, label="mean confidence"
    )
    above.set(ylim=(0, 1.02), ylabel="share")
    above.legend(loc="lower left")
    starts = [start for start, _ in periods]
    width = (starts[1] - starts[0]).total_seconds() / 86400 * 0.8 if len(starts) > 1 else 0.8
    below.bar(starts, [each.photos for _, each in periods], width, color=TRAINED, label="photos")
    below.bar(starts, [each.strange for _, each in periods], width, color=ALARM, label="out of distribution")
    below.set(ylabel="photos")
    below.legend(loc="upper left")
    return _svg(figure)


def plot_scores(features: Sequence[FeatureDrift]) -> str:
    """Plot every feature's score and the line above which photos have drifted."""
    figure = Figure(figsize=(10, 0.6 + 0.34 * len(features)), layout="constrained")
    axes = figure.subplots()
    found = list(reversed(features))
    axes.barh(
        [each.feature for each in found],
        [each.score for each in found],
        color=[ALARM if each.score >= 1 else LIVE for each in found],
    )
    axes.axvline(1, color="black", linestyle=":")
    axes.set(xlabel="score; photos have drifted at 1 or more")
    return _svg(figure)


def plot_spreads(sketch: Sketch, classes: Sequence[str], drifted: Sequence[str]) -> str:
    """Plot the distribution of every feature for live photos and for training photos."""
    names = list(sketch.expected.spreads)
    rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(10, 2.1 * rows), layout="constrained")
    for axes, name in zip(figure.subplots(rows, COLUMNS, squeeze=False).flat, names, strict=False):
        _plot_spread(axes, name, sketch, classes)
        title = "size, log2 of pixels" if name == SIZE else name.replace("_", " - ")
        axes.set_title(title, fontsize=10, color=ALARM if name in drifted else "black")
    for axes in list(figure.axes)[len(names) :]:
        axes.axis("off")
    figure.axes[0].legend(fontsize=8)
    return _svg(figure)


def _plot_spread(axes: Axes, name: str, sketch: Sketch, classes: Sequence[str]) -> None:
    spread = sketch.expected.spreads[name]
    live = np.array(sketch.counts[name]) / max(1, sketch.photos)
    if name == CLASSES:
        places = np.arange(len(live))
        axes.bar(places - 0.2, spread.shares, 0.4, color=TRAINED, label="training")
        axes.bar(places + 0.2, live, 0.4, color=LIVE, label="live")
        axes.set_xticks(places, list(classes) if len(classes) == len(live) else [str(each) for each in places])
        return
    # All bins hold the same share of training photos, so the plot shows densities.
    edges = np.array(spread.edges)
    inner = np.diff(edges)
    axes.step(edges[:-1], np.array(spread.shares)[1:-1] / inner, where="post", color=TRAINED, label="training")
    axes.step(edges[:-1], live[1:-1] / inner, where="post", color=LIVE, label="live")
    axes.set_yticks([])
    outside = live[0], live[-1]
    axes.set_xlabel(f"below {outside[0]:.0%}, above {outside[1]:.0%} (3 % each in training)", fontsize=7)


def _svg(figure: Figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg")
    text = stream.getvalue()
    return text[text.index("<svg") :]
