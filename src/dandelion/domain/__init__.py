"""The values that parts exchange: frozen, validated where they enter, free of I/O."""

from dandelion.domain.access import AccessScope, ApiKey, Identity
from dandelion.domain.drift import Drift, DriftTest, FeatureDrift, MergedDrift
from dandelion.domain.feedback import BulkVerdict, Feedback, Labeller, Queue, QueuedPhoto, Reason, RefusedLine
from dandelion.domain.flows import RETRAINING_STEPS, FlowRun, FlowStep, Retraining, TriggeredRetraining
from dandelion.domain.models import (
    CALIBRATION_BINS,
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    STARTER,
    InputSpec,
    ModelVersion,
    Promoted,
    Split,
    Version,
    VersionDetails,
)
from dandelion.domain.names import class_name, is_clutter
from dandelion.domain.predictions import (
    LABEL_LENGTH,
    JournalEntry,
    ModelRef,
    Opinion,
    Page,
    Prediction,
    StoredPrediction,
)

__all__ = [
    "CALIBRATION_BINS",
    "CHALLENGER",
    "CHAMPION",
    "LABEL_LENGTH",
    "PREVIOUS",
    "RETRAINING_STEPS",
    "STARTER",
    "AccessScope",
    "ApiKey",
    "BulkVerdict",
    "Drift",
    "DriftTest",
    "FeatureDrift",
    "Feedback",
    "FlowRun",
    "FlowStep",
    "Identity",
    "InputSpec",
    "JournalEntry",
    "Labeller",
    "MergedDrift",
    "ModelRef",
    "ModelVersion",
    "Opinion",
    "Page",
    "Prediction",
    "Promoted",
    "Queue",
    "QueuedPhoto",
    "Reason",
    "RefusedLine",
    "Retraining",
    "Split",
    "StoredPrediction",
    "TriggeredRetraining",
    "Version",
    "VersionDetails",
    "class_name",
    "is_clutter",
]
