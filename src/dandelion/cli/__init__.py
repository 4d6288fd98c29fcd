"""The terminal: one command a job; each imports what it needs when it runs."""

from dandelion.cli.main import main

__all__ = ["main"]
