"""`GET /accuracy`: live accuracy of the model, from labels."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get

from dandelion.api.access import needs
from dandelion.api.problems import documented
from dandelion.journal import Journal
from dandelion.monitoring import WindowAccuracy, measure_accuracy


class Accuracies(msgspec.Struct, kw_only=True):
    """Accuracy of every version with labels, window by window."""

    windows: list[WindowAccuracy]


@get(
    "/accuracy",
    opt=needs("read"),
    summary="Live accuracy",
    responses=documented({503: "The database does not answer"}),
)
async def get_accuracy(request: Request[Any, Any, Any]) -> Accuracies:
    """Accuracy from feedback with its 95 % interval; a window counts the labels given within it."""
    journal: Journal = request.app.state.journal
    await journal.prepare()
    windows = request.app.state.settings.monitoring.accuracy_windows
    return Accuracies(windows=await measure_accuracy(request.app.state.engine, windows))
