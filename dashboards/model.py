"""*Model*: what serves, how right it is, and how sure."""

from __future__ import annotations

from dashboards.panels import Dashboard, Panel, Query, Row
from dashboards.service import IN, RATE

VERSION = f'{IN}, track=~"$track", version=~"$version"'
LIVE = f'{IN}, window!="test"'

PAGE = Dashboard(
    "dandelion-model",
    "Model",
    "What serves, how right it is, and how sure.",
    [
        Row(
            "What serves",
            [
                Panel(
                    "Version timeline",
                    "Which version each process serves, and since when.",
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
                    "Since it was trained; after 30 days it counts as stale. The bundled starter does not say.",
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
                    "Looks at the alias",
                    "How often processes asked which model to serve, by outcome.",
                    "ops",
                    [Query(f"sum by (outcome) (rate(model_reloads_total{{{IN}}}[{RATE}]))", "{{outcome}}")],
                    "ModelReloadFailing",
                    span=6,
                ),
            ],
        ),
        Row(
            "How right it is",
            [
                Panel(
                    "Accuracy with its 95 % interval",
                    "Share of right answers among those labelled within the window; 90 % is the least.",
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
                    "Labels behind it",
                    "How many labels each accuracy rests on; below 50 no alert is raised.",
                    "short",
                    [Query(f"max by (window) (model_accuracy_samples{{{LIVE}}})", "{{window}}")],
                    "ModelAccuracyDrop",
                    span=6,
                ),
                Panel(
                    "Calibration error",
                    "Mean distance of confidence from accuracy; below 5 % the confidence means what it says.",
                    "percentunit",
                    [Query(f"max by (window) (model_calibration_error{{{LIVE}}})", "{{window}}")],
                    "ModelAccuracyDrop",
                    span=6,
                ),
                Panel(
                    "Labels given",
                    "By what they made of the answer.",
                    "ops",
                    [Query(f"sum by (verdict) (rate(feedback_total{{{IN}}}[{RATE}]))", "{{verdict}}")],
                    "ModelAccuracyDrop",
                    span=12,
                ),
                Panel(
                    "How late labels come",
                    "Half and nine tenths of labels come within so long of their answer.",
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
            "What it answers",
            [
                Panel(
                    "Classes",
                    "Share of each class among the answers.",
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
                    "Answers by confidence; a band that moves down means that the model is less sure.",
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
                    "Share of photos that resemble nothing the model was trained on; 5 % is normal, 20 % raises an alert.",
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
