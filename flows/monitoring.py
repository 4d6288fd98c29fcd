"""The flow of `dandelion.flows.monitoring`, for `prefect deploy flows/monitoring.py:monitor`."""

from dandelion.flows.monitoring import monitor

__all__ = ["monitor"]
