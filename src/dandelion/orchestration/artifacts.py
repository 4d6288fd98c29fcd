"""Artifacts of a run in Prefect: a progress bar and Markdown. When Prefect refuses one, the run continues without."""

from __future__ import annotations

from uuid import UUID

import httpx
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

_REFUSALS = (httpx.HTTPError, PrefectException)


class ProgressBar:
    """The progress of the running flow or task."""

    def __init__(self) -> None:
        self._artifact: UUID | None = None

    def show(self, percent: float, words: str) -> None:
        """Set the bar to `percent`, 0 to 100, and its description to `words`."""
        try:
            if self._artifact is None:
                self._artifact = create_progress_artifact(progress=percent, description=words)  # type: ignore[assignment]
            else:
                update_progress_artifact(artifact_id=self._artifact, progress=percent, description=words)
        except _REFUSALS as error:
            _warn("progress", error)


def show_text(markdown: str, *, key: str, description: str) -> None:
    """Create a Markdown artifact of the running flow or task, under `key`."""
    try:
        create_markdown_artifact(markdown, key=key, description=description)
    except _REFUSALS as error:
        _warn(key, error)


def _warn(artifact: str, error: Exception) -> None:
    get_run_logger().warning("Prefect did not accept the artifact %r (%s).", artifact, type(error).__name__)
