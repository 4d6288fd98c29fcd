"""Artifacts of a run in Prefect: a progress bar and Markdown. When Prefect refuses one, the run continues without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger


class ProgressBar:
    """The progress of the running flow or task."""

    def __init__(self) -> None:
        self._artifact: UUID | None = None

    def show(self, percent: float, words: str) -> None:
        """Set the bar to `percent`, 0 to 100, and its description to `words`."""
        with _refusable("progress"):
            if self._artifact is None:
                self._artifact = create_progress_artifact(progress=percent, description=words)  # type: ignore[assignment]
            else:
                update_progress_artifact(artifact_id=self._artifact, progress=percent, description=words)


def show_text(markdown: str, *, key: str, description: str) -> None:
    """Create a Markdown artifact of the running flow or task, under `key`."""
    with _refusable(key):
        create_markdown_artifact(markdown, key=key, description=description)


@contextmanager
def _refusable(artifact: str) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().warning("Prefect did not accept the artifact %r (%s).", artifact, type(error).__name__)
