"""*Drift*: whether photos still look like the training data."""

from __future__ import annotations

from dashboards.panels import Dashboard, Panel, Query, Row
from dashboards.service import IN, RATE

VERSION = f'{IN}, version=~"$version"'

PAGE = Dashboard(
    "dandelion-drift",
    "Drift",
    "Whether photos still look like the training data.",
    [
        Row(
            "All processes",
            [
                Panel(
                    "Farthest feature",
                    "The largest score of the last hourly monitoring run. Photos have drifted when it is 1 or more.",
                    "short",
                    [Query(f"max(drift_merged_score{{{VERSION}}})", "score")],
                    "DataDrift",
                    "number",
                    6,
                    limit=1,
                ),
                Panel(
                    "Last monitoring run",
                    "Time since hourly monitoring last ran. More than two hours means that it has stopped.",
                    "s",
                    [Query(f"time() - max(drift_merged_timestamp_seconds{{{IN}}})", "ago")],
                    "monitoring",
                    "number",
                    6,
                    limit=7200,
                ),
                Panel(
                    "Score by feature",
                    "Distance of each feature from the training data, for the photos of all processes, in thresholds.",
                    "short",
                    [Query(f"max by (feature) (drift_merged_score{{{VERSION}}})", "{{feature}}")],
                    "DataDrift",
                    span=12,
                    limit=1,
                ),
            ],
        ),
        Row(
            "Each process",
            [
                Panel(
                    "Features of the photos",
                    "Brightness, contrast, sharpness, colours and size of the last photos, for the process that drifted farthest.",
                    "short",
                    [
                        Query(
                            f'max by (feature) (drift_score{{{VERSION}, feature!~"embedding|confidence|classes"}})',
                            "{{feature}}",
                        )
                    ],
                    "DataDrift",
                    span=12,
                    limit=1,
                ),
                Panel(
                    "Features of the predictions",
                    "Embedding, confidence and class mix of the last photos, for the process that drifted farthest.",
                    "short",
                    [
                        Query(
                            f'max by (feature) (drift_score{{{VERSION}, feature=~"embedding|confidence|classes"}})',
                            "{{feature}}",
                        )
                    ],
                    "DataDrift",
                    span=12,
                    limit=1,
                ),
                Panel(
                    "Farthest feature by process",
                    "If one process drifts, one source of photos has changed. If all drift, the world has changed.",
                    "short",
                    [Query(f"max by (instance) (drift_score{{{VERSION}}})", "{{instance}}")],
                    "DataDrift",
                    limit=1,
                ),
                Panel(
                    "Monitored photos",
                    "Photos per second that are compared with the training data; a sample under load.",
                    "ops",
                    [Query(f"sum(rate(watch_photos_total{{{IN}}}[{RATE}]))", "photos/s")],
                    "DataDrift",
                ),
                Panel(
                    "Photos in the window",
                    "Number of photos behind each process's scores; 0 until its first window is full.",
                    "short",
                    [Query(f"drift_window_photos{{{IN}}}", "{{instance}}")],
                    "DataDrift",
                ),
            ],
        ),
    ],
    since="now-7d",
)
