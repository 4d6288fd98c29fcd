"""Figures of several processes, added up, and the chart of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest

from dandelion.client import AsyncClient
from dandelion.ui import traffic
from dandelion.ui.chart import HEIGHT, WIDTH, draw
from dandelion.ui.traffic import Reading, Sample, Traffic, in_steps, quantile, read, total
from tests.servers.scripted import Handler, listening

TEXT = """
# TYPE predictions_total counter
predictions_total{label="grass",version="1",track="stable"} 7.0
predictions_total{label="dandelion",version="1",track="stable"} 3.0
# TYPE prediction_errors_total counter
prediction_errors_total{reason="not_an_image"} 2.0
# TYPE prediction_duration_seconds histogram
prediction_duration_seconds_bucket{le="0.01",track="stable"} 4.0
prediction_duration_seconds_bucket{le="0.1",track="stable"} 9.0
prediction_duration_seconds_bucket{le="+Inf",track="stable"} 10.0
# TYPE journal_backlog_bytes gauge
journal_backlog_bytes 2048.0
# TYPE journal_backlog_age_seconds gauge
journal_backlog_age_seconds 4.0
"""


def test_a_process_tells_its_figures() -> None:
    found = read(TEXT)
    assert (found.answered, found.refused, found.backlog_bytes, found.backlog_seconds) == (10, 2, 2048, 4)
    assert found.within == {0.01: 4, 0.1: 9, float("inf"): 10}


@pytest.mark.parametrize(("share", "seconds"), [(0.2, 0.005), (0.4, 0.01), (0.65, 0.055), (0.9, 0.1), (0.99, 0.1)])
def test_durations_are_estimated_within_their_bucket(share: float, seconds: float) -> None:
    assert quantile(read(TEXT).within, share) == pytest.approx(seconds)


def test_nothing_answered_has_no_duration() -> None:
    assert quantile({}, 0.5) is None
    assert quantile({0.1: 0.0, float("inf"): 0.0}, 0.5) is None


class Pods:
    """Processes whose figures a test sets, each a path of one server.

    Attributes:
        texts: What each tells, by name.
        made: Those that a client was made for.
        closed: Those whose client was closed.
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.made: list[str] = []
        self.closed: list[str] = []
        self._url = ""

    @contextmanager
    def serving(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Self]:
        pods = self

        class Server(Handler):
            def do_GET(self) -> None:
                self.answer(200, pods.texts[self.path.split("/")[1]].encode())

        class Client(AsyncClient):
            def __init__(self, url: str, **options: Any) -> None:
                super().__init__(url, **options)
                self.name = url.rpartition("/")[2]
                pods.made.append(self.name)

            async def aclose(self) -> None:
                pods.closed.append(self.name)
                await super().aclose()

        monkeypatch.setattr(traffic, "AsyncClient", Client)
        monkeypatch.setattr(traffic, "_addresses", self.addresses)
        with listening(Server) as self._url:
            yield self

    async def addresses(self, _: str) -> list[str]:
        return [f"{self._url}/{name}" for name in self.texts]


@pytest.fixture
def pods(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pods]:
    with Pods().serving(monkeypatch) as serving:
        yield serving


def count(answered: int) -> str:
    return f"# TYPE predictions_total counter\npredictions_total {answered}.0\n"


async def test_processes_are_added_up_and_restarts_are_no_negative_traffic(pods: Pods) -> None:
    now = 0.0
    watched = Traffic("http://pods:8000", clock=lambda: now)
    pods.texts = {"a": count(100), "b": count(1000)}
    await watched.sample()
    assert list(watched.samples) == []  # what was counted before is no traffic of now
    now, pods.texts = 5.0, {"a": count(110), "b": count(1020)}
    await watched.sample()
    assert (watched.samples[-1].change.answered, watched.samples[-1].seconds) == (30, 5)
    now, pods.texts = 10.0, {"a": count(3), "b": count(1020), "c": count(500)}
    await watched.sample()
    assert (watched.samples[-1].change.answered, watched.samples[-1].processes) == (3, 2)
    now, pods.texts = 15.0, {"c": count(504)}
    await watched.sample()
    assert watched.samples[-1].change.answered == 4
    await watched.close()


async def test_a_process_is_asked_by_one_client_for_as_long_as_it_is_there(pods: Pods) -> None:
    watched = Traffic("http://pods:8000")
    pods.texts = {"a": count(1), "b": count(1)}
    await watched.sample()
    await watched.sample()
    assert (sorted(pods.made), pods.closed) == (["a", "b"], [])
    pods.texts = {"b": count(1), "c": count(1)}
    await watched.sample()
    assert (sorted(pods.made), pods.closed) == (["a", "b", "c"], ["a"])
    await watched.close()
    assert sorted(pods.closed) == ["a", "b", "c"]


def test_half_minutes_hold_what_was_counted_in_them() -> None:
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=2)
    samples = [
        Sample(start + timedelta(seconds=5 * number), 5.0, 1, Reading(answered=number)) for number in range(1, 13)
    ]
    steps = in_steps(samples)
    assert [total(some).answered for _, some in steps] == [15, 51, 12]
    assert steps[0][0] > steps[1][0] > steps[2][0]


def test_a_chart_breaks_where_there_is_nothing_and_shows_a_single_point() -> None:
    chart = draw({"a": [(60, 1.0), (40, 3.0), (20, None), (0, 2.0)], "b": []}, 60)
    assert chart.top == 5
    first, second = chart.lines
    assert (
        first.path
        == f"M0.0 {HEIGHT * 0.8:.1f}h.01L{WIDTH / 3:.1f} {HEIGHT * 0.4:.1f}M{WIDTH:.1f} {HEIGHT * 0.6:.1f}h.01"
    )
    assert (first.last, second.last, second.path) == (2.0, None, "")


@pytest.mark.parametrize(("highest", "top"), [(0, 1), (0.03, 0.05), (1, 1), (1.1, 2), (260, 500), (999, 1000)])
def test_a_chart_ends_at_a_round_number(highest: float, top: float) -> None:
    assert draw({"a": [(0, highest)]}, 60).top == pytest.approx(top)
