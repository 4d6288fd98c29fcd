"""The Litestar application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

import structlog
from litestar import Litestar, Router
from litestar.config.compression import CompressionConfig
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, License, SecurityScheme

from dandelion import __version__
from dandelion.access import Authenticator, RateLimiter
from dandelion.api import docs, health, history, model, monitoring, predict, queue, retrainings, versions
from dandelion.api.access import DOCS, OPEN, AccessControl, who_am_i
from dandelion.api.headers import create_headers
from dandelion.api.problems import to_response
from dandelion.api.requests import BodyLimits, BodyMemory, RequestContext, create_response_hook
from dandelion.api.v2 import LENGTH_HEADER
from dandelion.api.v2 import router as open_inference
from dandelion.concurrency.executor import BoundedExecutor
from dandelion.concurrency.periodic import run_periodically
from dandelion.concurrency.tasks import end_all
from dandelion.db import create_engine, keys, transact
from dandelion.domain import ApiKey
from dandelion.feedback.second_opinions import SecondOpinions
from dandelion.inference.challenger import Challenger
from dandelion.inference.reloader import Reloader
from dandelion.inference.service import PredictionService
from dandelion.inference.source import ModelSource
from dandelion.journal import Journal, Photos
from dandelion.monitoring import DriftMonitor, export_accuracy, export_records, save_sketches
from dandelion.objects import create_store, expire_periodically
from dandelion.privacy import ClientHasher
from dandelion.settings import Settings, load_settings
from dandelion.telemetry import tracing
from dandelion.telemetry.logs import configure_logging

log = structlog.get_logger(__name__)

KEY_PATIENCE_SECONDS = 1.0
# The web page loads a dozen photos at a time. A heat map of a large photo takes 0.3 GB.
STORE_READERS, REGISTRY_THREADS, SIDE_WORKERS = 8, 4, 2
MAX_WAITING = 64


def create_app(settings: Settings | None = None) -> Litestar:
    """Create the application; it loads its model when it starts, not when it is created.

    Without `settings` it reads them from the environment, as server processes do.
    """
    settings = load_settings() if settings is None else settings
    configure_logging(settings.log)
    monitor = DriftMonitor(settings.monitoring)
    service = PredictionService(settings, monitor.offer if settings.monitoring.drift else None)
    reloader = Reloader(service, ModelSource(settings), settings.model.poll_seconds)
    engine = create_engine(settings)
    journal = Journal(settings, engine)
    store = create_store(settings)
    photos = Photos(settings, engine, store, journal.prepare)
    challenger = Challenger(settings)
    store_readers = BoundedExecutor("object store", STORE_READERS, max_waiting=MAX_WAITING)
    registry_threads = BoundedExecutor("model registry", REGISTRY_THREADS, max_waiting=MAX_WAITING)
    side_workers = BoundedExecutor("background workers", SIDE_WORKERS, max_waiting=MAX_WAITING)
    clients = ClientHasher(settings) if settings.privacy.keep_clients else None

    async def find_key(identity: str) -> ApiKey | None:
        await journal.prepare()
        return await transact(engine, lambda on: keys.find(on, identity), patience_seconds=KEY_PATIENCE_SECONDS)

    windows, refresh_seconds = settings.monitoring.accuracy_windows, settings.monitoring.refresh_seconds
    refresh_accuracy = partial(export_accuracy, engine, windows, lambda: service.serving.ref.version)
    authenticator = Authenticator(settings.access, find_key) if settings.access.enabled else None
    # A body of the maximum size always fits if it is alone.
    body_memory = BodyMemory(max(settings.api.max_bodies_bytes, settings.api.max_upload_bytes))
    cors = _cors(settings)
    access = AccessControl(
        settings, authenticator, RateLimiter(settings.access), cors.is_origin_allowed if cors else None
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await reloader.start()
        tracing.start(settings.tracing)
        monitor.start()
        running = [
            asyncio.create_task(work)
            for work in (
                reloader.run(),
                journal.run(),
                photos.run(),
                run_periodically("live accuracy", refresh_accuracy, pause_seconds=refresh_seconds),
                run_periodically("records", partial(export_records, engine), pause_seconds=refresh_seconds),
                run_periodically(
                    "drift sketches",
                    partial(save_sketches, engine, monitor),
                    pause_seconds=settings.monitoring.save_seconds,
                ),
                expire_periodically(store, settings.objects.retention()),
            )
        ]
        try:
            yield
        finally:
            await end_all(running)
            await asyncio.to_thread(service.close)
            for threads in (store_readers, registry_threads, side_workers):
                threads.close()
            await asyncio.to_thread(monitor.close)
            await journal.close()
            await photos.close()  # which follow their rows
            await save_sketches(engine, monitor)
            await asyncio.to_thread(tracing.stop)
            await engine.dispose()

    @contextlib.asynccontextmanager
    async def serve_grpc(app: Litestar) -> AsyncIterator[None]:
        from dandelion.api.grpc.server import GrpcServer

        app.state.grpc = server = GrpcServer(app.state)  # which listens when HTTP does
        try:
            yield
        finally:
            await server.stop()

    return Litestar(
        route_handlers=[
            predict.predict,
            predict.explain,
            history.list_predictions,
            history.get_prediction,
            history.get_photo,
            history.give_feedback,
            history.give_bulk_feedback,
            history.withdraw_feedback,
            queue.list_queue,
            queue.get_queued_photo,
            monitoring.get_accuracy,
            monitoring.get_drift,
            model.describe_model,
            model.reload_model,
            versions.list_versions,
            versions.get_version,
            versions.get_plot,
            versions.promote,
            versions.rollback,
            predict.compare,
            who_am_i,
            retrainings.trigger_retraining,
            retrainings.list_retrainings,
            retrainings.get_retraining,
            retrainings.take_alerts,
            health.health,
            health.live,
            health.ready,
            health.metrics,
            docs.describe_server,
            docs.schema,
            docs.create_assets_router(),
            open_inference,
        ],
        lifespan=[lifespan, serve_grpc] if settings.grpc.port else [lifespan],
        state=State(
            {
                "settings": settings,
                "access": access,
                "body_memory": body_memory,
                "grpc": None,
                "service": service,
                "last_prediction": 0.0,  # seconds since the epoch
                "reloader": reloader,
                "engine": engine,
                "journal": journal,
                "store": store,
                "photos": photos,
                "clients": clients,
                "registry": None,
                "challenger": challenger,
                "second_opinions": SecondOpinions(challenger, store, store_readers),
                "store_readers": store_readers,
                "registry_threads": registry_threads,
                "side_workers": side_workers,
                "monitor": monitor,
            }
        ),
        middleware=[
            RequestContext(),
            BodyLimits(settings.api.body_timeout_seconds, body_memory, settings.api.max_upload_bytes),
            access,
        ],
        before_send=[
            create_headers(settings.api.hsts_seconds, lambda: service.is_draining),
            create_response_hook(settings.api.track, access_log=settings.log.access),
        ],
        exception_handlers={Exception: to_response},
        cors_config=cors,
        # A single prediction is smaller than the minimum; PNG is already compressed.
        compression_config=CompressionConfig(
            backend="gzip", gzip_compress_level=5, minimum_size=1024, exclude=["^/explain"]
        ),
        openapi_config=OpenAPIConfig(
            title="Dandelion",
            version=__version__,
            description="Classify photos. Errors are problem details (RFC 9457) with a `reason` for programs.",
            license=License(name="Apache-2.0", identifier="Apache-2.0"),
            openapi_router=Router(DOCS, route_handlers=[], include_in_schema=False, opt=OPEN),
            components=Components(
                security_schemes={
                    "bearer": SecurityScheme(type="http", scheme="bearer", description="An API key or a token."),
                    "key": SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header"),
                }
            ),
            security=[{"bearer": []}, {"key": []}] if settings.access.enabled else None,
            render_plugins=[docs.DocsPage(), docs.SchemaFile()],
        ),
        request_max_body_size=settings.api.max_upload_bytes,
        logging_config=None,
        debug=False,
    )


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.api.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.api.cors_origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID", LENGTH_HEADER],
        expose_headers=[
            *("X-Request-ID", "Retry-After", LENGTH_HEADER),
            *("RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
        ],
    )
