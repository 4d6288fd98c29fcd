"""Two API processes, stable and canary, over MySQL and MinIO, watched by a real Prometheus and Alertmanager."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import delete

from dandelion.db import audit, create_engine, migrate, transact
from dandelion.db.tables import feedback
from dandelion.monitoring import run_monitoring
from dandelion.package.starter import starter_path
from dandelion.settings import Settings
from tests.monitoring.files import ALERTMANAGER, RULES
from tests.monitoring.traffic import Traffic
from tests.photos import REAL, photos_folder
from tests.servers import tools
from tests.servers.api import ApiProcess
from tests.servers.mysql import MySqlServer
from tests.servers.ports import free_ports
from tests.servers.process import ServerProcess
from tests.servers.prometheus import Alertmanager, Prometheus, Webhook, hurried_rules
from tests.servers.s3 import S3Server
from tests.waiting import wait_until

# How many times faster the rules' clock runs: an hour is two and a half minutes, or twelve where there is time.
SCALE = 5.0 if os.environ.get("TESTS_SOAK") else 24.0
PER_SECOND = 20.0
# How long an alert may need to resolve: its cause may be in a window of ten minutes of the rules' clock.
CALM_SECONDS = 60.0 + 600 / SCALE
WINDOW = 100


@dataclass
class Watched:
    """Everything that a drill looks at.

    Attributes:
        prometheus: Scrapes every second.
        alertmanager: With the repository's routes.
        webhook: In the place of every receiver.
        traffic: Runs all the time.
        mysql: The database.
        settings: The same database, for tests that look inside.
        apis: The two processes.
        calm_since: Since when nothing has been wrong, by the monotonic clock.
        is_broken: Whether a test has let something go wrong since.
        away_seconds: How long a test has taken a process away since.
    """

    prometheus: Prometheus
    alertmanager: Alertmanager
    webhook: Webhook
    traffic: Traffic
    mysql: MySqlServer
    settings: Settings
    apis: list[ApiProcess]
    calm_since: float
    is_broken: bool = False
    away_seconds: float = 0.0

    def wait(self, holds: Callable[[], bool], seconds: float, what: str) -> float:
        """Seconds until `holds`.

        Raises:
            AssertionError: It did not within `seconds`.
        """
        return wait_until(holds, lambda: f"{what}; {self.prometheus.firing()} fire", seconds=seconds, every=0.2)

    def mend(self) -> None:
        """Take back what a test may have let go wrong, whether it ended well or not."""
        self.traffic.spoil, self.traffic.dawdle_seconds = bytes, 0.0
        if not self.mysql.answers():
            self.mysql.start()
        if self.traffic.lie:
            self.traffic.lie = False
            # They would count for as long as the longest window of the accuracy.
            asyncio.run(withdraw_lies(self.settings))

    def calm_down(self) -> None:
        """Wait until nothing fires or is about to, if something was wrong."""
        if self.is_broken:
            self.wait(
                lambda: not self.prometheus.ask("ALERTS") and not self.alertmanager.knows(),
                CALM_SECONDS,
                "an alert does not resolve",
            )
            self.traffic.seconds.clear()
            self.traffic.failures.clear()
            self.calm_since, self.is_broken, self.away_seconds = time.monotonic(), False, 0.0


def quick_alertmanager(webhook: str) -> dict[str, Any]:
    """The repository's configuration, hurried, with a webhook in the place of every service."""
    config = yaml.safe_load(ALERTMANAGER.read_text())
    for receiver in config["receivers"]:
        name = receiver["name"]
        is_told = len(receiver) > 1
        receiver.clear()
        receiver["name"] = name
        if is_told:
            receiver["webhook_configs"] = [{"url": f"{webhook}/{name}", "send_resolved": True}]
    for route in [config["route"], *config["route"]["routes"]]:
        route |= {"group_wait": "1s", "group_interval": "2s"}  # how long people are spared is another matter
    config["templates"] = []
    return dict(config)


def job(name: str, port: int, path: str = "/metrics") -> dict[str, tuple[list[str], str]]:
    return {name: ([f"127.0.0.1:{port}"], path)}


@pytest.fixture(scope="session")
def stack() -> Iterator[ExitStack]:
    """Ends what was started, also when something after it did not start."""
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def watched(deployment: Watched) -> Iterator[Watched]:
    """The deployment with nothing wrong, whatever the test before did to it."""
    deployment.calm_down()
    yield deployment
    deployment.mend()


