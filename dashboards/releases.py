"""*Retraining and releases*: runs, decisions, and the canary compared with the stable track."""

from __future__ import annotations

from dashboards.panels import Dashboard, Panel, Query, Row
from dashboards.service import IN, NAMESPACE, PREDICT_ROUTES, RATE, quantile

BOTH = f'{IN}, track=~"stable|canary"'

PAGE = Dashboard(
    "dandelion-releases",
    "Retraining and releases",
    "Runs, decisions, and the canary compared with the stable track.",
    [
        Row(
            "Retraining",
            [
                Panel(
                    "Since the last retraining",
                    "Time since a retraining last completed; it runs daily.",
                    "s",
                    [Query(f"time() - max(retraining_last_success_timestamp_seconds{{{IN}}})", "ago")],
                    "RetrainingOverdue",
                    "number",
                    6,
                    limit=2 * 86400,
                ),
                Panel(
                    "Duration",
                    "Duration of the last retraining.",
                    "s",
                    [Query(f"max(retraining_last_duration_seconds{{{IN}}})", "duration")],
                    "RetrainingFailed",
                    "number",
                    6,
                ),
                Panel(
                    "Runs and decisions",
                    "Finished retrainings by outcome and decision.",
                    "short",
                    [
                        Query(
                            f"max by (outcome, decision) (retraining_runs_total{{{IN}}})",
                            "{{outcome}} {{decision}}",
                        )
                    ],
                    "RetrainingFailed",
                    span=12,
                ),
            ],
        ),
        Row(
            "Releases",
            [
                Panel(
                    "Releases by state",
                    "All releases so far.",
                    "short",
                    [Query(f"max by (state) (model_releases_total{{{IN}}})", "{{state}}")],
                    "CanaryWorse",
                    span=12,
                ),
                Panel(
                    "Traffic by track and version",
                    "Photos per second by track and version.",
                    "ops",
                    [
                        Query(
                            f"sum by (track, version) (rate(predictions_total{{{BOTH}}}[{RATE}]))",
                            "{{track}} {{version}}",
                        )
                    ],
                    "CanaryWorse",
                    "stack",
                    12,
                ),
                Panel(
                    "Error ratio, canary and stable",
                    "Share of requests for predictions with a server error.",
                    "percentunit",
                    [
                        Query(
                            f'(sum by (track) (rate(http_requests_total{{{BOTH}, {PREDICT_ROUTES}, status=~"5.."}}[{RATE}])) '
                            f"or 0 * sum by (track) (rate(http_requests_total{{{BOTH}, {PREDICT_ROUTES}}}[{RATE}]))) "
                            f"/ sum by (track) (rate(http_requests_total{{{BOTH}, {PREDICT_ROUTES}}}[{RATE}]))",
                            "{{track}}",
                        )
                    ],
                    "CanaryWorse",
                ),
                Panel(
                    "95th percentile, canary and stable",
                    "Duration of predictions.",
                    "s",
                    [Query(quantile(0.95, "prediction_duration_seconds", BOTH, ", track"), "{{track}}")],
                    "CanaryWorse",
                ),
                Panel(
                    "Accuracy, canary and stable",
                    "Live accuracy of the version on each track, 24 h.",
                    "percentunit",
                    [
                        Query(
                            f'max by (track, version) (model_accuracy{{{IN}, window="24h"}} '
                            f"* on (job, instance) group_left (track, version) model_info{{{BOTH}}})",
                            "{{track}} {{version}}",
                        )
                    ],
                    "CanaryWorse",
                    limit=0.9,
                    top=1,
                ),
            ],
        ),
        Row(
            "Backups",
            [
                Panel(
                    "Since the last backup",
                    "Time since the last successful backup; the limit is 26 hours.",
                    "s",
                    [
                        Query(f"time() - max(backup_last_success_timestamp_seconds{{{IN}}})", "flow"),
                        Query(
                            "time() - max by (cronjob) "
                            f'(kube_cronjob_status_last_successful_time{{{NAMESPACE}, cronjob=~"$release-backup-.*"}})',
                            "{{cronjob}}",
                        ),
                    ],
                    "BackupTooOld",
                    span=12,
                    limit=26 * 3600,
                ),
                Panel(
                    "Backups by outcome",
                    "All backups so far.",
                    "short",
                    [Query(f"max by (outcome) (backup_runs_total{{{IN}}})", "{{outcome}}")],
                    "BackupTooOld",
                    span=12,
                ),
            ],
        ),
    ],
    since="now-7d",
)
