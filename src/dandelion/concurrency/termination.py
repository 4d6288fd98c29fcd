"""What a command does on SIGTERM. The first process of a container ignores the signal unless it says what to do."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def exiting_on_sigterm() -> Iterator[None]:
    """SIGTERM ends the process within this block, also in a container."""
    with _on_sigterm(lambda: sys.exit(128 + signal.SIGTERM)):
        yield


@contextmanager
def finishing_on_sigterm(say: Callable[[], Any]) -> Iterator[None]:
    """The block continues to its end after SIGTERM, when `say` is called. Kubernetes waits for its grace period."""
    with _on_sigterm(say):
        yield


@contextmanager
def _on_sigterm(action: Callable[[], Any]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only it may set handlers
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        action()

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
