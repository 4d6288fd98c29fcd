"""The model tab: the serving model, all versions, promotion and rollback, and a comparison on photos."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from dandelion.client import AsyncClient
from dandelion.domain import CHALLENGER, CHAMPION, PREVIOUS, Opinion, Version
from dandelion.errors import DandelionError
from dandelion.ui.page import LOCAL_TIMES, PRESSED, Files, Page, Updates, create_dropzone

AT_ONCE = 4
# Metrics with a name in the catalogue; those of single classes are shown under their own names.
METRICS = {
    "photos": "model.photos",
    "accuracy": "model.accuracy",
    "f1": "model.f1",
    "ece": "model.ece",
    "log_loss": "model.log_loss",
    "roc_auc": "model.roc_auc",
}
ALIASES = {CHAMPION: "model.champion", CHALLENGER: "model.challenger", PREVIOUS: "model.previous"}
ROLLBACK = "rollback"


class ModelTab:
    """The serving model and the other versions."""

    def __init__(self, page: Page, tab: gr.Tab) -> None:
        self._page = page
        words = page.words
        self._overview = gr.HTML(js_on_load=LOCAL_TIMES + PRESSED, elem_id="model")
        with gr.Column(visible=False, elem_id="confirm") as self._confirm:
            self._consequence = gr.HTML(js_on_load=None)
            with gr.Row():
                self._yes = gr.Button(words("model.yes"), variant="stop", min_width=120)
                self._no = gr.Button(words("model.no"), min_width=120)
        self._details = gr.HTML(js_on_load=None, elem_id="version")
        with gr.Accordion(words("model.card"), open=False):
            self._card = gr.Markdown(latex_delimiters=[], elem_id="card")
        self._dropped = create_dropzone(words("model.compare"), "compared")
        self._opinions = gr.HTML(js_on_load=None, elem_id="opinions")
        self._requested: Any = gr.State("")
        self._listen(tab)

    def _listen(self, tab: gr.Tab) -> None:
        hidden: dict[str, Any] = {"show_progress": "hidden"}
        shown: dict[str, Any] = {"outputs": [self._overview, self._details, self._card], **hidden}
        self.refresh: dict[str, Any] = {"fn": self._describe, "inputs": None, **shown}
        tab.select(**self.refresh)
        pressed = [self._confirm, self._consequence, self._requested, self._details, self._card]
        self._overview.select(self._press, None, pressed, **hidden)
        self._no.click(lambda: (gr.Column(visible=False), ""), None, [self._confirm, self._requested], **hidden)
        self._yes.click(self._move, [self._requested], [self._confirm, self._requested], **hidden).then(**self.refresh)
        self._dropped.change(self._compare, [self._dropped], [self._dropped, self._opinions], **hidden)

    async def _describe(self, request: gr.Request) -> Updates:
        client = self._page.backend.of(request)
        try:
            model, versions, me = await asyncio.gather(client.model(), client.versions(), client.me())
            details, card = await self._details_of(client, str(model["version"]), model)
        except DandelionError as error:
            return self._page.problem(error), "", ""
        overview = self._page.words.render(
            "model",
            model=model,
            versions=versions,
            aliases=ALIASES,
            may_move="admin" in me.scopes,
            previous=next((each.version for each in versions if PREVIOUS in each.aliases), None),
        )
        return overview, details, card

    async def _details_of(
        self, client: AsyncClient, version: str, model: dict[str, Any] | None = None
    ) -> tuple[str, str]:
        """Return metrics and plots as HTML, and the card; for the starter model without the registry."""
        if version.isdecimal():
            found = await client.version(version)
            metrics, plots, card = found.metrics, found.plots, found.card
        else:
            metrics, plots, card = (model or {}).get("metrics", {}), [], (model or {}).get("card", "")
        shown = self._page.words.render("version", version=version, metrics=metrics, names=METRICS, plots=plots)
        return shown, str(card)

    async def _press(self, event: gr.EventData, request: gr.Request) -> Updates:
        """Show a version, or ask the visitor to confirm a promotion or a rollback."""
        action, _, version = str(event.chosen).partition(":")
        client = self._page.backend.of(request)
        try:
            if action == "show":
                details, card = await self._details_of(client, version)
                return gr.skip(), gr.skip(), gr.skip(), details, card
            consequence = self._consequence_of(action, version, await client.versions())
        except DandelionError as error:
            self._page.warn(error)
            return gr.skip()
        return gr.Column(visible=True), consequence, f"{action}:{version}", gr.skip(), gr.skip()

    def _consequence_of(self, action: str, version: str, versions: Sequence[Version]) -> str:
        words = self._page.words
        champion = next((each for each in versions if CHAMPION in each.aliases), None)
        after = next((each for each in versions if each.version == version), None)

        def accuracy(of: Version | None) -> str:
            return words.percent(of.metrics["accuracy"]) if of and "accuracy" in of.metrics else "?"

        before = champion.version if champion else "?"
        if action == ROLLBACK:
            text = words("model.confirm_rollback", after=version, before=before)
        else:
            text = words(
                "model.confirm_promote", after=version, before=before, new=accuracy(after), old=accuracy(champion)
            )
        return words.render("confirm", text=text)

    async def _move(self, requested: str, request: gr.Request) -> Updates:
        action, _, version = requested.partition(":")
        client = self._page.backend.of(request)
        try:
            done = await (client.rollback() if action == ROLLBACK else client.promote(version))
            gr.Info(self._page.words.safe("model.done", version=done.version), title="")
        except DandelionError as error:
            self._page.warn(error)
        return gr.Column(visible=False), ""

    async def _compare(self, files: Files, request: gr.Request) -> Updates:
        if not files:
            return gr.skip()  # emptying the gallery also triggers this event
        client = self._page.backend.of(request)
        turns = asyncio.Semaphore(AT_ONCE)

        async def compare(path: str) -> tuple[str, list[Opinion], str]:
            async with turns:
                try:
                    return path, await client.compare(await asyncio.to_thread(Path(path).read_bytes)), ""
                except (DandelionError, FileNotFoundError) as error:
                    return path, [], self._page.words.problem(error)

        rows = await asyncio.gather(*(compare(path) for path, _ in files))
        return None, self._page.words.render("opinions", rows=rows, aliases=ALIASES)
