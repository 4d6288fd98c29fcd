"""The flow of `dandelion.flows.retrain`, for `prefect deploy flows/retrain.py:retrain`."""

from dandelion.flows.retrain import retrain

__all__ = ["retrain"]
