"""Every Prometheus instrument. The first five names are a promise to users and must not change.

A server is one process with a thread for every core, so one registry holds all its series; Prometheus adds up the pods.
Counters and histograms belong to one process. Series from the database (accuracy, drift of all pods, runs) are the same
in every process, and survive a restart.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    exposition,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from dandelion import __version__
from dandelion.telemetry.recorded import Recorded

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STAGE_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

_DAY = 86400.0
_LAG_SECONDS = (60.0, 600.0, 3600.0, 6 * 3600.0, _DAY, 3 * _DAY, 7 * _DAY, 30 * _DAY)
_CONFIDENCES = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 1.0)

disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the series, and nothing here uses them
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
Gauge("dandelion_build_info", "1 for the running version of Dandelion.", ["version"], registry=REGISTRY).labels(
    __version__
).set(1)

PREDICTIONS = Counter("predictions", "Photos classified.", ["label", "version", "track"], registry=REGISTRY)
PREDICTION_SECONDS = Histogram(
    "prediction_duration_seconds",
    "Time from a request's arrival to its response.",
    ["track"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
PREDICTION_ERRORS = Counter(
    "prediction_errors", "Photos and requests of /predict that failed, by reason.", ["reason"], registry=REGISTRY
)
MODEL_INFO = Gauge(
    "model_info",
    "1 for the serving model.",
    ["name", "version", "alias", "precision", "track"],
    registry=REGISTRY,
)
MODEL_CREATED = Gauge(
    "model_created_timestamp_seconds", "When the serving model was trained.", ["version"], registry=REGISTRY
)
MODEL_SINCE = Gauge(
    "model_serving_since_timestamp_seconds",
    "When the serving model came into service in this process.",
    ["version"],
    registry=REGISTRY,
)
MODEL_ACCURACY = Gauge(
    "model_accuracy",
    "Accuracy of the serving model; window `test` was measured in training, the others are live.",
    ["window"],
    registry=REGISTRY,
)

ACCURACY_LOWER = Gauge(
    "model_accuracy_lower", "Lower end of the 95 % interval of the live accuracy.", ["window"], registry=REGISTRY
)
ACCURACY_UPPER = Gauge(
    "model_accuracy_upper", "Upper end of the 95 % interval of the live accuracy.", ["window"], registry=REGISTRY
)
CALIBRATION_ERROR = Gauge(
    "model_calibration_error",
    "Mean distance between confidence and accuracy, over labelled predictions.",
    ["window"],
    registry=REGISTRY,
)
ACCURACY_SAMPLES = Gauge(
    "model_accuracy_samples", "Number of labels behind the accuracy of a window.", ["window"], registry=REGISTRY
)

CONFIDENCE = Histogram(
    "prediction_confidence",
    "Confidence of predictions.",
    ["version", "track"],
    buckets=_CONFIDENCES,
    registry=REGISTRY,
)
OUTLIERS = Counter(
    "predictions_out_of_distribution",
    "Classified photos that are out of distribution.",
    ["version", "track"],
    registry=REGISTRY,
)
REQUESTS = Counter(
    "http_requests",
    "Requests, by route as the documentation writes it.",
    ["route", "method", "status", "track"],
    registry=REGISTRY,
)
QUEUE_PHOTOS = Gauge("prediction_queue_photos", "Photos that wait for a worker.", registry=REGISTRY)
QUEUE_CAPACITY = Gauge("prediction_queue_capacity_photos", "Maximum number of photos that may wait.", registry=REGISTRY)
QUEUE_SECONDS = Histogram(
    "prediction_queue_seconds", "How long a photo waited for a worker.", buckets=_SECONDS, registry=REGISTRY
)
DECODE_SECONDS = Histogram(
    "prediction_decode_seconds", "Time to decode and resize one photo.", buckets=_STAGE_SECONDS, registry=REGISTRY
)
INFERENCE_SECONDS = Histogram(
    "prediction_inference_seconds",
    "Time to run the graph on one batch.",
    buckets=_STAGE_SECONDS,
    registry=REGISTRY,
)
BATCH_SIZE = Histogram(
    "prediction_batch_photos", "Photos in one batch.", buckets=(1, 2, 4, 8, 16, 32, 64), registry=REGISTRY
)
IN_FLIGHT = Gauge("predictions_in_flight", "Photos accepted and not classified yet.", registry=REGISTRY)
RELOADS = Counter(
    "model_reloads",
    "Checks of the alias, by outcome: `unchanged`, `swapped` to another model, or `failed`.",
    ["outcome"],
    registry=REGISTRY,
)
for _outcome in ("unchanged", "swapped", "failed"):
    RELOADS.labels(_outcome)  # so that the first failure is a rise from 0

JOURNAL_BYTES = Gauge(
    "journal_backlog_bytes", "Predictions on disk that are not in the database yet, bytes.", registry=REGISTRY
)
JOURNAL_AGE = Gauge(
    "journal_backlog_age_seconds",
    "Age of the oldest prediction that is not in the database yet; 0 without any.",
    registry=REGISTRY,
)
JOURNAL_SHIPPED = Counter("journal_shipped", "Predictions that reached the database.", registry=REGISTRY)
JOURNAL_LOST = Counter(
    "journal_lost",
    "Predictions that are not stored: dropped because the disk was `full`, `torn` by a crash, or `refused` by the "
    "database.",
    ["reason"],
    registry=REGISTRY,
)
PHOTOS_BYTES = Gauge(
    "journal_photos_backlog_bytes", "Photos on disk that are not in the object store yet, bytes.", registry=REGISTRY
)
PHOTOS_SHIPPED = Counter("journal_photos_shipped", "Photos that reached the object store.", registry=REGISTRY)
PHOTOS_LOST = Counter(
    "journal_photos_lost",
    "Sampled photos that are not stored: no room (`full`), waited too long (`old`), cannot be decoded (`unreadable`), "
    "or without a stored prediction (`no_row`).",
    ["reason"],
    registry=REGISTRY,
)
FEEDBACK = Counter("feedback", "Labels sent, by verdict on the prediction.", ["verdict"], registry=REGISTRY)
FEEDBACK_LAG = Histogram(
    "feedback_lag_seconds",
    "Time from a prediction to its label.",
    buckets=_LAG_SECONDS,
    registry=REGISTRY,
)

DRIFT = Gauge(
    "drift_score",
    "Distance of this process's latest photos from training, by feature; 1 and more is drift.",
    ["feature", "version"],
    registry=REGISTRY,
)
DRIFT_PHOTOS = Gauge(
    "drift_window_photos", "Number of photos behind `drift_score`, which needs a minimum of photos.", registry=REGISTRY
)
MONITORED = Counter("watch_photos", "Photos monitored for drift.", registry=REGISTRY)

RETRAINING_RUNS = Recorded(
    CounterMetricFamily,
    "retraining_runs",
    "Retrainings that ended, by outcome (`succeeded`, `failed`) and decision (`promoted`, `rejected` ...).",
    ["outcome", "decision"],
    registry=REGISTRY,
)
RETRAINING_LAST = Recorded(
    GaugeMetricFamily,
    "retraining_last_run_timestamp_seconds",
    "When a retraining last ended with this outcome.",
    ["outcome"],
    registry=REGISTRY,
)
RETRAINING_LAST_SUCCESS = Recorded(
    GaugeMetricFamily,
    "retraining_last_success_timestamp_seconds",
    "When a retraining last ended without failure, whatever it decided.",
    registry=REGISTRY,
)
RETRAINING_SECONDS = Recorded(
    GaugeMetricFamily, "retraining_last_duration_seconds", "Duration of the last retraining.", registry=REGISTRY
)
BACKUP_RUNS = Recorded(
    CounterMetricFamily, "backup_runs", "Backups that ended, by outcome.", ["outcome"], registry=REGISTRY
)
BACKUP_LAST_SUCCESS = Recorded(
    GaugeMetricFamily,
    "backup_last_success_timestamp_seconds",
    "When a backup last succeeded.",
    registry=REGISTRY,
)
DRIFT_MERGED = Recorded(
    GaugeMetricFamily,
    "drift_merged_score",
    "Like `drift_score`, but over the photos of all processes, from the last run of the monitoring flow.",
    ["feature", "version"],
    registry=REGISTRY,
)
DRIFT_MERGED_AT = Recorded(
    GaugeMetricFamily,
    "drift_merged_timestamp_seconds",
    "When the monitoring flow last measured the drift of all processes.",
    registry=REGISTRY,
)
RELEASES = Recorded(
    CounterMetricFamily, "model_releases", "Releases of models, by state.", ["state"], registry=REGISTRY
)


def expose(accept: str = "") -> tuple[bytes, str]:
    """All series in the format that the caller accepts, and its media type; exemplars in OpenMetrics only."""
    encode, content_type = exposition.choose_encoder(accept)
    return encode(REGISTRY), content_type
