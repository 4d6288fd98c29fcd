"""Follows the alias: when it moves, the new model is fetched, verified, warmed up and swapped in."""

from __future__ import annotations

import asyncio

import structlog

from dandelion.errors import DandelionError, RegistryError
from dandelion.inference.service import PredictionService
from dandelion.inference.source import ModelSource
from dandelion.telemetry import instruments

log = structlog.get_logger(__name__)


class Reloader:
    """Looks at the alias every `poll_seconds`, and at once when asked."""

    def __init__(self, service: PredictionService, source: ModelSource, poll_seconds: float) -> None:
        self._service = service
        self._source = source
        self._poll_seconds = poll_seconds
        self._one_at_a_time = asyncio.Lock()
        self._last_failure = ""

    async def start(self) -> None:
        """Load the first model; while MLflow does not answer and none is cached, `watch` goes on asking for it.

        Raises:
            DandelionError: There is none, or it cannot be loaded.
        """
        try:
            found = await asyncio.to_thread(self._source.first)
        except RegistryError as error:
            log.warning("waiting_for_model", reason=str(error))
            return
        await asyncio.to_thread(self._service.swap, found)

    async def reload(self) -> bool:
        """Look at the alias now and return whether another model serves.

        Raises:
            DandelionError: The registry did not answer or the package is not sound; what served before goes on.
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

    async def watch(self) -> None:
        """Reload for ever; a failure is logged when it begins and when it changes, and tried again."""
        while not self._source.is_fixed:
            try:
                await self.reload()
                self._last_failure = ""
            except DandelionError as error:
                if str(error) != self._last_failure:
                    log.warning("reload_failed", reason=str(error))
                self._last_failure = str(error)
            except Exception:
                log.exception("reload_failed")
            await asyncio.sleep(self._poll_seconds)
