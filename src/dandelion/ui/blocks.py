"""The page in one language, built from Gradio's blocks."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from dandelion.errors import DandelionError
from dandelion.ui.classify import ClassifyTab
from dandelion.ui.health import HealthTab
from dandelion.ui.history import HistoryTab
from dandelion.ui.label import LabelLeases, LabelTab
from dandelion.ui.model import ModelTab
from dandelion.ui.page import Page
from dandelion.ui.traffic import Traffic
from dandelion.ui.uploads import MAX_AGE_SECONDS, SWEEP_SECONDS
from dandelion.ui.words import LANGUAGES

# Asks this server every two seconds whether the API is up, and also detects that this server is down.
_PULSE = """
let before = 'up';
const check = async () => {
  let state = 'gone';
  try {
    const response = await fetch('../pulse', {cache: 'no-store'});
    if (response.ok) state = (await response.json()).api;
  } catch { /* the state stays 'gone' */ }
  for (const alert of element.querySelectorAll('[data-state]')) alert.hidden = alert.dataset.state !== state;
  if (state === 'up' && before !== 'up') trigger('change');
  before = state;
};
check();
setInterval(check, 2000);
"""

# A proxy in front of this server may refuse a photo as too large, which Gradio does not explain.
_REFUSED = """
const send = window.fetch;
window.fetch = async (...request) => {
  const response = await send(...request);
  if (/\\/gradio_api\\/upload\\b/.test(response.url)) {
    element.querySelector('[data-refused]').hidden = response.status !== 413;
  }
  return response;
};
"""


def create_blocks(page: Page, traffic: Traffic, leases: LabelLeases, examples: Sequence[Path]) -> gr.Blocks:
    """Create the page in its language."""
    words, backend = page.words, page.backend
    other = next(each for each in LANGUAGES if each != words.language)
    anybody: dict[str, Any] = {"session": None, "model": None, "is_asked": False, "other": other}
    blocks = gr.Blocks(
        title=words("page.title"), analytics_enabled=False, delete_cache=(SWEEP_SECONDS, MAX_AGE_SECONDS)
    )
    with blocks:
        header = gr.HTML(words.render("header", **anybody), js_on_load=_PULSE + _REFUSED, elem_id="header")
        with gr.Tabs(overflow_behavior="wrap", elem_id="tabs") as tabs:
            with gr.Tab(words("classify.tab"), id="classify"):
                ClassifyTab(page, examples)
            with gr.Tab(words("label.tab"), id="label") as tab:
                label = LabelTab(page, tab, leases)
            with gr.Tab(words("history.tab"), id="history") as tab:
                history = HistoryTab(page, tab)
            with gr.Tab(words("model.tab"), id="model") as tab:
                model = ModelTab(page, tab)
            with gr.Tab(words("health.tab"), id="health") as tab:
                health = HealthTab(page, tabs, tab, traffic)

        async def describe(request: gr.Request) -> str:
            """Render the header for one visitor, without what is forbidden or unreachable: the tabs explain why."""
            session, client = backend.session_of(request), backend.of(request)
            shown = {**anybody, "session": session, "is_asked": session is not None}
            with contextlib.suppress(DandelionError):
                shown["is_asked"] = (await client.me()).is_asked
            with contextlib.suppress(DandelionError):
                shown["model"] = await client.model()
            return words.render("header", **shown)

        def leave(request: gr.Request) -> None:
            leases.leave(request.session_hash or "")

        blocks.unload(leave)
        gr.on([blocks.load, header.change], describe, None, header, show_progress="hidden")
        for tab_refresh in (label.refresh, history.refresh, model.refresh, health.refresh):
            header.change(**tab_refresh)
    for event in blocks.fns.values():
        event.api_visibility = "private"
    blocks.queue(default_concurrency_limit=None)
    return blocks
