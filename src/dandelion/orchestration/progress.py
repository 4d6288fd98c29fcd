"""How far a run is, as a bar on Prefect's page."""

from __future__ import annotations

from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger


class ProgressBar:
    """A bar of the flow or task that runs; where Prefect does not take it, the work goes on without."""

    def __init__(self) -> None:
        self._artifact: UUID | None = None

    def show(self, percent: float, words: str) -> None:
        """Move it to `percent`, 0 to 100, and write beside it what is being done."""
        try:
            if self._artifact is None:
                self._artifact = create_progress_artifact(progress=percent, description=words)  # type: ignore[assignment]
            else:
                update_progress_artifact(artifact_id=self._artifact, progress=percent, description=words)
        except (httpx.HTTPError, PrefectException) as error:
            get_run_logger().warning("Prefect did not take the progress (%s).", type(error).__name__)
