"""What a run shows on Prefect's page. Decoration: where Prefect does not take it, the work goes on without."""

from __future__ import annotations

from uuid import UUID

import httpx
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

_NOT_TAKEN = (httpx.HTTPError, PrefectException)


class ProgressBar:
    """How far the flow or task is that runs."""

    def __init__(self) -> None:
        self._artifact: UUID | None = None

    def show(self, percent: float, words: str) -> None:
        """Move it to `percent`, 0 to 100, and write beside it what is being done."""
        try:
            if self._artifact is None:
                self._artifact = create_progress_artifact(progress=percent, description=words)  # type: ignore[assignment]
            else:
                update_progress_artifact(artifact_id=self._artifact, progress=percent, description=words)
        except _NOT_TAKEN as error:
            _say("progress", error)


def show_text(markdown: str, *, key: str, description: str) -> None:
    """A text of the flow or task that runs, found again by `key`."""
    try:
        create_markdown_artifact(markdown, key=key, description=description)
    except _NOT_TAKEN as error:
        _say(key, error)


def _say(what: str, error: Exception) -> None:
    get_run_logger().warning("Prefect did not take the %s (%s).", what, type(error).__name__)
