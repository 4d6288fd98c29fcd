"""The tab that classifies photos, shows a heat map, and takes a label."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache

from dandelion.client import AsyncClient
from dandelion.domain import Prediction
from dandelion.errors import DandelionError, UnreachableError
from dandelion.ui.page import PRESSED, Files, Page, Updates, create_dropzone
from dandelion.ui.uploads import FILE_BYTES

AT_ONCE = 8
PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 0.5
SHOW_SECONDS = 0.3
STRENGTH = 0.6
COLUMNS, MAX_ROWS, ROW_PIXELS = 3, 2, 205  # of the classified photos; by default Gradio reserves space for two rows


@dataclass(frozen=True, slots=True)
class Result:
    """The result for one photo: the prediction, or why there is none, and the visitor's label, if they gave one."""

    prediction: Prediction | None = None
    problem: str = ""
    true_label: str | None = None


Results = dict[str, Result]


class ClassifyTab:
    """One visitor's photos and their predictions; Gradio's session state holds them."""

    def __init__(self, page: Page, examples: Sequence[Path]) -> None:
        self._page = page
        self._examples = [str(path) for path in examples]
        words = page.words
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                self._dropped = create_dropzone(words("classify.photos"), "photos")
                self._photos = gr.Gallery(
                    label=words("classify.classified"),
                    columns=COLUMNS,
                    fit_columns=False,
                    object_fit="cover",
                    buttons=["fullscreen"],
                    interactive=False,
                    allow_preview=False,
                    visible=False,
                    elem_id="answered",
                )
                self._clear = gr.Button(words("classify.clear"), size="sm", visible=False)
                self._picked = gr.HTML(words.render("examples", count=len(examples)), js_on_load=PRESSED)
            with gr.Column(min_width=300):
                self._shown = gr.HTML(words.render("hint", key="classify.empty"), js_on_load=None, elem_id="answer")
                with gr.Column(visible=False) as self._details:
                    with gr.Row(elem_id="feedback"):
                        self._right = gr.Button(words("classify.right"), variant="primary", min_width=100)
                        self._wrong = gr.Button(words("classify.wrong"), min_width=100)
                    self._true_label = gr.Radio(
                        [], label=words("classify.true_label"), visible=False, elem_id="true-label"
                    )
                    self._heatmap = gr.Image(
                        label=words("classify.heatmap"),
                        alt_text=words("classify.heatmap_alt"),
                        interactive=False,
                        buttons=["download", "fullscreen"],
                        visible=False,
                        elem_id="heatmap",
                    )
                    self._strength = gr.Slider(
                        0, 1, STRENGTH, step=0.05, label=words("classify.strength"), elem_id="strength"
                    )
        self._results: Any = gr.State({})
        self._selected: Any = gr.State("")
        self._listen()

    def _listen(self) -> None:
        one = [self._results, self._selected, self._shown, self._details, self._true_label]
        hidden: dict[str, Any] = {"outputs": one, "show_progress": "hidden"}
        many: dict[str, Any] = {**hidden, "outputs": [*one, self._dropped, self._photos, self._clear]}
        heatmap: dict[str, Any] = {
            "fn": self._show_heatmap,
            "inputs": [self._selected, self._results, self._strength],
            "outputs": [self._heatmap],
            "show_progress": "hidden",
        }
        remembered = [self._selected, self._results]
        self._dropped.change(self._take_dropped, [self._dropped, self._results], **many).then(**heatmap)
        self._picked.select(self._take_example, [self._results], **many).then(**heatmap)
        self._photos.select(self._select, [self._results], **hidden).then(**heatmap)
        self._clear.click(lambda: self._show_all({}, ""), None, **many).then(**heatmap)
        self._right.click(self._mark_right, remembered, **hidden)
        self._wrong.click(self._mark_wrong, remembered, **hidden)
        self._true_label.input(self._send_feedback, [*remembered, self._true_label], **hidden)
        self._strength.change(**heatmap, trigger_mode="always_last")

    async def _take_dropped(self, files: Files, results: Results, request: gr.Request) -> AsyncIterator[Updates]:
        if not files:
            yield gr.skip()  # emptying the gallery also triggers this event
            return
        async for update in self._take([path for path, _ in files], results, request):
            yield update

    async def _take_example(self, results: Results, event: gr.EventData, request: gr.Request) -> AsyncIterator[Updates]:
        async for update in self._take([self._examples[int(event.chosen)]], results, request):
            yield update

    async def _take(self, paths: Sequence[str], results: Results, request: gr.Request) -> AsyncIterator[Updates]:
        """Classify the new photos, then show all, with the first one selected."""
        fresh = [path for path in dict.fromkeys(paths) if path not in results]
        yield {self._dropped: None}
        async for found in self._classify_all(self._page.backend.of(request), fresh):
            if len(found) < len(fresh):
                yield {self._shown: self._page.words.render("waiting", done=len(found), all=len(fresh))}
        yield self._show_all({**results, **{path: found[path] for path in fresh}}, paths[0])

    async def _classify_all(self, client: AsyncClient, paths: Sequence[str]) -> AsyncIterator[Results]:
        """Yield the results so far, from time to time, and finally all of them."""
        found: Results = {}
        turns = asyncio.Semaphore(AT_ONCE)

        async def classify(path: str) -> None:
            async with turns:
                found[path] = await self._classify_one(client, path)

        tasks = {asyncio.create_task(classify(path)) for path in paths}
        try:
            waiting = tasks
            while waiting:
                done, waiting = await asyncio.wait(waiting, timeout=SHOW_SECONDS)
                for task in done:
                    task.result()
                if waiting:
                    yield found
        finally:
            for task in tasks:  # the visitor may have left
                task.cancel()
        yield found

    async def _classify_one(self, client: AsyncClient, path: str) -> Result:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return Result(prediction=await client.predict(await asyncio.to_thread(Path(path).read_bytes)))
            except (DandelionError, FileNotFoundError) as error:
                if not isinstance(error, UnreachableError) or time.monotonic() > deadline:
                    return Result(problem=self._page.words.problem(error))
            await asyncio.sleep(PAUSE_SECONDS)  # the API may be restarting

    def _select(self, results: Results, event: gr.SelectData) -> Updates:
        return self._show(results, list(results)[event.index])

    async def _show_heatmap(self, selected: str, results: Results, strength: float, request: gr.Request) -> Updates:
        """Show the heat map of the selected photo."""
        result = results.get(selected)
        if result is None or result.prediction is None:
            return gr.Image(visible=False)
        try:
            photo = await asyncio.to_thread(Path(selected).read_bytes)
            picture = await self._page.backend.of(request).explain(
                photo, label=result.prediction.label, strength=strength
            )
        except (DandelionError, FileNotFoundError) as error:
            self._page.warn(error)
            return gr.Image(visible=False)
        # Each strength creates another file for the same photo.
        room = len(picture) + FILE_BYTES
        if not await self._page.uploads.hold(room):
            gr.Warning(self._page.words("classify.full"), title="")
            return gr.Image(visible=False)
        try:
            path = await asyncio.to_thread(save_bytes_to_cache, picture, "heatmap.png", self._heatmap.GRADIO_CACHE)
        finally:
            self._page.uploads.release(room)
        return gr.Image(path, visible=True)

    async def _mark_right(self, selected: str, results: Results, request: gr.Request) -> Updates:
        given = results[selected].prediction
        return await self._send_feedback(selected, results, given.label if given else "", request)

    async def _mark_wrong(self, selected: str, results: Results, request: gr.Request) -> Updates:
        given = results[selected].prediction
        others = [label for label in given.probabilities if label != given.label] if given else []
        if len(others) == 1:
            return await self._send_feedback(selected, results, others[0], request)
        return {self._true_label: gr.Radio(others, value=None, visible=True)}

    async def _send_feedback(self, selected: str, results: Results, label: str, request: gr.Request) -> Updates:
        result = results.get(selected)
        if result is None or result.prediction is None:
            return gr.skip()
        try:
            await self._page.backend.of(request).feedback(result.prediction.prediction_id, label)
        except DandelionError as error:
            self._page.warn(error)
            return gr.skip()
        return self._show({**results, selected: replace(result, true_label=label)}, selected)

    def _show(self, results: Results, selected: str) -> Updates:
        """Update the right side for the selected photo."""
        words = self._page.words
        if result := results.get(selected):
            summary = self._summary(results)
            shown = words.render("result", result=result, file=Path(selected).name, summary=summary)
        else:
            shown = words.render("hint", key="classify.empty")
        return {
            self._results: results,
            self._selected: selected,
            self._shown: shown,
            self._details: gr.Column(visible=result is not None and result.prediction is not None),
            self._true_label: gr.Radio(visible=False),
        }

    def _show_all(self, results: Results, selected: str) -> Updates:
        """Update both sides, with all photos on the left."""
        return {
            **self._show(results, selected),
            self._dropped: None,
            self._photos: gr.Gallery(
                [(path, self._caption(result)) for path, result in results.items()],
                visible=len(results) > 1,
                height=min(-(-len(results) // COLUMNS), MAX_ROWS) * ROW_PIXELS,
            ),
            self._clear: gr.Button(visible=bool(results)),
        }

    def _summary(self, results: Results) -> str:
        if len(results) < 2:
            return ""
        labels = Counter(each.prediction.label for each in results.values() if each.prediction)
        counts = [f"{count} {label}" for label, count in labels.most_common()]
        if failed := sum(each.prediction is None for each in results.values()):
            counts.append(self._page.words("classify.failed", count=failed))
        return self._page.words("classify.summary", all=len(results), counts=", ".join(counts))

    def _caption(self, result: Result) -> str:
        given = result.prediction
        return f"{given.label} {self._page.words.percent(given.confidence, 0)}" if given else result.problem
