"""The API as a process of its own among real parts, each behind a proxy that can fail."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from dandelion.db import create_engine, predictions, transact
from dandelion.domain import StoredPrediction
from dandelion.errors import DatabaseError
from dandelion.package.starter import starter_path
from dandelion.registry import Registry, create_registry
from dandelion.settings import Settings
from tests.load import SteadyLoad
from tests.servers.api import ApiProcess
from tests.servers.mlflow import MlflowServer
from tests.servers.mysql import MySqlServer
from tests.servers.s3 import S3Server
from tests.servers.toxiproxy import Proxy, Toxiproxy
from tests.waiting import wait_until

SOAK = bool(os.environ.get("TESTS_SOAK"))
# How long a fault lasts: what proves the point, or a real outage.
FAULT_SECONDS = 60.0 if SOAK else 3.0
AROUND_SECONDS = 10.0 if SOAK else 1.0
P95_MS = 150.0
MEMORY_BYTES = 100 * 1024 * 1024
SETTLE_SECONDS = 60.0


@dataclass
class Stack:
    """Everything that a drill may break.

    Attributes:
        api: The API, not started yet.
        mysql: Its database server.
        minio: Its object store.
        mlflow: Its registry.
        to_mysql: The way there; likewise for the others.
        settings: The same as the API's, but past the proxies, to look at what it stored.
        registry: To register and promote.
        away: From when to when a drill had taken the API itself away, as `time.perf_counter` tells it.
    """

    api: ApiProcess
    mysql: MySqlServer
    minio: S3Server
    mlflow: MlflowServer
    to_mysql: Proxy
    to_minio: Proxy
    to_mlflow: Proxy
    settings: Settings
    registry: Registry
    away: tuple[float, float] = (0, 0)

    def version(self) -> str:
        """What the API serves now."""
        return str(httpx.get(f"{self.api.url}/model", timeout=10).json()["version"])

    def served(self) -> str:
        """Have the API serve once, so that it has a model of its own; which."""
        self.api.start()
        version = self.version()
        self.api.stop()
        return version

    def drill(
        self,
        name: str,
        fault: Callable[[], None],
        *,
        before: Callable[[], None] | None = None,
        refusals: tuple[str, ...] = (),
        photos: bool = True,
    ) -> SteadyLoad:
        """Run `fault` under load, then account for every acknowledged prediction and its photo.

        Args:
            name: For the report.
            fault: Breaks something, waits, and mends it.
            before: Breaks something before the API starts.
            refusals: Words of failures that are part of the fault.
            photos: Whether every photo must arrive.
        """
        if before is not None:
            before()
        self.api.start()
        with SteadyLoad(self.api.url) as load:
            time.sleep(AROUND_SECONDS)
            memory = self.api.memory_bytes()
            fault()
            time.sleep(AROUND_SECONDS)
        found = self.stored(set(load.acknowledged), photos=photos)
        ids = [each.prediction_id for each in found]
        lost = set(load.acknowledged) - set(ids)
        duplicated = len(ids) - len(set(ids))
        shown = {each.prediction_id for each in found if each.photo_key}
        growth = self.api.memory_bytes() - memory
        unforeseen = [each for each in load.failures if not any(word in each for word in refusals)]
        print(
            f"\n{name}: acknowledged {len(load.acknowledged)}, stored {len(ids)}, lost = {len(lost)}, "
            f"duplicated = {duplicated}, photos {len(shown)}, refused {len(load.failures) - len(unforeseen)}, "
            f"failed {len(unforeseen)}, p95 {load.p95_ms(self.away):.0f} ms, memory {growth / 2**20:+.0f} MiB"
        )
        assert unforeseen == []
        assert lost == set()
        assert duplicated == 0
        # A kill may come between the record of a prediction and its photo; then nobody was answered.
        assert not photos or set(load.acknowledged) <= shown
        assert growth < MEMORY_BYTES
        if SOAK:
            assert load.p95_ms(self.away) < P95_MS
        return load

    def stored(self, wanted: set[str], *, photos: bool) -> list[StoredPrediction]:
        """What is in the table, once all that is wanted is there or the time is over."""

        async def look() -> list[StoredPrediction]:
            engine = create_engine(self.settings)
            found: list[StoredPrediction] = []
            cursor: str | None = None
            try:
                while True:
                    page = await transact(
                        engine,
                        lambda on: predictions.page(on, predictions.Filter(), before=cursor, limit=500),  # noqa: B023 -- runs here
                        patience_seconds=30,
                    )
                    found += page
                    if not page:
                        return found
                    cursor = page[-1].prediction_id
            finally:
                await engine.dispose()

        found: list[StoredPrediction] = []

        def is_there() -> bool:
            found[:] = asyncio.run(look())
            return wanted <= {each.prediction_id for each in found if each.photo_key or not photos}

        not_yet = (DatabaseError,)  # not up, or without tables
        with contextlib.suppress(AssertionError):  # the drill's report says how much is lost
            wait_until(is_there, "all that was acknowledged", seconds=SETTLE_SECONDS, every=0.3, not_yet=not_yet)
        return found


@pytest.fixture(scope="session")
def proxies(toxiproxy: Toxiproxy, mysql: MySqlServer, minio: S3Server, mlflow: MlflowServer) -> dict[str, Proxy]:
    """A way to each server."""
    ports = {"mysql": mysql.port, "minio": minio.port, "mlflow": mlflow.port}
    return {name: toxiproxy.before(name, port) for name, port in ports.items()}


@pytest.fixture
def stack(
    request: pytest.FixtureRequest,
    mysql: MySqlServer,
    minio: S3Server,
    mlflow: MlflowServer,
    proxies: dict[str, Proxy],
    tmp_path: Path,
) -> Iterator[Stack]:
    """A database, buckets and a registered model of its own, with a champion that is registered twice."""
    # Its start keeps a core busy for ten seconds, and there are two.
    mlflow.niceness = 19 if SOAK else 0
    name = f"drill{abs(hash(request.node.name)) % 10**8}"
    mysql.create(name)
    direct = {
        "home": tmp_path / "home",
        "database": {"url": mysql.url(name)},
        "objects": minio.settings(bucket_prefix=f"{name}-"),
        "registry": {"uri": mlflow.url},
        "model": {"name": name},
    }
    settings = Settings.model_validate(direct)
    registry = create_registry(settings)
    registry.promote(registry.register_package(starter_path()).version)
    env = {
        "DANDELION_DATABASE__URL": mysql.url(name, port=proxies["mysql"].port),
        "DANDELION_DATABASE__CONNECT_TIMEOUT_SECONDS": "1",
        "DANDELION_DATABASE__QUERY_TIMEOUT_SECONDS": "2",
        "DANDELION_OBJECTS__URL": f"http://127.0.0.1:{proxies['minio'].port}",
        "DANDELION_OBJECTS__ACCESS_KEY": minio.keys["access_key"],
        "DANDELION_OBJECTS__SECRET_KEY": minio.keys["secret_key"],
        "DANDELION_OBJECTS__BUCKET_PREFIX": f"{name}-",
        "DANDELION_OBJECTS__TIMEOUT_SECONDS": "2",
        "DANDELION_JOURNAL__PHOTOS": "all",
        "DANDELION_REGISTRY__URI": f"http://127.0.0.1:{proxies['mlflow'].port}",
        "DANDELION_REGISTRY__TIMEOUT_SECONDS": "2",
        "DANDELION_MODEL__NAME": name,
        "DANDELION_MODEL__POLL_SECONDS": "0.5",
    }
    api = ApiProcess(tmp_path / "home", env)
    ways = proxies["mysql"], proxies["minio"], proxies["mlflow"]
    yield Stack(api, mysql, minio, mlflow, *ways, settings=settings, registry=registry)
    api.end()
    for proxy in proxies.values():
        proxy.heal()
    # A drill that broke off half-way must not fail the next.
    for server in (mysql, minio):
        if not server.answers():
            server.start()
