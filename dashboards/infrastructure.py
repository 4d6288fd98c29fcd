"""*Platform*: the infrastructure below the service."""

from __future__ import annotations

from dashboards.panels import Dashboard, Panel, Query, Row
from dashboards.service import CLAIMS, IN, NAMESPACE, PODS, RATE

CONTAINERS = f'{PODS}, container!="", container!="POD"'

PAGE = Dashboard(
    "dandelion-platform",
    "Platform",
    "The infrastructure below the service: database, object store, MLflow, Prefect, volumes, pods, nodes.",
    [
        Row(
            "Database",
            [
                Panel(
                    "MySQL up",
                    "1 while the exporter can connect.",
                    "short",
                    [Query(f"min by (instance) (mysql_up{{{IN}}})", "{{instance}}")],
                    "DatabaseDown",
                    "number",
                    6,
                ),
                Panel(
                    "Queries",
                    "Queries per second.",
                    "ops",
                    [Query(f"sum by (instance) (rate(mysql_global_status_queries{{{IN}}}[{RATE}]))", "{{instance}}")],
                    "DatabaseDown",
                    span=6,
                ),
                Panel(
                    "Connections",
                    "Open connections and their limit.",
                    "short",
                    [
                        Query(f"max(mysql_global_status_threads_connected{{{IN}}})", "open"),
                        Query(f"max(mysql_global_variables_max_connections{{{IN}}})", "limit"),
                    ],
                    "DatabaseDown",
                    span=6,
                ),
                Panel(
                    "Slow queries",
                    "Queries that took longer than long_query_time.",
                    "ops",
                    [Query(f"sum(rate(mysql_global_status_slow_queries{{{IN}}}[{RATE}]))", "slow")],
                    "JournalBacklog",
                    span=6,
                ),
            ],
        ),
        Row(
            "Object store",
            [
                Panel(
                    "Capacity",
                    "Usable and free bytes of MinIO's volumes.",
                    "bytes",
                    [
                        Query(f"sum(minio_cluster_capacity_usable_total_bytes{{{IN}}})", "usable"),
                        Query(f"sum(minio_cluster_capacity_usable_free_bytes{{{IN}}})", "free"),
                    ],
                    "VolumeFilling",
                ),
                Panel(
                    "Buckets",
                    "Bytes by bucket.",
                    "bytes",
                    [Query(f"max by (bucket) (minio_bucket_usage_total_bytes{{{IN}}})", "{{bucket}}")],
                    "VolumeFilling",
                ),
                Panel(
                    "Requests",
                    "S3 requests per second by call, and failed requests.",
                    "reqps",
                    [
                        Query(f"sum by (api) (rate(minio_s3_requests_total{{{IN}}}[{RATE}]))", "{{api}}"),
                        Query(f"sum(rate(minio_s3_requests_errors_total{{{IN}}}[{RATE}]))", "failed"),
                    ],
                    "JournalBacklog",
                ),
            ],
        ),
        Row(
            "MLflow and Prefect",
            [
                Panel(
                    "Targets up",
                    "All targets that Prometheus scrapes: 1 means up.",
                    "short",
                    [Query(f"min by (job) (up{{{IN}}})", "{{job}}")],
                    "APIDown",
                    "states",
                    12,
                ),
                Panel(
                    "MLflow requests",
                    "Requests to MLflow by status, if its exporter is enabled.",
                    "reqps",
                    [Query(f"sum by (status) (rate(mlflow_http_request_total{{{IN}}}[{RATE}]))", "{{status}}")],
                    "ModelReloadFailing",
                    span=6,
                ),
                Panel(
                    "Prefect server",
                    "Cores that its process uses.",
                    "short",
                    [
                        Query(
                            f'sum by (instance) (rate(process_cpu_seconds_total{{job=~"prefect.*", {IN}}}[{RATE}]))',
                            "{{instance}}",
                        )
                    ],
                    "RetrainingOverdue",
                    span=6,
                ),
            ],
        ),
        Row(
            "Volumes and pods",
            [
                Panel(
                    "Volumes",
                    "Free share of each volume. Below 10 %, an alert fires.",
                    "percentunit",
                    [
                        Query(
                            f"kubelet_volume_stats_available_bytes{{{CLAIMS}}} / kubelet_volume_stats_capacity_bytes{{{CLAIMS}}}",
                            "{{persistentvolumeclaim}}",
                        )
                    ],
                    "VolumeFilling",
                    top=1,
                ),
                Panel(
                    "Restarts",
                    "Container restarts within the last hour.",
                    "short",
                    [
                        Query(
                            "sum by (pod, container) "
                            f"(increase(kube_pod_container_status_restarts_total{{{PODS}}}[1h])) > 0",
                            "{{pod}} {{container}}",
                        )
                    ],
                    "PodRestarting",
                ),
                Panel(
                    "Certificates",
                    "Time until each certificate expires.",
                    "s",
                    [
                        Query(
                            f"min by (name) (certmanager_certificate_expiration_timestamp_seconds{{{NAMESPACE}}}) - time()",
                            "{{name}}",
                        )
                    ],
                    "CertificateExpiring",
                ),
                Panel(
                    "Processor by container",
                    "Cores used.",
                    "short",
                    [
                        Query(
                            f"sum by (pod, container) (rate(container_cpu_usage_seconds_total{{{CONTAINERS}}}[{RATE}]))",
                            "{{pod}} {{container}}",
                        )
                    ],
                    "PodRestarting",
                    span=12,
                ),
                Panel(
                    "Memory by container",
                    "Working set. A container that reaches its limit is killed.",
                    "bytes",
                    [
                        Query(
                            f"sum by (pod, container) (container_memory_working_set_bytes{{{CONTAINERS}}})",
                            "{{pod}} {{container}}",
                        )
                    ],
                    "PodRestarting",
                    span=12,
                ),
            ],
        ),
        Row(
            "Nodes",
            [
                Panel(
                    "Processor",
                    "Busy share of each node's cores.",
                    "percentunit",
                    [
                        Query(
                            f'1 - avg by (instance) (rate(node_cpu_seconds_total{{mode="idle"}}[{RATE}]))',
                            "{{instance}}",
                        )
                    ],
                    "APIHighLatency",
                    span=6,
                    top=1,
                ),
                Panel(
                    "Memory",
                    "Used share of each node's memory.",
                    "percentunit",
                    [Query("1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", "{{instance}}")],
                    "PodRestarting",
                    span=6,
                    top=1,
                ),
                Panel(
                    "Disk",
                    "Used share of each file system.",
                    "percentunit",
                    [
                        Query(
                            '1 - node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs"} '
                            '/ node_filesystem_size_bytes{fstype!~"tmpfs|overlay|squashfs"}',
                            "{{instance}} {{mountpoint}}",
                        )
                    ],
                    "VolumeFilling",
                    span=6,
                    top=1,
                ),
                Panel(
                    "Network",
                    "Bytes per second in and out.",
                    "Bps",
                    [
                        Query(
                            f'sum by (instance) (rate(node_network_receive_bytes_total{{device!="lo"}}[{RATE}]))',
                            "{{instance}} in",
                        ),
                        Query(
                            f'sum by (instance) (rate(node_network_transmit_bytes_total{{device!="lo"}}[{RATE}]))',
                            "{{instance}} out",
                        ),
                    ],
                    "APIHighLatency",
                    span=6,
                ),
            ],
        ),
    ],
)
