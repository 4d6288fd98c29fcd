"""Where commands print."""

from __future__ import annotations

import sys

from rich.console import Console

# Output that a script reads is never cut or wrapped, however long a path is.
PIPE_WIDTH = 1000


def console(*, error: bool = False) -> Console:
    """Standard output or error: as wide as the terminal, or very wide without one, so that nothing wraps."""
    stream = sys.stderr if error else sys.stdout
    return Console(highlight=False, stderr=error, width=None if stream.isatty() else PIPE_WIDTH)
