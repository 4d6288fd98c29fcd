"""The history tab: all predictions, with filters, pages and details."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import gradio as gr

from dandelion.errors import DandelionError
from dandelion.ui.page import LOCAL_TIMES, PRESSED, Page, Updates

ROWS = 25
ANY = ""
_AGES = {
    "history.hour": timedelta(hours=1),
    "history.day": timedelta(days=1),
    "history.week": timedelta(days=7),
    "history.month": timedelta(days=30),
}
_VERDICTS = {"right": "history.right", "wrong": "history.wrong", "unknown": "history.unlabelled"}
_KINDS = {"true": "history.familiar", "false": "history.unfamiliar"}


@dataclass
class View:
    """One visitor's place in the history.

    It changes before the request is sent, and only the latest response is shown: a late response to an earlier request
    must not replace the page that the visitor turned to since.

    Attributes:
        cursors: Cursors of the pages from the first to the current one.
        following: Cursor of the next page.
        requests: How many requests were sent.
    """

    cursors: list[str | None] = field(default_factory=lambda: [None])
    following: str | None = None
    requests: int = 0


class HistoryTab:
    """Predictions, newest first."""

    def __init__(self, page: Page, tab: gr.Tab) -> None:
        self._page = page
        words = page.words

        def choice(label: str, options: Mapping[str, str]) -> Any:
            choices = [(words("history.any"), ANY), *((words(key), name) for name, key in options.items())]
            return gr.Dropdown(choices, value=ANY, label=words(label), min_width=130)

        def percentage(label: str, value: int) -> Any:
            return gr.Slider(0, 100, value, step=1, label=words(label), min_width=300)

        with gr.Row():
            age = choice("history.time", {key: key for key in _AGES})
            self._label = choice("history.label", {})
            self._version = choice("history.version", {})
            verdict, kind = choice("history.verdict", _VERDICTS), choice("history.kind", _KINDS)
            filters = [age, self._label, self._version, verdict, kind]
        with gr.Row():
            filters += [percentage("history.min_confidence", 0), percentage("history.max_confidence", 100)]
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300):
                self._table = gr.HTML(js_on_load=LOCAL_TIMES + PRESSED, elem_id="history")
                with gr.Row():
                    self._newer = gr.Button(words("history.newer"), interactive=False, min_width=120)
                    self._older = gr.Button(words("history.older"), interactive=False, min_width=120)
            with gr.Column(scale=2, min_width=300, visible=False, elem_id="prediction") as self._opened:
                self._detail = gr.HTML(js_on_load=LOCAL_TIMES)
                self._true_label: Any = gr.Radio([], label=words("history.true_label"))
                self._close = gr.Button(words("history.close"), size="sm", min_width=120)
        self._view: Any = gr.State(View())
        self._chosen: Any = gr.State("")
        self._listen(tab, filters)

    def _listen(self, tab: gr.Tab, filters: list[Any]) -> None:
        shown: dict[str, Any] = {
            "inputs": [self._view, *filters],
            "outputs": [self._table, self._newer, self._older],
            "show_progress": "hidden",
        }
        one: dict[str, Any] = {
            "outputs": [self._opened, self._detail, self._true_label, self._chosen],
            "show_progress": "hidden",
        }
        self.refresh: dict[str, Any] = {"fn": self._show, **shown}
        choices = [self._label, self._version]
        tab.select(self._choose, None, choices, show_progress="hidden").then(**self.refresh)
        # `input`, not `change`: only the visitor's choices, not lists that `_choose` fills.
        gr.on([each.input for each in filters], self._first, trigger_mode="always_last", **shown)
        self._older.click(self._further, **shown)
        self._newer.click(self._back, **shown)
        self._table.select(self._open, None, scroll_to_output=True, **one)
        self._close.click(lambda: (gr.Column(visible=False), "", gr.Radio(value=None), ""), None, **one)
        labelled = self._true_label.input(self._send_feedback, [self._chosen, self._true_label], **one)
        labelled.then(self._show, **shown)

    async def _choose(self, request: gr.Request) -> tuple[Any, Any]:
        """List the classes and versions to choose from."""
        client, everything = self._page.backend.of(request), (self._page.words("history.any"), ANY)
        try:
            classes = [(label, label) for label in (await client.model())["classes"]]
            versions = [(each.version, each.version) for each in await client.versions(limit=100)]
        except DandelionError:  # the table shows the error
            return gr.skip(), gr.skip()
        return gr.Dropdown([everything, *classes]), gr.Dropdown([everything, *versions])

    async def _first(self, request: gr.Request, view: View, *filters: Any) -> Updates:
        view.cursors, view.following = [None], None
        return await self._show(request, view, *filters)

    async def _further(self, request: gr.Request, view: View, *filters: Any) -> Updates:
        if view.following is not None:
            view.cursors, view.following = [*view.cursors, view.following], None
        return await self._show(request, view, *filters)

    async def _back(self, request: gr.Request, view: View, *filters: Any) -> Updates:
        if len(view.cursors) > 1:
            *view.cursors, view.following = view.cursors
        return await self._show(request, view, *filters)

    async def _show(self, request: gr.Request, view: View, *filters: Any) -> Updates:
        view.requests += 1
        number, wanted, first = view.requests, _wanted(*filters), ROWS * (len(view.cursors) - 1)
        following, can_turn = view.following, False
        try:
            found = await self._page.backend.of(request).predictions(limit=ROWS, cursor=view.cursors[-1], **wanted)
            table = self._page.words.render("history", rows=found.predictions, first=first, export=urlencode(wanted))
            following, can_turn = found.next, True
        except DandelionError as error:
            table = self._page.problem(error)
        if view.requests != number:
            return gr.skip()
        view.following = following
        return {
            self._table: table,
            self._newer: gr.Button(interactive=can_turn and first > 0),
            self._older: gr.Button(interactive=can_turn and following is not None),
        }

    async def _open(self, event: gr.EventData, request: gr.Request) -> Updates:
        return await self._describe(str(event.chosen), request)

    async def _send_feedback(self, chosen: str, label: str, request: gr.Request) -> Updates:
        try:
            await self._page.backend.of(request).feedback(chosen, label)
        except DandelionError as error:
            self._page.warn(error)
        return await self._describe(chosen, request)

    async def _describe(self, chosen: str, request: gr.Request) -> Updates:
        try:
            found = await self._page.backend.of(request).prediction(str(UUID(chosen)))
        except DandelionError as error:
            self._page.warn(error)
            return gr.skip()
        return {
            self._opened: gr.Column(visible=True),
            self._detail: self._page.words.render("prediction", found=found),
            self._true_label: gr.Radio(list(found.probabilities), value=found.true_label),
            self._chosen: found.prediction_id,
        }


def _wanted(
    age: str, label: str, version: str, verdict: str, kind: str, least: float, most: float
) -> dict[str, str | float | bool]:
    """Return the filters as query parameters of the API."""
    named = {"label": label, "version": version, "verdict": verdict, "in_distribution": kind}
    wanted: dict[str, str | float | bool] = {name: value for name, value in named.items() if value}
    if age:
        wanted["since"] = (datetime.now(UTC) - _AGES[age]).isoformat(timespec="seconds")
    if least > 0:
        wanted["min_confidence"] = least / 100
    if most < 100:
        wanted["max_confidence"] = most / 100
    return wanted
