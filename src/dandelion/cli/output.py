"""Where commands print."""

from __future__ import annotations

import sys

from rich.console import Console

# Nothing that a script reads is cut or wrapped: a path is as long as it is.
PIPE_WIDTH = 1000


def console() -> Console:
    """Standard output: as wide as the terminal, or so wide that nothing wraps where there is none."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
