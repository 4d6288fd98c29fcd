"""What the tabs of one language's page share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from dandelion.errors import AuthenticationError, DandelionError
from dandelion.settings import Settings
from dandelion.ui.backend import Backend
from dandelion.ui.templates import Renderer
from dandelion.ui.uploads import Uploads
from dandelion.ui.words import Words

Updates = Any  # what an event returns to Gradio: new values by component

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
    """What the tabs of one language's page share.

    Attributes:
        words: The catalogue in the page's language.
        render: Templates in the same language.
        backend: The API.
        settings: All settings.
        uploads: Disk space for images that are shown from a file.
    """

    words: Words
    render: Renderer
    backend: Backend
    settings: Settings
    uploads: Uploads

    def warn(self, error: DandelionError | FileNotFoundError) -> None:
        """Show the visitor a short message about an error."""
        text = self.words("classify.gone") if isinstance(error, FileNotFoundError) else self.words.problem(error)
        gr.Warning(text, title="")

    def problem(self, error: DandelionError) -> str:
        """Return HTML that explains why the requested content is missing."""
        return self.render("problem", text=self.words.problem(error), signs_in=isinstance(error, AuthenticationError))
