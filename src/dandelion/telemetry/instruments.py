"""Every Prometheus instrument. The first five names are promised to users and stay as they are.

One process serves, with a thread for every core, so one registry holds all of its figures; Prometheus adds up pods.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STAGE_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

REGISTRY = CollectorRegistry()

PREDICTIONS = Counter("predictions", "Photos answered.", ["label", "version", "track"], registry=REGISTRY)
PREDICTION_SECONDS = Histogram(
    "prediction_duration_seconds",
    "From a request's arrival to its answer.",
    ["track"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
PREDICTION_ERRORS = Counter(
    "prediction_errors", "Photos or requests refused, by reason.", ["reason"], registry=REGISTRY
)
MODEL_INFO = Gauge(
    "model_info",
    "1 for the model that serves.",
    ["name", "version", "alias", "precision", "track"],
    registry=REGISTRY,
)
MODEL_ACCURACY = Gauge(
    "model_accuracy",
    "Accuracy of the model that serves; window `test` is the figure measured at training.",
    ["window"],
    registry=REGISTRY,
)

QUEUE_SECONDS = Histogram(
    "prediction_queue_seconds", "How long a photo waited for a lane.", buckets=_SECONDS, registry=REGISTRY
)
DECODE_SECONDS = Histogram(
    "prediction_decode_seconds", "Decoding and resizing one photo.", buckets=_STAGE_SECONDS, registry=REGISTRY
)
INFERENCE_SECONDS = Histogram(
    "prediction_inference_seconds",
    "Running the graph on one batch.",
    buckets=_STAGE_SECONDS,
    registry=REGISTRY,
)
BATCH_SIZE = Histogram(
    "prediction_batch_photos", "Photos run together.", buckets=(1, 2, 4, 8, 16, 32, 64), registry=REGISTRY
)
IN_FLIGHT = Gauge("predictions_in_flight", "Photos taken and not yet answered.", registry=REGISTRY)
RELOADS = Counter("model_reloads", "Attempts to swap the model, by outcome.", ["outcome"], registry=REGISTRY)

JOURNAL_BYTES = Gauge("journal_backlog_bytes", "On disk and not yet in the database.", registry=REGISTRY)
JOURNAL_AGE = Gauge("journal_backlog_age_seconds", "Age of the oldest of it; 0 without any.", registry=REGISTRY)
JOURNAL_SHIPPED = Counter("journal_shipped", "Predictions that reached the database.", registry=REGISTRY)
JOURNAL_LOST = Counter(
    "journal_lost",
    "Predictions that were not kept: `full` by order of the settings, `torn` by a crash, `refused` by the database.",
    ["reason"],
    registry=REGISTRY,
)
FEEDBACK = Counter("feedback", "Truths told, by what they made of the answer.", ["verdict"], registry=REGISTRY)


def expose() -> bytes:
    """All figures in Prometheus text format."""
    return generate_latest(REGISTRY)
