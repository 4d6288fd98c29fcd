"""Every Prometheus instrument. The first five names are promised to users and stay as they are.

One process serves, with a thread for every core, so one registry holds all of its figures; Prometheus adds up pods.
Counters and histograms are a process's own. Gauges that come from the database (accuracy, drift of all pods, runs) are
the same in every process, and are there again after a restart.
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

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for every one, which nothing here asks for
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
Gauge("dandelion_build_info", "1 for the version of Dandelion that runs.", ["version"], registry=REGISTRY).labels(
    __version__
).set(1)

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
MODEL_CREATED = Gauge(
    "model_created_timestamp_seconds", "When the model that serves was trained.", ["version"], registry=REGISTRY
)
MODEL_SINCE = Gauge(
    "model_serving_since_timestamp_seconds",
    "When this process began to serve the model that serves.",
    ["version"],
    registry=REGISTRY,
)
MODEL_ACCURACY = Gauge(
    "model_accuracy",
    "Accuracy of the model that serves; window `test` is the figure measured at training, others are live.",
    ["window"],
    registry=REGISTRY,
)

ACCURACY_LOWER = Gauge(
    "model_accuracy_lower", "Lower end of the 95 % interval of a live accuracy.", ["window"], registry=REGISTRY
)
ACCURACY_UPPER = Gauge("model_accuracy_upper", "Upper end of it.", ["window"], registry=REGISTRY)
CALIBRATION_ERROR = Gauge(
    "model_calibration_error",
    "Mean distance of confidence from accuracy, over answers with a label.",
    ["window"],
    registry=REGISTRY,
)
ACCURACY_SAMPLES = Gauge(
    "model_accuracy_samples", "Labels that the accuracy of a window rests on.", ["window"], registry=REGISTRY
)

CONFIDENCE = Histogram(
    "prediction_confidence",
    "Confidence of answers.",
    ["version", "track"],
    buckets=_CONFIDENCES,
    registry=REGISTRY,
)
OUTLIERS = Counter(
    "predictions_out_of_distribution",
    "Answered photos that resemble nothing the model was trained on.",
    ["version", "track"],
    registry=REGISTRY,
)
REQUESTS = Counter(
    "http_requests",
    "Requests answered, by route as the documentation writes it.",
    ["route", "method", "status", "track"],
    registry=REGISTRY,
)
QUEUE_PHOTOS = Gauge("prediction_queue_photos", "Photos that wait for a worker.", registry=REGISTRY)
QUEUE_CAPACITY = Gauge("prediction_queue_capacity_photos", "Most photos that may wait.", registry=REGISTRY)
QUEUE_SECONDS = Histogram(
    "prediction_queue_seconds", "How long a photo waited for a worker.", buckets=_SECONDS, registry=REGISTRY
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
RELOADS = Counter(
    "model_reloads",
    "Looks at the alias: `unchanged`, `swapped` to another model, or `failed`.",
    ["outcome"],
    registry=REGISTRY,
)
for _outcome in ("unchanged", "swapped", "failed"):
    RELOADS.labels(_outcome)  # so that the first failure is a rise from 0

JOURNAL_BYTES = Gauge("journal_backlog_bytes", "On disk and not yet in the database.", registry=REGISTRY)
JOURNAL_AGE = Gauge("journal_backlog_age_seconds", "Age of the oldest of it; 0 without any.", registry=REGISTRY)
JOURNAL_SHIPPED = Counter("journal_shipped", "Predictions that reached the database.", registry=REGISTRY)
JOURNAL_LOST = Counter(
    "journal_lost",
    "Predictions that were not kept: `full` by order of the settings, `torn` by a crash, `refused` by the database.",
    ["reason"],
    registry=REGISTRY,
)
PHOTOS_BYTES = Gauge(
    "journal_photos_backlog_bytes", "Photos on disk and not yet in the object store.", registry=REGISTRY
)
PHOTOS_SHIPPED = Counter("journal_photos_shipped", "Photos that reached the object store.", registry=REGISTRY)
PHOTOS_LOST = Counter(
    "journal_photos_lost",
    "Sampled photos that were not kept: no room (`full`), waited too long (`old`), cannot be decoded (`unreadable`), "
    "or without a stored prediction (`no_row`).",
    ["reason"],
    registry=REGISTRY,
)
FEEDBACK = Counter("feedback", "Labels given, by verdict.", ["verdict"], registry=REGISTRY)


FEEDBACK_LAG = Histogram(
    "feedback_lag_seconds",
    "From a prediction to its label.",
    buckets=_LAG_SECONDS,
    registry=REGISTRY,
)

DRIFT = Gauge(
    "drift_score",
    "How far the last photos of this process are from training, by feature; from 1 on they have drifted.",
    ["feature", "version"],
    registry=REGISTRY,
)
DRIFT_PHOTOS = Gauge(
    "drift_window_photos", "Photos that these scores rest on; none is given before there are enough.", registry=REGISTRY
)
MONITORED = Counter("watch_photos", "Photos looked at for drift.", registry=REGISTRY)

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
    "When a retraining last ended so.",
    ["outcome"],
    registry=REGISTRY,
)
RETRAINING_LAST_SUCCESS = Recorded(
    GaugeMetricFamily,
    "retraining_last_success_timestamp_seconds",
    "When a retraining last ran to its end, whatever it decided.",
    registry=REGISTRY,
)
RETRAINING_SECONDS = Recorded(
    GaugeMetricFamily, "retraining_last_duration_seconds", "How long the last one took.", registry=REGISTRY
)
BACKUP_RUNS = Recorded(
    CounterMetricFamily, "backup_runs", "Backups that ended, by outcome.", ["outcome"], registry=REGISTRY
)
BACKUP_LAST_SUCCESS = Recorded(
    GaugeMetricFamily,
    "backup_last_success_timestamp_seconds",
    "When a backup last ended well.",
    registry=REGISTRY,
)
DRIFT_MERGED = Recorded(
    GaugeMetricFamily,
    "drift_merged_score",
    "The same as `drift_score` over the photos of all processes, as monitoring over all processes found it last.",
    ["feature", "version"],
    registry=REGISTRY,
)
DRIFT_MERGED_AT = Recorded(
    GaugeMetricFamily,
    "drift_merged_timestamp_seconds",
    "When monitoring last ran over all processes.",
    registry=REGISTRY,
)
RELEASES = Recorded(
    CounterMetricFamily, "model_releases", "Releases of models, by how they ended.", ["state"], registry=REGISTRY
)


def expose(accept: str = "") -> tuple[bytes, str]:
    """All figures in the format that the caller asks for, and its media type; exemplars in OpenMetrics only."""
    encode, content_type = exposition.choose_encoder(accept)
    return encode(REGISTRY), content_type
