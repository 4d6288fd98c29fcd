"""The tab that answers photos, shows where the model looked, and takes a label."""

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
from dandelion.ui.page import PRESSED, Page, Updates
from dandelion.ui.uploads import FILE_BYTES

AT_ONCE = 8
PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 0.5
SHOW_SECONDS = 0.3
STRENGTH = 0.6
COLUMNS, MOST_ROWS, ROW_PIXELS = 3, 2, 205  # of the answered photos; Gradio keeps room for two rows unless told

Files = Sequence[tuple[str, str | None]] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one photo.

    Attributes:
        prediction: The API's answer, if there is one.
        problem: Else why there is none.
        true_label: The class that the visitor gave.
    """

    prediction: Prediction | None = None
    problem: str = ""
    true_label: str | None = None


Answers = dict[str, Answer]


class ClassifyTab:
    """One visitor's photos and their answers; what it remembers of them is in the session's states."""

    def __init__(self, page: Page, examples: Sequence[Path]) -> None:
        self._page = page
        self._examples = [str(path) for path in examples]
        words = page.words
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                self._dropped = gr.Gallery(
                    label=words("classify.photos"),
                    sources=["upload", "webcam", "clipboard"],
                    file_types=["image"],
                    interactive=True,
                    elem_id="photos",
                )
                self._photos = gr.Gallery(
                    label=words("classify.answered"),
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
                self._picked = gr.HTML(page.render("examples", count=len(examples)), js_on_load=PRESSED)
            with gr.Column(min_width=300):
                self._answer = gr.HTML(page.render("hint", key="classify.empty"), js_on_load=None, elem_id="answer")
                with gr.Column(visible=False) as self._result:
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
        self._answers: Any = gr.State({})
        self._selected: Any = gr.State("")
        self._listen()

    def _listen(self) -> None:
        one = [self._answers, self._selected, self._answer, self._result, self._true_label]
        hidden: dict[str, Any] = {"outputs": one, "show_progress": "hidden"}
        many: dict[str, Any] = {
            "outputs": [*one, self._dropped, self._photos, self._clear],
            "show_progress": "hidden",
        }
        look: dict[str, Any] = {
            "fn": self._look,
            "inputs": [self._selected, self._answers, self._strength],
            "outputs": [self._heatmap],
            "show_progress": "hidden",
        }
        remembered = [self._selected, self._answers]
        self._dropped.change(self._take_dropped, [self._dropped, self._answers], **many).then(**look)
        self._picked.select(self._take_example, [self._answers], **many).then(**look)
        self._photos.select(self._select, [self._answers], **hidden).then(**look)
        self._clear.click(lambda: self._show_all({}, ""), None, **many).then(**look)
        self._right.click(self._tell_right, remembered, **hidden)
        self._wrong.click(self._tell_wrong, remembered, **hidden)
        self._true_label.input(self._tell, [*remembered, self._true_label], **hidden)
        self._strength.change(**look, trigger_mode="always_last")

    async def _take_dropped(self, files: Files, answers: Answers, request: gr.Request) -> AsyncIterator[Updates]:
        if not files:
            yield gr.skip()  # Gradio tells of the place that was emptied here, too
            return
        async for update in self._take([path for path, _ in files], answers, request):
            yield update

    async def _take_example(self, answers: Answers, event: gr.EventData, request: gr.Request) -> AsyncIterator[Updates]:
        async for update in self._take([self._examples[int(event.chosen)]], answers, request):
            yield update

    async def _take(self, paths: Sequence[str], answers: Answers, request: gr.Request) -> AsyncIterator[Updates]:
        """Answer the photos that are new, and show the first of them all."""
        fresh = [path for path in dict.fromkeys(paths) if path not in answers]
        yield {self._dropped: None}
        async for found in self._answer_all(self._page.backend.of(request), fresh):
            if len(found) < len(fresh):
                yield {self._answer: self._page.render("waiting", done=len(found), all=len(fresh))}
        yield self._show_all({**answers, **{path: found[path] for path in fresh}}, paths[0])

    async def _answer_all(self, client: AsyncClient, paths: Sequence[str]) -> AsyncIterator[Answers]:
        """What is answered so far, now and then, and at last all of it."""
        found: Answers = {}
        turns = asyncio.Semaphore(AT_ONCE)

        async def answer(path: str) -> None:
            async with turns:
                found[path] = await self._answer_one(client, path)

        tasks = {asyncio.create_task(answer(path)) for path in paths}
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

    async def _answer_one(self, client: AsyncClient, path: str) -> Answer:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return Answer(prediction=await client.predict(await asyncio.to_thread(Path(path).read_bytes)))
            except UnreachableError as error:  # an API that restarts is worth a wait
                if time.monotonic() > deadline:
                    return Answer(problem=self._page.words.problem(error))
                await asyncio.sleep(PAUSE_SECONDS)
            except DandelionError as error:
                return Answer(problem=self._page.words.problem(error))
            except FileNotFoundError:
                return Answer(problem=self._page.words("classify.gone"))

    def _select(self, answers: Answers, event: gr.SelectData) -> Updates:
        return self._show(answers, list(answers)[event.index])

    async def _look(self, selected: str, answers: Answers, strength: float, request: gr.Request) -> Updates:
        """The heat map of the photo that is shown."""
        answer = answers.get(selected)
        if answer is None or answer.prediction is None:
            return gr.Image(visible=False)
        try:
            photo = await asyncio.to_thread(Path(selected).read_bytes)
            picture = await self._page.backend.of(request).explain(
                photo, label=answer.prediction.label, strength=strength
            )
        except (DandelionError, FileNotFoundError) as error:
            self._page.warn(error)
            return gr.Image(visible=False)
        # Each strength makes another file of the same photo.
        room = len(picture) + FILE_BYTES
        if not await self._page.uploads.hold(room):
            gr.Warning(self._page.words("classify.full"), title="")
            return gr.Image(visible=False)
        try:
            path = await asyncio.to_thread(save_bytes_to_cache, picture, "heatmap.png", self._heatmap.GRADIO_CACHE)
        finally:
            self._page.uploads.release(room)
        return gr.Image(path, visible=True)

    async def _tell_right(self, selected: str, answers: Answers, request: gr.Request) -> Updates:
        given = answers[selected].prediction
        return await self._tell(selected, answers, given.label if given else "", request)

    async def _tell_wrong(self, selected: str, answers: Answers, request: gr.Request) -> Updates:
        others = self._others(answers[selected])
        if len(others) == 1:
            return await self._tell(selected, answers, others[0], request)
        return {self._true_label: gr.Radio(others, value=None, visible=True)}

    async def _tell(self, selected: str, answers: Answers, label: str, request: gr.Request) -> Updates:
        answer = answers.get(selected)
        if answer is None or answer.prediction is None:
            return gr.skip()
        try:
            await self._page.backend.of(request).feedback(answer.prediction.prediction_id, label)
        except DandelionError as error:
            self._page.warn(error)
            return gr.skip()
        return self._show({**answers, selected: replace(answer, true_label=label)}, selected)

    def _show(self, answers: Answers, selected: str) -> Updates:
        """Everything on the right side, for the photo that is selected."""
        answer = answers.get(selected)
        given = answer.prediction if answer else None
        shown = (
            self._page.render("answer", answer=answer, file=Path(selected).name, summary=self._summary(answers))
            if answer
            else self._page.render("hint", key="classify.empty")
        )
        return {
            self._answers: answers,
            self._selected: selected,
            self._answer: shown,
            self._result: gr.Column(visible=given is not None),
            self._true_label: gr.Radio(visible=False),
        }

    def _show_all(self, answers: Answers, selected: str) -> Updates:
        """The same, with all photos on the left side."""
        return {
            **self._show(answers, selected),
            self._dropped: None,
            self._photos: gr.Gallery(
                self._captions(answers),
                visible=len(answers) > 1,
                height=min(-(-len(answers) // COLUMNS), MOST_ROWS) * ROW_PIXELS,
            ),
            self._clear: gr.Button(visible=bool(answers)),
        }

    def _summary(self, answers: Answers) -> str:
        if len(answers) < 2:
            return ""
        labels = Counter(each.prediction.label for each in answers.values() if each.prediction)
        counts = [f"{count} {label}" for label, count in labels.most_common()]
        if failed := sum(each.prediction is None for each in answers.values()):
            counts.append(self._page.words("classify.failed", count=failed))
        return self._page.words("classify.summary", all=len(answers), counts=", ".join(counts))

    def _captions(self, answers: Answers) -> list[tuple[str, str]]:
        words = self._page.words

        def caption(answer: Answer) -> str:
            given = answer.prediction
            return f"{given.label} {words.percent(given.confidence, 0)}" if given else answer.problem

        return [(path, caption(answer)) for path, answer in answers.items()]

    @staticmethod
    def _others(answer: Answer) -> list[str]:
        given = answer.prediction
        return [label for label in given.probabilities if label != given.label] if given else []
