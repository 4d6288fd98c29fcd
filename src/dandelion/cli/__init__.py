"""The command line; each command imports what it needs when it runs."""

from dandelion.cli.main import main

__all__ = ["main"]
