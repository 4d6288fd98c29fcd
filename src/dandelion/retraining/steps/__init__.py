"""The seven steps, in order, each safe to repeat. `dandelion.flows.retrain` runs them as Prefect tasks.

A step raises a `DandelionError` when a server does not respond, or the photos, the recipe or the disk do not suffice.

A run records its dataset version and its model version as soon as they exist. A run that is started again under its id
resumes from there, and so does the next run after one that was killed or failed.
"""

from dandelion.retraining.run import Step
from dandelion.retraining.steps.data import check_data, prepare_data
from dandelion.retraining.steps.deployment import deploy_model
from dandelion.retraining.steps.notification import notify
from dandelion.retraining.steps.performance import check_performance
from dandelion.retraining.steps.training import train_model
from dandelion.retraining.steps.validation import validate_model

# In order; `notify` comes after them, however they end.
STEPS: tuple[Step, ...] = (check_performance, check_data, prepare_data, train_model, validate_model, deploy_model)

__all__ = ["STEPS", "notify"]
