"""The tab where people label photos, with one key per photo."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from dandelion.domain import QueuedPhoto
from dandelion.errors import DandelionError
from dandelion.ui.page import Page, Updates

SKIP, UNDO = "s", "u"
# One key per class, in keyboard order, without `SKIP` and `UNDO`.
KEYS = "1234567890qwertyiopadfghjklzxcvbnm"
AHEAD = 10
QUEUE_ROWS = 100
HELD_SECONDS = 300.0

# While this tab is open, a key presses the button that shows it, unless the visitor is typing. Keys that are pressed
# before the next photo is shown are ignored.
_KEYS = """
let waits = false, pressed = null;
const press = button => {
  if (waits || button.disabled) return;
  waits = true;
  pressed = element.contains(document.activeElement) ? button.dataset.choice : null;
  trigger('select', {choice: button.dataset.choice, about: button.dataset.about ?? ''});
};
watch('value', () => {
  waits = false;
  if (pressed) element.querySelector(`button[data-choice="${CSS.escape(pressed)}"]`)?.focus();
});
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-choice]');
  if (button) press(button);
});
document.addEventListener('keydown', event => {
  const writes = event.target.closest?.('input, textarea, select, [contenteditable]');
  if (writes || event.ctrlKey || event.metaKey || event.altKey || element.offsetParent === null) return;
  const button = element.querySelector(`button[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (button) { event.preventDefault(); press(button); }
});
"""


@dataclass(frozen=True, slots=True)
class Work:
    """One visitor's labelling work.

    Attributes:
        ahead: Photos to label; the first one is shown.
        done: Finished photos with their label, or None if skipped.
        waiting: Length of the queue at the last request.
        names: Labels by person before this visit, at the last request.
        me: The visitor's own name.
    """

    ahead: tuple[QueuedPhoto, ...] = ()
    done: tuple[tuple[QueuedPhoto, str | None], ...] = ()
    waiting: int = 0
    names: Counter[str] = field(default_factory=Counter)
    me: str = ""

    @property
    def labelled(self) -> int:
        """How many photos the visitor labelled."""
        return sum(label is not None for _, label in self.done)


class LabelLeases:
    """Leases of photos to visitors, so that no two visitors label the same photo.

    Args:
        clock: Monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, tuple[str, float]] = {}

    def take(self, visitor: str, photos: Sequence[QueuedPhoto], limit: int) -> list[QueuedPhoto]:
        """Lease up to `limit` photos that no other visitor holds.

        If other visitors hold all of them, they are leased again: a second label is better than no work.
        """
        now = self._clock()
        self._held = {photo: held for photo, held in self._held.items() if now - held[1] < HELD_SECONDS}
        free = [each for each in photos if self._held.get(each.prediction.prediction_id, (visitor, 0))[0] == visitor]
        taken = list(free or photos)[:limit]
        for each in taken:
            self._held[each.prediction.prediction_id] = visitor, now
        return taken

    def leave(self, visitor: str) -> None:
        """Release a visitor's leases."""
        self._held = {photo: held for photo, held in self._held.items() if held[0] != visitor}


class LabelTab:
    """Photos that are most worth a label, one after the other."""

    def __init__(self, page: Page, tab: gr.Tab, leases: LabelLeases) -> None:
        self._page = page
        self._leases = leases
        self._work: Any = gr.State(Work())
        self._shown = gr.HTML(js_on_load=_KEYS, elem_id="labelling")
        output: dict[str, Any] = {"outputs": [self._shown, self._work], "show_progress": "hidden"}
        self.refresh: dict[str, Any] = {"fn": self._begin, "inputs": [self._work], **output}
        tab.select(**self.refresh)
        self._shown.select(self._press, [self._work], **output)

    async def _begin(self, work: Work, request: gr.Request) -> Updates:
        """Fetch photos if there are none; finished photos can still be undone."""
        try:
            return self._show(work if work.ahead else await self._refill(work, request))
        except DandelionError as error:
            return self._page.problem(error), work

    async def _press(self, work: Work, event: gr.EventData, request: gr.Request) -> Updates:
        choice, about = str(event.choice), str(event.about)
        try:
            if choice == UNDO:
                work = await self._undo(work, request)
            elif work.ahead and work.ahead[0].prediction.prediction_id == about:
                work = await self._finish(work, None if choice == SKIP else choice.removeprefix("="), request)
            if not work.ahead:
                work = await self._refill(work, request)
        except DandelionError as error:
            self._page.warn(error)
        return self._show(work)

    async def _finish(self, work: Work, label: str | None, request: gr.Request) -> Work:
        photo, *ahead = work.ahead
        if label is not None:
            await self._page.backend.of(request).feedback(photo.prediction.prediction_id, label)
        return replace(work, ahead=tuple(ahead), done=(*work.done, (photo, label)))

    async def _undo(self, work: Work, request: gr.Request) -> Work:
        if not work.done:
            return work
        *done, (photo, label) = work.done
        if label is not None:
            await self._page.backend.of(request).withdraw_feedback(photo.prediction.prediction_id)
        return replace(work, ahead=(photo, *work.ahead), done=tuple(done))

    async def _refill(self, work: Work, request: gr.Request) -> Work:
        client = self._page.backend.of(request)
        queue = await client.queue(limit=QUEUE_ROWS)
        me = (await client.me()).name
        seen = {photo.prediction.prediction_id for photo, _ in work.done}
        fresh = [each for each in queue.photos if each.prediction.prediction_id not in seen]
        names = Counter({each.name: each.count for each in queue.labellers})
        names[me] -= work.labelled
        taken = self._leases.take(request.session_hash or "", fresh, AHEAD)
        return replace(work, ahead=tuple(taken), waiting=queue.waiting + work.labelled, names=names, me=me)

    def _show(self, work: Work) -> Updates:
        names = work.names + Counter({work.me: work.labelled}) if work.me else work.names
        labels = list(work.ahead[0].prediction.probabilities) if work.ahead else []
        shown = self._page.words.render(
            "labelling",
            work=work,
            choices=[(label, KEYS[number : number + 1]) for number, label in enumerate(labels)],
            names=names.most_common(),
        )
        return shown, work
