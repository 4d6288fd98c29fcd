"""*Model*: the serving model, its live accuracy, and its predictions."""

from __future__ import annotations

from dashboards.panels import Dashboard, Panel, Query, Row
from dashboards.service import IN, RATE

VERSION = f'{IN}, track=~"$track", version=~"$version"'
LIVE = f'{IN}, window!="test"'

PAGE = Dashboard(
    "dandelion-model",
    "Model",
    "The serving model, its live accuracy, and its predictions.",
    [
        Row(
            "Serving model",
            [
                Panel(
                    "Version timeline",
                    "Version of the serving model in each process over time.",
                    "short",
                    [
                        Query(
                            f"max by (instance, version, alias) (model_info{{{VERSION}}})",
                            "{{instance}}: {{version}} ({{alias}})",
                        )
                    ],
                    "ModelReloadFailing",
                    "states",
                    12,
                ),
                Panel(
                    "Age of the model",
                    "Time since training. A model is stale after 30 days. The bundled starter model has no age.",
                    "s",
                    [
                        Query(
                            f'time() - max by (version) (model_created_timestamp_seconds{{{IN}, version=~"$version"}})',
                            "{{version}}",
                        )
                    ],
                    "ModelStale",
                    span=6,
                    limit=30 * 86400,
                ),
                Panel(
                    "Checks of the alias",
                    "How often processes checked which model to load, by outcome.",
                    "ops",
                    [Query(f"sum by (outcome) (rate(model_reloads_total{{{IN}}}[{RATE}]))", "{{outcome}}")],
                    "ModelReloadFailing",
                    span=6,
                ),
            ],
        ),
        Row(
            "Live accuracy",
            [
                Panel(
                    "Accuracy with its 95 % interval",
                    "Share of right predictions among those labelled within the window; the minimum is 90 %.",
                    "percentunit",
                    [
                        Query(f"min by (window) (model_accuracy{{{LIVE}}})", "{{window}}"),
                        Query(f"min by (window) (model_accuracy_lower{{{LIVE}}})", "{{window}} lower"),
                        Query(f"max by (window) (model_accuracy_upper{{{LIVE}}})", "{{window}} upper"),
                        Query(f'max(model_accuracy{{{IN}, window="test"}})', "test split, at training"),
                    ],
                    "ModelAccuracyDrop",
                    span=12,
                    limit=0.9,
                    top=1,
                ),
                Panel(
                    "Labels in the window",
                    "Number of labels behind each accuracy. Below 50, no alert fires.",
                    "short",
                    [Query(f"max by (window) (model_accuracy_samples{{{LIVE}}})", "{{window}}")],
                    "ModelAccuracyDrop",
                    span=6,
                ),
                Panel(
                    "Calibration error",
                    "Mean distance between confidence and accuracy. Below 5 %, the confidence is reliable.",
                    "percentunit",
                    [Query(f"max by (window) (model_calibration_error{{{LIVE}}})", "{{window}}")],
                    "ModelAccuracyDrop",
                    span=6,
                ),
                Panel(
                    "Labels received",
                    "Labels per second by verdict on the prediction.",
                    "ops",
                    [Query(f"sum by (verdict) (rate(feedback_total{{{IN}}}[{RATE}]))", "{{verdict}}")],
                    "ModelAccuracyDrop",
                    span=12,
                ),
                Panel(
                    "Delay of labels",
                    "Time from a prediction to its label: median and 90th percentile.",
                    "s",
                    [
                        Query(
                            f"histogram_quantile({q}, sum by (le) (rate(feedback_lag_seconds_bucket{{{IN}}}[1d])))",
                            f"p{100 * q:g}",
                        )
                        for q in (0.5, 0.9)
                    ],
                    "ModelAccuracyDrop",
                    span=12,
                ),
            ],
        ),
        Row(
            "Predictions",
            [
                Panel(
                    "Classes",
                    "Share of each class among the predictions.",
                    "percentunit",
                    [
                        Query(
                            f"sum by (label) (rate(predictions_total{{{VERSION}}}[{RATE}])) "
                            f"/ ignoring (label) group_left sum(rate(predictions_total{{{VERSION}}}[{RATE}]))",
                            "{{label}}",
                        )
                    ],
                    "DataDrift",
                    "stack",
                    top=1,
                ),
                Panel(
                    "Confidence",
                    "Predictions by confidence. A band that moves down means that the model is less sure.",
                    "percentunit",
                    [
                        Query(
                            f"sum by (le) (increase(prediction_confidence_bucket{{{VERSION}}}[{RATE}]))",
                            "{{le}}",
                        )
                    ],
                    "DataDrift",
                    "heatmap",
                ),
                Panel(
                    "Out of distribution",
                    "Share of photos that are unlike the training data. 5 % is normal; at 20 %, an alert fires.",
                    "percentunit",
                    [
                        Query(
                            f"sum by (version, track) (rate(predictions_out_of_distribution_total{{{VERSION}}}[{RATE}])) "
                            f"/ sum by (version, track) (rate(predictions_total{{{VERSION}}}[{RATE}]))",
                            "{{version}} {{track}}",
                        )
                    ],
                    "OutOfDistributionSurge",
                    limit=0.2,
                    top=1,
                ),
            ],
        ),
    ],
    since="now-7d",
)
