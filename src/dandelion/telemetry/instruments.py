"""Every Prometheus instrument. The first five names are a promise to users and must not change.

A server is one process with a thread for every core, so one registry holds all its series; Prometheus adds up the pods.
Counters and histograms belong to one process. Series from the database (accuracy, drift of all pods, runs) are the same
in every process, and survive a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    exposition,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dandelion import __version__

Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STAGE_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

_DAY = 86400.0
_LAG_SECONDS = (60.0, 600.0, 3600.0, 6 * 3600.0, _DAY, 3 * _DAY, 7 * _DAY, 30 * _DAY)
_CONFIDENCES = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 1.0)

disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the series, and nothing here uses them
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)


class Recorded(Collector):
    """A metric family from the database, the same in every process, and unaffected by a restart.

    Its values are replaced as a whole: none before the first call of `tell`, none out of date.
    """

    def __init__(self, family: type[Family], name: str, documentation: str, labels: Sequence[str] = ()) -> None:
        self._create: Callable[[], Metric] = partial(family, name, documentation, labels=labels)
        self._values: Mapping[tuple[str, ...], float] = {}
        REGISTRY.register(self)

    def tell(self, values: Mapping[tuple[str, ...], float]) -> None:
        """Replace all values; the keys are label values."""
        self._values = dict(values)

    def describe(self) -> Iterable[Metric]:
        """The family without values."""
        return [self._create()]

    def collect(self) -> Iterable[Metric]:
        """The family with its current values."""
        found: Any = self._create()  # the client types neither family's methods
        for labels, value in self._values.items():
            found.add_metric(labels, value)
        return [found]


_counter = partial(Counter, registry=REGISTRY)
_gauge = partial(Gauge, registry=REGISTRY)
_histogram = partial(Histogram, registry=REGISTRY)
_recorded_counter = partial(Recorded, CounterMetricFamily)
_recorded_gauge = partial(Recorded, GaugeMetricFamily)

_gauge("dandelion_build_info", "1 for the running version of Dandelion.", ["version"]).labels(__version__).set(1)
PREDICTIONS = _counter("predictions", "Photos classified.", ["label", "version", "track"])
PREDICTION_SECONDS = _histogram(
    "prediction_duration_seconds", "Time from a request's arrival to its response.", ["track"], buckets=_SECONDS
)
PREDICTION_ERRORS = _counter("prediction_errors", "Photos and prediction requests that failed, by reason.", ["reason"])
PROFILES_IGNORED = _counter("photo_profiles_ignored", "Colour profiles of photos that could not be used.")
MODEL_INFO = _gauge("model_info", "1 for the serving model.", ["name", "version", "alias", "precision", "track"])
MODEL_CREATED = _gauge("model_created_timestamp_seconds", "When the serving model was trained.", ["version"])
MODEL_SINCE = _gauge(
    "model_serving_since_timestamp_seconds", "When the serving model came into service in this process.", ["version"]
)
MODEL_ACCURACY = _gauge(
    "model_accuracy",
    "Accuracy of the serving model; window `test` was measured in training, the others are live.",
    ["window"],
)

ACCURACY_LOWER = _gauge("model_accuracy_lower", "Lower end of the 95 % interval of the live accuracy.", ["window"])
ACCURACY_UPPER = _gauge("model_accuracy_upper", "Upper end of the 95 % interval of the live accuracy.", ["window"])
CALIBRATION_ERROR = _gauge(
    "model_calibration_error", "Mean distance between confidence and accuracy, over labelled predictions.", ["window"]
)
ACCURACY_SAMPLES = _gauge("model_accuracy_samples", "Number of labels behind the accuracy of a window.", ["window"])

CONFIDENCE = _histogram(
    "prediction_confidence", "Confidence of predictions.", ["version", "track"], buckets=_CONFIDENCES
)
OUTLIERS = _counter(
    "predictions_out_of_distribution", "Classified photos that are out of distribution.", ["version", "track"]
)
REQUESTS = _counter(
    "http_requests", "Requests, by route as the documentation writes it.", ["route", "method", "status", "track"]
)
QUEUE_PHOTOS = _gauge("prediction_queue_photos", "Photos that wait for a worker.")
QUEUE_CAPACITY = _gauge("prediction_queue_capacity_photos", "Maximum number of photos that may wait.")
QUEUE_SECONDS = _histogram("prediction_queue_seconds", "How long a photo waited for a worker.", buckets=_SECONDS)
DECODE_SECONDS = _histogram("prediction_decode_seconds", "Time to decode and resize one photo.", buckets=_STAGE_SECONDS)
INFERENCE_SECONDS = _histogram(
    "prediction_inference_seconds", "Time to run the graph on one batch.", buckets=_STAGE_SECONDS
)
BATCH_SIZE = _histogram("prediction_batch_photos", "Photos in one batch.", buckets=(1, 2, 4, 8, 16, 32, 64))
IN_FLIGHT = _gauge("predictions_in_flight", "Photos accepted and not classified yet.")
RELOADS = _counter(
    "model_reloads",
    "Checks of the alias, by outcome: `unchanged`, `swapped` to another model, or `failed`.",
    ["outcome"],
)
for _outcome in ("unchanged", "swapped", "failed"):
    RELOADS.labels(_outcome)  # so that the first failure is a rise from 0

JOURNAL_BYTES = _gauge("journal_backlog_bytes", "Predictions on disk that are not in the database yet, bytes.")
JOURNAL_AGE = _gauge(
    "journal_backlog_age_seconds", "Age of the oldest prediction that is not in the database yet; 0 without any."
)
JOURNAL_SHIPPED = _counter("journal_shipped", "Predictions that reached the database.")
JOURNAL_LOST = _counter(
    "journal_lost",
    "Predictions that are not stored: dropped because the disk was `full`, `torn` by a crash, or `refused` by the "
    "database.",
    ["reason"],
)
PHOTOS_BYTES = _gauge("journal_photos_backlog_bytes", "Photos on disk that are not in the object store yet, bytes.")
PHOTOS_SHIPPED = _counter("journal_photos_shipped", "Photos that reached the object store.")
PHOTOS_LOST = _counter(
    "journal_photos_lost",
    "Sampled photos that are not stored: no room (`full`), waited too long (`old`), cannot be decoded (`unreadable`), "
    "or without a stored prediction (`no_row`).",
    ["reason"],
)
FEEDBACK = _counter("feedback", "Labels sent, by verdict on the prediction.", ["verdict"])
FEEDBACK_LAG = _histogram("feedback_lag_seconds", "Time from a prediction to its label.", buckets=_LAG_SECONDS)

DRIFT = _gauge(
    "drift_score",
    "Distance of this process's latest photos from training, by feature; 1 and more is drift.",
    ["feature", "version"],
)
DRIFT_PHOTOS = _gauge("drift_window_photos", "Number of photos behind `drift_score`, which needs a minimum of photos.")
MONITORED = _counter("watch_photos", "Photos monitored for drift.")

RETRAINING_RUNS = _recorded_counter(
    "retraining_runs",
    "Retrainings that ended, by outcome (`succeeded`, `failed`) and decision (`promoted`, `rejected` ...).",
    ["outcome", "decision"],
)
RETRAINING_LAST = _recorded_gauge(
    "retraining_last_run_timestamp_seconds", "When a retraining last ended with this outcome.", ["outcome"]
)
RETRAINING_LAST_SUCCESS = _recorded_gauge(
    "retraining_last_success_timestamp_seconds", "When a retraining last ended without failure, whatever it decided."
)
RETRAINING_SECONDS = _recorded_gauge("retraining_last_duration_seconds", "Duration of the last retraining.")
BACKUP_RUNS = _recorded_counter("backup_runs", "Backups that ended, by outcome.", ["outcome"])
BACKUP_LAST_SUCCESS = _recorded_gauge("backup_last_success_timestamp_seconds", "When a backup last succeeded.")
DRIFT_MERGED = _recorded_gauge(
    "drift_merged_score",
    "Like `drift_score`, but over the photos of all processes, from the last run of the monitoring flow.",
    ["feature", "version"],
)
DRIFT_MERGED_AT = _recorded_gauge(
    "drift_merged_timestamp_seconds", "When the monitoring flow last measured the drift of all processes."
)
RELEASES = _recorded_counter("model_releases", "Releases of models, by state.", ["state"])


def expose(accept: str = "") -> tuple[bytes, str]:
    """All series in the format that the caller accepts, and its media type; exemplars in OpenMetrics only."""
    encode, content_type = exposition.choose_encoder(accept)
    return encode(REGISTRY), content_type
