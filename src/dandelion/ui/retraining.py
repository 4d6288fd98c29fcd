"""The retraining section of the health tab: start a retraining, and follow its seven steps."""

from __future__ import annotations

from typing import Any

import gradio as gr

from dandelion.errors import DandelionError, ScopeError
from dandelion.ui.page import LOCAL_TIMES, Page, Updates

SHOWN = 5
STEPS = {
    "check_performance": "retraining.check_performance",
    "check_data": "retraining.check_data",
    "prepare_data": "retraining.prepare_data",
    "train_model": "retraining.train_model",
    "validate_model": "retraining.validate_model",
    "deploy_model": "retraining.deploy_model",
    "notify": "retraining.notify",
}
STATES = {
    "scheduled": "retraining.pending",
    "pending": "retraining.pending",
    "running": "retraining.running",
    "completed": "retraining.completed",
    "skipped": "retraining.skipped",
    "failed": "retraining.failed",
    "crashed": "retraining.failed",
    "cancelled": "retraining.cancelled",
}
DECISIONS = {
    "promoted": "retraining.promoted",
    "rejected": "retraining.rejected",
    "stopped": "retraining.stopped",
    "skipped": "retraining.needless",
    "rolled_back": "retraining.rolled_back",
    "failed": "retraining.failed",
}


class LatestRetrainings:
    """The last retrainings, and a form to start another."""

    def __init__(self, page: Page) -> None:
        self._page = page
        words = page.words
        self.shown = gr.HTML(js_on_load=LOCAL_TIMES, elem_id="retrainings")
        with gr.Column(visible=False, elem_id="retrain") as self.form:
            self._reason: Any = gr.Textbox(label=words("retraining.reason"), max_length=500)
            self._force: Any = gr.Checkbox(False, label=words("retraining.force"), info=words("retraining.force_info"))
            self._start = gr.Button(words("retraining.start"), variant="primary")
        outputs = [self.shown, self.form]
        self._start.click(
            self._trigger, [self._reason, self._force], [*outputs, self._reason, self._force], show_progress="hidden"
        )

    async def describe(self, request: gr.Request) -> tuple[str, Updates]:
        """Render the list, and show the form to visitors who may use it."""
        try:
            runs = await self._page.backend.of(request).list_retrainings(SHOWN)
        except ScopeError:
            return self._page.words.render("hint", key="retraining.admin"), gr.Column(visible=False)
        except DandelionError as error:
            return self._page.problem(error), gr.Column(visible=False)
        shown = self._page.words.render("retrainings", runs=runs, steps=STEPS, states=STATES, decisions=DECISIONS)
        return shown, gr.Column(visible=True)

    async def _trigger(self, reason: str, force: bool, request: gr.Request) -> Updates:
        try:
            requested = await self._page.backend.of(request).retrain(force, reason)
        except DandelionError as error:
            self._page.warn(error)
            return gr.skip()
        message = "retraining.started" if requested.is_new else "retraining.already_running"
        gr.Info(self._page.words.safe(message, name=requested.name), title="")
        return *await self.describe(request), "", False
