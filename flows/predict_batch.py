"""The flow of `dandelion.flows.predict_batch`, for `prefect deploy flows/predict_batch.py:predict_batch`."""

from dandelion.flows.predict_batch import predict_batch

__all__ = ["predict_batch"]
