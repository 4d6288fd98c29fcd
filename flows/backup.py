"""The flow of `dandelion.flows.backup`, for `prefect deploy flows/backup.py:backup`."""

from dandelion.flows.backup import backup

__all__ = ["backup"]