@pytest.fixture(scope="session")
def deployment(
    stack: ExitStack, mysql: MySqlServer, minio: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    if not REAL.is_dir():
        pytest.skip("the starter knows real photos, and there are none beside the checkout")
    folder = tmp_path_factory.mktemp("watched")
    mysql.create("watched")
    settings = Settings.model_validate({"home": folder / "home", "database": {"url": mysql.url("watched")}})
    env = {
        "DANDELION_MODEL__PATH": str(starter_path()),
        "DANDELION_DATABASE__URL": mysql.url("watched"),
        "DANDELION_DATABASE__CONNECT_TIMEOUT_SECONDS": "1",
        "DANDELION_OBJECTS__URL": minio.url,
        "DANDELION_OBJECTS__ACCESS_KEY": minio.keys["access_key"],
        "DANDELION_OBJECTS__SECRET_KEY": minio.keys["secret_key"],
        "DANDELION_OBJECTS__BUCKET_PREFIX": "watched-",
        "DANDELION_MONITORING__DRIFT_WINDOW_PHOTOS": str(WINDOW),
        "DANDELION_MONITORING__PHOTOS_PER_SECOND": "100",
        "DANDELION_MONITORING__SAVE_SECONDS": "2",
        "DANDELION_MONITORING__REFRESH_SECONDS": "1",
        "DANDELION_MONITORING__ACCURACY_WINDOWS": '["1m", "24h"]',
    }
    apis = [ApiProcess(folder / track, {**env, "DANDELION_API__TRACK": track}) for track in ("stable", "canary")]
    asyncio.run(record_runs(settings))
    for api in apis:
        api.start()
        stack.callback(api.end)
    node, sql = free_ports(2)
    exporters = [
        ServerProcess(
            [str(tools.find("node-exporter")), f"--web.listen-address=127.0.0.1:{node}"], node, folder / "node.log"
        ),
        ServerProcess(
            [str(tools.find("mysqld-exporter")), f"--web.listen-address=127.0.0.1:{sql}"],
            sql,
            folder / "mysqld.log",
            {"DATA_SOURCE_NAME": f"root@(127.0.0.1:{mysql.port})/"},
        ),
    ]
    for exporter in exporters:
        exporter.start()
        stack.callback(exporter.end)
    webhook = Webhook()
    stack.callback(webhook.close)
    alertmanager = Alertmanager(folder, quick_alertmanager(webhook.url))
    stack.callback(alertmanager.end)
    jobs = {
        "dandelion": ([f"127.0.0.1:{api.port}" for api in apis], "/metrics"),
        **job("node", node),
        **job("mysql", sql),
        **job("minio", minio.port, "/minio/v2/metrics/cluster"),
    }
    rules = hurried_rules(RULES, SCALE)
    for group in rules["groups"]:
        for rule in group["rules"]:
            if rule.get("alert") == "JournalBacklog":  # an age is told in seconds of our clock
                rule["expr"] = rule["expr"].replace("> 60", f"> {max(10.0, 60 / SCALE):g}")
    prometheus = Prometheus(folder, rules, jobs, alertmanager.address)
    stack.callback(prometheus.end)
    photos = [file.read_bytes() for file in sorted(photos_folder().rglob("*.jpg"))]
    with Traffic([api.url for api in apis], photos, PER_SECOND) as traffic:
        running = Watched(prometheus, alertmanager, webhook, traffic, mysql, settings, apis, time.monotonic())
        scraped = 'count(model_info and on (instance) up{job="dandelion"} == 1) == 2'
        running.wait(lambda: bool(prometheus.ask(scraped)), 60, "not both processes are scraped")
        yield running


async def record_runs(settings: Settings) -> None:
    """What flows write about a retraining and a backup that ended well."""
    engine = create_engine(settings)
    await migrate.upgrade(engine)
    retrained = {"outcome": "succeeded", "decision": "rejected", "reason": "not better", "seconds": 300}
    saved = {"outcome": "succeeded", "seconds": 20}
    for action, detail in (("retrain", retrained), ("backup", saved)):
        await transact(
            engine,
            lambda on: audit.record(on, actor="flows", action=action, subject="1", detail=detail),  # noqa: B023 -- runs here
            patience_seconds=30,
        )
    await engine.dispose()


async def withdraw_lies(settings: Settings) -> None:
    """Forget every label that differs from the answer: apart from the lies there is none."""
    engine = create_engine(settings)
    lies = delete(feedback).where(feedback.c.correct.is_(False))
    await transact(engine, lambda on: on.execute(lies), patience_seconds=30)
    await engine.dispose()


def merged(watched: Watched) -> None:
    """What the hourly flow does."""
    settings = watched.settings.monitoring.model_copy(update={"drift_window_photos": WINDOW})
    asyncio.run(run_monitoring(watched.settings.model_copy(update={"monitoring": settings})))


def metric(url: str, name: str) -> float:
    """The sum of a figure over its labels."""
    lines = httpx.get(f"{url}/metrics", timeout=10).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)
