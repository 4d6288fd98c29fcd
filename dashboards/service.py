"""*Service*: traffic, errors, latency and saturation of the API."""

from __future__ import annotations

from dashboards.panels import Dashboard, Panel, Query, Row

NAMESPACE = 'namespace=~"$namespace"'
# Of the chosen releases. The chart's monitors give the label to what they scrape.
IN = f'{NAMESPACE}, release=~"$release"'
# Kubernetes' own series lack it, and know a release by the names of what it creates.
PARTS = "(api|backup|flows|minio|mlflow|mysql|prefect|restore|ui)-.*"
PODS = f'{NAMESPACE}, pod=~"$release-{PARTS}"'
CLAIMS = f'{NAMESPACE}, persistentvolumeclaim=~"(data-)?$release-{PARTS}"'
SCALERS = f'{NAMESPACE}, horizontalpodautoscaler=~"$release-api(-.*)?"'
TRACK = f'{IN}, track=~"$track"'
# `/predict`, and the same in the Open Inference Protocol.
PREDICT_ROUTES = 'route=~"/predict|/v2/models/.+/infer"'
PREDICT = f"{TRACK}, {PREDICT_ROUTES}"
RATE = "$__rate_interval"


def quantile(q: float, metric: str, selector: str, by: str = "") -> str:
    """Return PromQL for a quantile of a histogram."""
    return f"histogram_quantile({q}, sum by (le{by}) (rate({metric}_bucket{{{selector}}}[{RATE}])))"


def mean(metric: str) -> str:
    """Return PromQL for the mean of a histogram."""
    return f"sum(rate({metric}_sum{{{IN}}}[{RATE}])) / sum(rate({metric}_count{{{IN}}}[{RATE}]))"


