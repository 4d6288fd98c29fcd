"""Where commands print."""

from __future__ import annotations

import sys

from rich.console import Console

# Nothing that a script reads is cut or wrapped: a path is as long as it is.
PIPE_WIDTH = 1000


def console(*, error: bool = False) -> Console:
    """Standard output or error: as wide as the terminal, or so wide that nothing wraps where there is none."""
    stream = sys.stderr if error else sys.stdout
    return Console(highlight=False, stderr=error, width=None if stream.isatty() else PIPE_WIDTH)
