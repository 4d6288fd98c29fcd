"""`GET /drift`: drift of live photos from the training photos."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request, get

from dandelion.api.access import needs
from dandelion.api.problems import documented
from dandelion.concurrency.patience import REQUEST_PATIENCE_SECONDS
from dandelion.db import drift, transact
from dandelion.domain import Drift, FeatureDrift, MergedDrift
from dandelion.inference.service import PredictionService
from dandelion.journal import Journal
from dandelion.monitoring import MERGED_FOR, DriftMonitor


@get(
    "/drift",
    opt=needs("read"),
    summary="Drift of live photos from training",
    responses=documented({503: "No model is loaded yet, or the database does not answer"}),
)
async def get_drift(request: Request[Any, Any, Any]) -> Drift:
    """Return the drift of this process's latest photos, and of all processes' as hourly monitoring measured it."""
    service: PredictionService = request.app.state.service
    monitor: DriftMonitor = request.app.state.monitor
    journal: Journal = request.app.state.journal
    version = service.serving.ref.version
    seen = monitor.features()
    features = seen[1] if seen is not None and seen[0].version == version else []
    await journal.prepare()
    since = datetime.now(UTC) - MERGED_FOR
    saved = await transact(
        request.app.state.engine, lambda on: drift.last_drift(on, since), patience_seconds=REQUEST_PATIENCE_SECONDS
    )
    return Drift(
        version=version,
        photos=features[0].photos if features else 0,
        features=features,
        merged=[
            MergedDrift(
                version=each.model_version,
                at=each.at,
                photos=each.photos,
                features=msgspec.convert(each.features, list[FeatureDrift]),
            )
            for each in saved
        ],
    )
