"""The health tab: traffic, latency, backlog, accuracy, drift, and retraining."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr

from dandelion.errors import DandelionError
from dandelion.ui.chart import Chart, Points, draw
from dandelion.ui.page import LOCAL_TIMES, Page, Updates
from dandelion.ui.retraining import LatestRetrainings
from dandelion.ui.traffic import NOW_SAMPLES, SAMPLE_SECONDS, Sample, Traffic, in_steps, quantile, total

MIN_SPAN_SECONDS = 300.0  # of the charts


class HealthTab:
    """Measurements of the service, refreshed every few seconds while the tab is open."""

    def __init__(self, page: Page, tabs: gr.Tabs, tab: gr.Tab, traffic: Traffic) -> None:
        self._page = page
        self._traffic = traffic
        self._timer: Any = gr.Timer(SAMPLE_SECONDS, active=False)
        self._now = gr.HTML(js_on_load=None, elem_id="now")
        self._quality = gr.HTML(js_on_load=LOCAL_TIMES, elem_id="quality")
        self._retrainings = LatestRetrainings(page)
        self.refresh: dict[str, Any] = {
            "fn": self._show,
            "inputs": None,
            "outputs": [self._now, self._quality, self._retrainings.shown, self._retrainings.form],
            "show_progress": "hidden",
        }
        self._timer.tick(**self.refresh)
        tab.select(**self.refresh)
        tabs.select(self._run_timer, None, self._timer, show_progress="hidden")

    def _run_timer(self, event: gr.SelectData) -> gr.Timer:
        """Refresh only while this tab is open."""
        return gr.Timer(active=event.value == self._page.words("health.tab"))

    async def _show(self, request: gr.Request) -> Updates:
        samples = list(self._traffic.samples)
        lately = total(samples[-NOW_SAMPLES:])
        now = self._page.words.render(
            "now",
            is_up=self._page.backend.is_up,
            change=lately,
            seconds=sum(each.seconds for each in samples[-NOW_SAMPLES:]),
            processes=samples[-1].processes if samples else 0,
            median=quantile(lately.within, 0.5),
            slow=quantile(lately.within, 0.95),
            charts=self._charts_of(samples),
        )
        quality, retrainings = await asyncio.gather(self._quality_of(request), self._retrainings.describe(request))
        return now, quality, *retrainings

    def _charts_of(self, samples: list[Sample]) -> list[tuple[str, str, Chart, int]]:
        words = self._page.words
        steps = [(ago, total(some), sum(each.seconds for each in some)) for ago, some in in_steps(samples)]
        span = max([MIN_SPAN_SECONDS, *(ago for ago, *_ in steps)])

        def slower_than(share: float) -> Points:
            found = [(ago, quantile(change.within, share)) for ago, change, _ in steps]
            return [(ago, None if seconds is None else 1000 * seconds) for ago, seconds in found]

        rates = {
            words("health.classified"): [(ago, change.answered / seconds) for ago, change, seconds in steps],
            words("health.refused"): [(ago, change.refused / seconds) for ago, change, seconds in steps],
        }
        durations = {words("health.median"): slower_than(0.5), words("health.p95"): slower_than(0.95)}
        return [
            (words("health.traffic"), words("health.per_second"), draw(rates, span), 1),
            (words("health.latency"), "ms", draw(durations, span), 0),
        ]

    async def _quality_of(self, request: gr.Request) -> str:
        client = self._page.backend.of(request)
        try:
            accuracies, drift = await asyncio.gather(client.accuracy(), client.drift())
        except DandelionError as error:
            return self._page.problem(error)
        render = self._page.words.render
        return render("quality", accuracies=accuracies) + render("drift", drift=drift)
