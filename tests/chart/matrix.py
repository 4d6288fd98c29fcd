"""The ways of installing the chart that every rule is held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.chart.chart import merged, nested

EXTERNAL_DATABASE = {
    "mysql": {"enabled": False},
    "global": {
        "externalDatabase": {
            "host": "db.example.com",
            "existingSecret": "db",
            "tls": {"enabled": True, "caSecret": "ca"},
        }
    },
}
EXTERNAL_S3 = {
    "minio": {"enabled": False},
    "global": {"externalS3": {"url": "https://s3.example.com", "bucketPrefix": "ours-", "existingSecret": "s3"}},
}
EXTERNAL_MLFLOW = {
    "mlflow": {"enabled": False},
    "global": {"externalMlflow": {"url": "http://mlflow.example.com:5000", "existingSecret": "mlflow"}},
}
EXTERNAL_PREFECT = {
    "prefect": {"server": {"enabled": False}},
    "global": {"externalPrefect": {"url": "https://prefect.example.com/api", "existingSecret": "prefect"}},
}
GATEWAY = {
    "gateway": {
        "enabled": True,
        "create": True,
        "className": "contour",
        "tlsSecret": "certificate",
        "apiHost": "api.example.com",
        "uiHost": "ui.example.com",
    }
}
MONITORED_ELSEWHERE = {
    "kube-prometheus-stack": {"enabled": False},
    "global": {"monitoring": {"namespaces": ["monitoring", "more-monitoring"]}},
}
GRPC = merged(nested("api.grpc.enabled", True), nested("gateway.grpcHost", "grpc.example.com"))
BACKUPS = {
    "backups": {
        "enabled": True,
        "mirror": {"url": "https://elsewhere.example.com", "existingSecret": "mirror"},
        "restore": {"id": "a", "dump": "mysql/2026-11-29T041500Z.sql.gz"},
    },
    "mysql": {"binlogs": {"every": "15m"}},
}


@dataclass(frozen=True)
class Case:
    """One way.

    Attributes:
        name: What a test calls it.
        values: Set over the files.
        files: Values files.
        release: Name of the release.
    """

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    release: str = "dandelion"


_HELD = {
    "global": {
        "existingSecrets": {"mysql": "my-mysql", "minio": "my-minio", "api": "my-api"},
        "mysqlTls": {"secret": "mysql-tls"},
        "imageRegistry": "registry.example.com",
        "imagePullSecrets": [{"name": "pull"}],
        "storageClass": "fast",
        "pod": {"priorityClassName": "high"},
    },
    "minio": {"encryption": {"existingSecret": "kms"}},
    "api": {"spool": {"existingClaim": "spool"}, "image": {"digest": f"sha256:{'0' * 64}"}},
    "mysql": {"metrics": {"enabled": True}, "binlogs": {"every": "1h"}},
}
_ACCESS = {
    "global": {
        "access": {"enabled": True, "jwksUrl": "https://idp.example.com/keys", "jwtAudience": "dandelion"},
    },
    "api": {
        "access": {
            "anonymousScopes": ["predict"],
            "trustedProxies": ["10.0.0.0/8"],
            "corsOrigins": ["https://example.com"],
        }
    },
}
_TLS = {"apiTlsSecret": "tls-a", "uiTlsSecret": "tls-u"}
_INGRESS = {"ingress": {"enabled": True, "apiHost": "a.example.com", "uiHost": "u.example.com", **_TLS}}
_ALERTS = {
    "global": {"access": {"enabled": True}},
    "alerts": {
        "slack": {"secret": "slack"},
        "email": {"secret": "mail"},
        "pagerduty": {"secret": "pager"},
        "hookSecret": "hook",
    },
}
_PREVIEW = {"gateway": {"previewHost": "next.example.com"}}
_GRPC_TLS = nested("api.grpc.tls", {"secret": "grpc-tls", "clientCaKey": "ca.crt"})

MATRIX = (
    Case("defaults"),
    *(Case(f"values/{name}", files=(name,)) for name in ("laptop", "production", "canary", "blue-green")),
    *(
        Case(f"without {part}", nested(f"{part}.enabled", False))
        for part in ("api", "ui", "prefect", "kube-prometheus-stack", "global.monitoring", "networkPolicy")
    ),
    Case("Prometheus elsewhere", MONITORED_ELSEWHERE),
    Case("no autoscaling", nested("api.autoscaling.enabled", False)),
    Case("external database", EXTERNAL_DATABASE),
    Case("external S3", EXTERNAL_S3),
    Case("external MLflow", EXTERNAL_MLFLOW),
    Case("external Prefect", EXTERNAL_PREFECT),
    Case("everything external", merged(EXTERNAL_DATABASE, EXTERNAL_S3, EXTERNAL_MLFLOW, EXTERNAL_PREFECT)),
    Case("gateway", GATEWAY),
    Case("canary behind a gateway", GATEWAY, files=("canary",)),
    Case("blue-green behind a gateway", merged(GATEWAY, _PREVIEW), files=("blue-green",)),
    Case("gRPC behind a gateway", merged(GATEWAY, GRPC), files=("canary",)),
    Case("gRPC with TLS", merged(nested("api.grpc.enabled", True), _GRPC_TLS), files=("blue-green",)),
    Case("coming from rolling", nested("api.release.blueGreen.activeSlot", "stable"), files=("blue-green",)),
    Case("ingress", _INGRESS),
    Case("backups", BACKUPS),
    Case("alerts", _ALERTS),
    Case("quota", nested("quota.enabled", True)),
    Case("access", _ACCESS),
    Case("what you hold already", _HELD),
    Case("a long name", BACKUPS, files=("canary",), release="a-release-name-of-fifty-three-characters-in-all-x-y-z"),
)
