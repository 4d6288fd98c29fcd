"""What the tabs of one language's page share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from dandelion.errors import AuthenticationError, DandelionError
from dandelion.ui.backend import Backend
from dandelion.ui.uploads import Uploads
from dandelion.ui.words import Words

Updates = Any  # what an event returns to Gradio: new values by component
Files = Sequence[tuple[str, str | None]] | None  # what a gallery sends: paths and captions

# Times are rendered in UTC; the browser knows its own zone.
LOCAL_TIMES = """
const localize = () => element.querySelectorAll('time[datetime]').forEach(time => {
  const at = new Date(time.dateTime);
  time.title = time.textContent;
  time.textContent = at.toLocaleString(document.documentElement.lang, {dateStyle: 'medium', timeStyle: 'medium'});
});
localize();
watch('value', localize);
"""

# One listener for all buttons, including those that are added later.
PRESSED = """
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-id]');
  if (button) trigger('select', {chosen: button.dataset.id});
});
"""


@dataclass(frozen=True, slots=True)
class Page:
    """What the tabs of one language's page share; `uploads` has the disk space for images shown from a file."""

    words: Words
    backend: Backend
    uploads: Uploads

    def warn(self, error: DandelionError | FileNotFoundError) -> None:
        """Show the visitor a short message about an error."""
        gr.Warning(self.words.problem(error), title="")

    def problem(self, error: DandelionError) -> str:
        """Return HTML that explains why the requested content is missing."""
        signs_in = isinstance(error, AuthenticationError)
        return self.words.render("problem", text=self.words.problem(error), signs_in=signs_in)


def create_dropzone(label: str, elem_id: str) -> gr.Gallery:
    """Create a field that takes photos from files, the clipboard or a camera."""
    return gr.Gallery(
        label=label,
        sources=["upload", "webcam", "clipboard"],
        file_types=["image"],
        interactive=True,
        elem_id=elem_id,
    )
