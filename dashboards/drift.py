"""*Drift*: whether photos still look like those of training."""

from __future__ import annotations

from dashboards.panels import Dashboard, Panel, Query, Row
from dashboards.service import IN, RATE

VERSION = f'{IN}, version=~"$version"'

PAGE = Dashboard(
    "dandelion-drift",
    "Drift",
    "Whether photos still look like those that the model was trained on.",
    [
        Row(
            "Over all processes",
            [
                Panel(
                    "Farthest feature",
                    "The largest score that hourly monitoring found last; from 1 on photos have drifted.",
                    "short",
                    [Query(f"max(drift_merged_score{{{VERSION}}})", "score")],
                    "DataDrift",
                    "number",
                    6,
                    limit=1,
                ),
                Panel(
                    "Last monitoring run",
                    "How long ago hourly monitoring ran over all processes; over two hours means that it stopped.",
                    "s",
                    [Query(f"time() - max(drift_merged_timestamp_seconds{{{IN}}})", "ago")],
                    "monitoring",
                    "number",
                    6,
                    limit=7200,
                ),
                Panel(
                    "Score by feature",
                    "How far each feature is from training, over the photos of all processes, in thresholds.",
                    "short",
                    [Query(f"max by (feature) (drift_merged_score{{{VERSION}}})", "{{feature}}")],
                    "DataDrift",
                    span=12,
                    limit=1,
                ),
            ],
        ),
        Row(
            "Process by process",
            [
                Panel(
                    "What photos look like",
                    "Brightness, contrast, sharpness, colours and size of the last photos of each process, the farthest one.",
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
                    "What the model makes of them",
                    "Embedding, confidence and class mix of the last photos of each process, the farthest one.",
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
                    "One process alone means that one source of photos changed, all of them that the world did.",
                    "short",
                    [Query(f"max by (instance) (drift_score{{{VERSION}}})", "{{instance}}")],
                    "DataDrift",
                    limit=1,
                ),
                Panel(
                    "Photos looked at",
                    "Photos a second that are compared; under load it is a sample.",
                    "ops",
                    [Query(f"sum(rate(watch_photos_total{{{IN}}}[{RATE}]))", "photos/s")],
                    "DataDrift",
                ),
                Panel(
                    "Photos in a window",
                    "How many photos each process's scores rest on; 0 until its first window is full.",
                    "short",
                    [Query(f"drift_window_photos{{{IN}}}", "{{instance}}")],
                    "DataDrift",
                ),
            ],
        ),
    ],
    since="now-7d",
)
