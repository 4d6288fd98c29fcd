"""The seven steps, in order, each safe to repeat. They know no Prefect: `flows/retrain.py` calls them.

What a run comes to rest on (dataset version, model version) is written down as soon as it is there, so a run that is
called again under its id goes on from there, and so does the next one after a run that was killed or failed.
"""

from dandelion.retraining.steps.data import check_data, prepare_data
from dandelion.retraining.steps.deployment import deploy_model
from dandelion.retraining.steps.notification import notify
from dandelion.retraining.steps.performance import check_performance
from dandelion.retraining.steps.training import train_model
from dandelion.retraining.steps.validation import validate_model

__all__ = [
    "check_data",
    "check_performance",
    "deploy_model",
    "notify",
    "prepare_data",
    "train_model",
    "validate_model",
]
