"""What commands print: text, JSON and progress."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

# Output that a script reads is never cut or wrapped, however long a path is.
PIPE_WIDTH = 1000


def console(*, error: bool = False) -> Console:
    """Standard output or error: as wide as the terminal, or very wide without one, so that nothing wraps."""
    stream = sys.stderr if error else sys.stdout
    return Console(highlight=False, stderr=error, width=None if stream.isatty() else PIPE_WIDTH)


def print_json(found: object) -> None:
    """Print a value as one line of JSON."""
    # Names of files need not be UTF-8; json escapes what msgspec refuses.
    typer.echo(json.dumps(found, default=msgspec.to_builtins))


@contextmanager
def progress_bar(words: str, column: ProgressColumn) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on a terminal, nothing elsewhere: scripts read only the result."""
    screen = console(error=True)
    bar = Progress(TextColumn(words), BarColumn(), column, TimeRemainingColumn(), console=screen, transient=True)
    bar.disable = not screen.is_terminal
    with bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
