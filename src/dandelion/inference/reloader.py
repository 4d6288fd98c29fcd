"""Following the alias: when it moves, the new model is fetched, verified, warmed up and put in service."""

from __future__ import annotations

import asyncio

import structlog

from dandelion.concurrency.periodic import run_periodically
from dandelion.errors import RegistryError
from dandelion.inference.service import PredictionService
from dandelion.inference.source import ModelSource
from dandelion.telemetry import instruments

log = structlog.get_logger(__name__)


class Reloader:
    """Checks the alias every `poll_seconds`, and on request."""

    def __init__(self, service: PredictionService, source: ModelSource, poll_seconds: float) -> None:
        self._service = service
        self._source = source
        self._poll_seconds = poll_seconds
        self._one_at_a_time = asyncio.Lock()

    async def start(self) -> None:
        """Load the first model. If MLflow does not respond and no model is cached, `run` keeps trying.

        Raises:
            DandelionError: There is no model, or it cannot be loaded.
        """
        try:
            found = await asyncio.to_thread(self._source.first)
        except RegistryError as error:
            log.warning("waiting_for_model", reason=str(error))
            return
        await asyncio.to_thread(self._service.swap, found)

    async def reload(self) -> bool:
        """Check the alias now and return whether the serving model changed.

        Raises:
            DandelionError: The registry did not respond or the package is damaged; the serving model stays in service.
        """
        if self._source.is_fixed:
            return False
        async with self._one_at_a_time:
            try:
                found = await asyncio.to_thread(self._source.current)
                changed = found is not None and await asyncio.to_thread(self._service.swap, found)
            except Exception:
                instruments.RELOADS.labels("failed").inc()
                raise
        instruments.RELOADS.labels("swapped" if changed else "unchanged").inc()
        return changed

    async def run(self) -> None:
        """Follow the alias until cancelled; return at once if the settings name a folder instead."""
        if not self._source.is_fixed:
            await run_periodically("reload", self.reload, pause_seconds=self._poll_seconds)