PAGE = Dashboard(
    "dandelion-service",
    "Service",
    "Traffic, errors, latency and saturation of the API.",
    [
        Row(
            "At a glance",
            [
                Panel(
                    "Predictions",
                    "Photos per second over all processes.",
                    "ops",
                    [Query(f"sum(rate(predictions_total{{{TRACK}}}[{RATE}]))", "photos/s")],
                    "NoTraffic",
                    "number",
                    6,
                ),
                Panel(
                    "Availability, 1 h",
                    "Share of requests for predictions without a server error; the objective is 99.9 %.",
                    "percentunit",
                    [
                        Query(
                            f'1 - (sum(rate(http_requests_total{{{PREDICT}, status=~"5.."}}[1h])) or vector(0)) '
                            f"/ sum(rate(http_requests_total{{{PREDICT}}}[1h]))",
                            "availability",
                        )
                    ],
                    "ErrorBudgetBurnFast",
                    "number",
                    6,
                ),
                Panel(
                    "95th percentile",
                    "95th percentile of the duration of predictions; the limit is one second.",
                    "s",
                    [Query(quantile(0.95, "prediction_duration_seconds", TRACK), "p95")],
                    "APIHighLatency",
                    "number",
                    6,
                    limit=1,
                ),
                Panel(
                    "Processes up",
                    "API processes that Prometheus reaches, out of all that it knows.",
                    "short",
                    [
                        Query(f'sum(up{{job="dandelion", {IN}}})', "up"),
                        Query(f'count(up{{job="dandelion", {IN}}})', "of"),
                    ],
                    "APIDown",
                    "number",
                    6,
                ),
            ],
        ),
        Row(
            "Traffic and errors",
            [
                Panel(
                    "Requests by route",
                    "Requests per second by route.",
                    "reqps",
                    [Query(f"sum by (route) (rate(http_requests_total{{{TRACK}}}[{RATE}]))", "{{route}}")],
                    "NoTraffic",
                    "stack",
                ),
                Panel(
                    "Responses to prediction requests by status",
                    "4xx are errors of the clients. 5xx are errors of the server and burn the error budget.",
                    "reqps",
                    [Query(f"sum by (status) (rate(http_requests_total{{{PREDICT}}}[{RATE}]))", "{{status}}")],
                    "ErrorBudgetBurnFast",
                    "stack",
                ),
                Panel(
                    "Refused, by reason",
                    "Photos or requests without a prediction, by reason.",
                    "ops",
                    [Query(f"sum by (reason) (rate(prediction_errors_total{{{IN}}}[{RATE}]))", "{{reason}}")],
                    "ErrorBudgetBurnSlow",
                ),
            ],
        ),
        Row(
            "Latency",
            [
                Panel(
                    "Latency",
                    "Responses to prediction requests by duration. A second band above the first means that requests queue.",
                    "s",
                    [Query(f"sum by (le) (increase(prediction_duration_seconds_bucket{{{TRACK}}}[{RATE}]))", "{{le}}")],
                    "APIHighLatency",
                    "heatmap",
                    12,
                ),
                Panel(
                    "Percentiles by track",
                    "Median, 95th and 99th percentile of the duration of predictions.",
                    "s",
                    [
                        Query(
                            quantile(q, "prediction_duration_seconds", TRACK, ", track"), f"p{100 * q:g} {{{{track}}}}"
                        )
                        for q in (0.5, 0.95, 0.99)
                    ],
                    "APIHighLatency",
                    span=12,
                    limit=1,
                ),
                Panel(
                    "Where the time goes",
                    "Mean time to wait for a worker, decode a photo, and run a batch.",
                    "s",
                    [
                        Query(mean("prediction_queue_seconds"), "queue"),
                        Query(mean("prediction_decode_seconds"), "decode"),
                        Query(mean("prediction_inference_seconds"), "inference"),
                    ],
                    "APIHighLatency",
                    span=12,
                ),
                Panel(
                    "Batch size",
                    "Mean number of photos in a batch; it grows with the load.",
                    "short",
                    [Query(mean("prediction_batch_photos"), "photos per batch")],
                    "APIHighLatency",
                    span=12,
                ),
            ],
        ),
        Row(
            "Saturation",
            [
                Panel(
                    "Queue",
                    "Used share of the queue for photos. At 100 %, photos are refused.",
                    "percentunit",
                    [
                        Query(
                            f"sum by (instance) (prediction_queue_photos{{{IN}}}) "
                            f"/ sum by (instance) (prediction_queue_capacity_photos{{{IN}}})",
                            "{{instance}}",
                        )
                    ],
                    "APIHighLatency",
                    top=1,
                ),
                Panel(
                    "In flight",
                    "Accepted photos without a response yet.",
                    "short",
                    [Query(f"sum by (instance) (predictions_in_flight{{{IN}}})", "{{instance}}")],
                    "APIHighLatency",
                ),
                Panel(
                    "Processor",
                    "Cores that each process uses.",
                    "short",
                    [
                        Query(
                            f'rate(process_cpu_seconds_total{{job="dandelion", {IN}}}[{RATE}])',
                            "{{instance}}",
                        )
                    ],
                    "APIHighLatency",
                ),
                Panel(
                    "Memory",
                    "Resident memory of each process.",
                    "bytes",
                    [Query(f'process_resident_memory_bytes{{job="dandelion", {IN}}}', "{{instance}}")],
                    "PodRestarting",
                ),
                Panel(
                    "Journal backlog",
                    "Predictions and photos in the local queue on disk, not yet in the database and the object store.",
                    "bytes",
                    [
                        Query(f"sum(journal_backlog_bytes{{{IN}}})", "predictions"),
                        Query(f"sum(journal_photos_backlog_bytes{{{IN}}})", "photos"),
                    ],
                    "JournalBacklog",
                ),
                Panel(
                    "Age of the backlog",
                    "Age of the oldest prediction in the local queue; seconds are normal.",
                    "s",
                    [Query(f"max(journal_backlog_age_seconds{{{IN}}})", "oldest")],
                    "JournalBacklog",
                    limit=60,
                ),
                Panel(
                    "Lost",
                    "Predictions and photos that were not stored, by reason; none is normal.",
                    "short",
                    [
                        Query(
                            f"sum by (reason) (increase(journal_lost_total{{{IN}}}[{RATE}]))", "prediction: {{reason}}"
                        ),
                        Query(
                            f"sum by (reason) (increase(journal_photos_lost_total{{{IN}}}[{RATE}]))",
                            "photo: {{reason}}",
                        ),
                    ],
                    "JournalLosing",
                ),
                Panel(
                    "Shipped",
                    "Predictions stored in the database and photos stored in the object store, per second.",
                    "ops",
                    [
                        Query(f"sum(rate(journal_shipped_total{{{IN}}}[{RATE}]))", "predictions"),
                        Query(f"sum(rate(journal_photos_shipped_total{{{IN}}}[{RATE}]))", "photos"),
                    ],
                    "JournalBacklog",
                ),
            ],
        ),
        Row(
            "Pods (in a cluster)",
            [
                Panel(
                    "Replicas",
                    "Pods of each autoscaler: current, desired and maximum.",
                    "short",
                    [
                        Query(
                            f"kube_horizontalpodautoscaler_status_current_replicas{{{SCALERS}}}",
                            "{{horizontalpodautoscaler}} current",
                        ),
                        Query(
                            f"kube_horizontalpodautoscaler_status_desired_replicas{{{SCALERS}}}",
                            "{{horizontalpodautoscaler}} desired",
                        ),
                        Query(
                            f"kube_horizontalpodautoscaler_spec_max_replicas{{{SCALERS}}}",
                            "{{horizontalpodautoscaler}} maximum",
                        ),
                    ],
                    "APIHighLatency",
                    span=12,
                ),
                Panel(
                    "Pods that are not ready",
                    "Pods that receive no requests; none is normal.",
                    "short",
                    [Query(f'sum by (pod) (kube_pod_status_ready{{{PODS}, condition="false"}})', "{{pod}}")],
                    "PodRestarting",
                    span=12,
                ),
            ],
        ),
    ],
)
