"""The last hour of traffic, from the telemetry of every API process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from urllib.parse import urlsplit

import structlog
from prometheus_client.parser import text_string_to_metric_families

from dandelion.client import AsyncClient
from dandelion.errors import DandelionError

SAMPLE_SECONDS = 5.0
MAX_SAMPLES = int(3600 / SAMPLE_SECONDS)
STEP_SECONDS = 30
NOW_SAMPLES = 6  # "now" covers half a minute

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """Telemetry of one process; counters rise until it stops.

    Attributes:
        answered: Classified photos.
        out_of_distribution: Photos among them that were out of distribution.
        refused: Refused requests or photos.
        within: Cumulative number of predictions by maximum duration in seconds.
        backlog_bytes: Size of the predictions that wait for the database.
        backlog_seconds: How long the oldest of them has waited.
    """

    answered: float = 0.0
    out_of_distribution: float = 0.0
    refused: float = 0.0
    within: Mapping[float, float] = field(default_factory=dict)
    backlog_bytes: float = 0.0
    backlog_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Telemetry of all processes over a few seconds.

    Attributes:
        at: End of the interval, UTC.
        seconds: Length of the interval.
        processes: Number of processes that responded.
        change: Increase of the counters; the backlog at the end of the interval.
    """

    at: datetime
    seconds: float
    processes: int
    change: Reading


class Traffic:
    """Samples every process regularly, and retains the last hour.

    Args:
        url: Where `/metrics` is; every address of its host is one process.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._clients: dict[str, AsyncClient] = {}
        self._before: dict[str, Reading] = {}
        self._sampled_at: float | None = None
        self.samples: deque[Sample] = deque(maxlen=MAX_SAMPLES)

    async def sample(self) -> None:
        """Sample all processes once."""
        urls = await _addresses(self._url)
        for gone in self._clients.keys() - set(urls):
            await self._clients.pop(gone).aclose()
        found = zip(urls, await asyncio.gather(*map(self._read, urls)), strict=True)
        readings = {url: each for url, each in found if each is not None}
        now, before_at = self._clock(), self._sampled_at
        # The first reading of a process is only a baseline: it may have counted for days.
        changes = [_since(self._before[url], each) for url, each in readings.items() if url in self._before]
        if before_at is not None and changes:
            self.samples.append(Sample(datetime.now(UTC), now - before_at, len(changes), _sum(changes)))
        self._before, self._sampled_at = readings, now

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()

    async def _read(self, url: str) -> Reading | None:
        if url not in self._clients:  # a new client reads all certificate authorities, which takes 50 ms
            # An address of a pod is none that `NO_PROXY` could name.
            self._clients[url] = AsyncClient(
                url, timeout_seconds=SAMPLE_SECONDS, patience_seconds=0, use_proxy=url == self._url
            )
        try:
            return read(await self._clients[url].metrics())
        except (DandelionError, ValueError) as error:
            log.debug("no_metrics", url=url, reason=str(error))
            return None


def read(text: str) -> Reading:
    """Parse one process's telemetry in Prometheus text format."""
    totals: defaultdict[str, float] = defaultdict(float)
    within: defaultdict[float, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            if each.name == "prediction_duration_seconds_bucket":
                within[float(each.labels["le"])] += each.value
            else:
                totals[each.name] += each.value
    return Reading(
        answered=totals["predictions_total"],
        out_of_distribution=totals["predictions_out_of_distribution_total"],
        refused=totals["prediction_errors_total"],
        within=within,
        backlog_bytes=totals["journal_backlog_bytes"],
        backlog_seconds=totals["journal_backlog_age_seconds"],
    )


def quantile(within: Mapping[float, float], share: float) -> float | None:
    """Estimate a quantile of the durations in seconds, as Prometheus does; None without predictions."""
    limits = sorted(within)
    if not limits or within[limits[-1]] <= 0:
        return None
    wanted = share * within[limits[-1]]
    below, lower = 0.0, 0.0
    for limit in limits:
        if within[limit] >= wanted:
            if limit == float("inf"):
                return lower
            return lower + (limit - lower) * (wanted - below) / max(within[limit] - below, 1e-12)
        below, lower = within[limit], limit
    return lower


def total(samples: list[Sample]) -> Reading:
    """Add up samples; the backlog is that of the last one."""
    summed = _sum([each.change for each in samples])
    last = samples[-1].change if samples else summed
    return replace(summed, backlog_bytes=last.backlog_bytes, backlog_seconds=last.backlog_seconds)


def in_steps(samples: list[Sample]) -> list[tuple[float, list[Sample]]]:
    """Group samples by half minutes, each with its age in seconds, oldest first."""
    steps = [list(some) for _, some in groupby(samples, lambda each: each.at.timestamp() // STEP_SECONDS)]
    now = datetime.now(UTC)
    return [((now - some[-1].at).total_seconds(), some) for some in steps]


async def _addresses(url: str) -> list[str]:
    """Return `url` once for every address of its host."""
    parts = urlsplit(url)
    if parts.scheme != "http":  # a certificate names a host, not an address
        return [url]
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        found = await loop.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
        by_family = {family: [str(place[0]) for kind, *_, place in found if kind == family] for family, *_ in found}
        # A process with an IPv4 and an IPv6 address is one process.
        hosts = sorted(set(by_family.get(socket.AF_INET) or [f"[{host}]" for host in by_family[socket.AF_INET6]]))
        return [parts._replace(netloc=f"{host}:{parts.port or 80}").geturl() for host in hosts]
    return [url]


def _since(before: Reading, now: Reading) -> Reading:
    if now.answered < before.answered or now.refused < before.refused:
        return now  # the process restarted, and its counters began at 0
    return replace(
        now,
        answered=now.answered - before.answered,
        out_of_distribution=now.out_of_distribution - before.out_of_distribution,
        refused=now.refused - before.refused,
        within={limit: count - before.within.get(limit, 0.0) for limit, count in now.within.items()},
    )


def _sum(changes: list[Reading]) -> Reading:
    within: defaultdict[float, float] = defaultdict(float)
    for each in changes:
        for limit, count in each.within.items():
            within[limit] += count
    return Reading(
        answered=sum(each.answered for each in changes),
        out_of_distribution=sum(each.out_of_distribution for each in changes),
        refused=sum(each.refused for each in changes),
        within=within,
        backlog_bytes=sum(each.backlog_bytes for each in changes),
        backlog_seconds=max((each.backlog_seconds for each in changes), default=0.0),
    )
