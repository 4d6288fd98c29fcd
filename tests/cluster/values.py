"""The values of the release that all tests of this folder look at, and what these values name."""

from __future__ import annotations

import sysconfig

from tests.cluster import monitoring
from tests.cluster.clients import Kubectl
from tests.cluster.release import HOLDS_RELEASE

NAMESPACE = "dandelion"
HOST = "api.example.com"
GRPC_HOST = "grpc.example.com"
# What pods of others bear that may reach the API.
REACHES_API = {"reaches": "api"}
LIBRARIES = "/libraries"

VALUES = {
    # All photos are kept, so that each can be looked for; the database's part is backed up.
    "api.settings.DANDELION_JOURNAL__PHOTOS": "all",
    "api.settings.DANDELION_MODEL__POLL_SECONDS": "2",
    "api.autoscaling.minReplicas": "2",
    "backups.enabled": "true",
    "mysql.binlogs.every": "15m",
    "quota.enabled": "false",
    # Six pods of three tracks stand side by side on two cores.
    "api.resources.requests.cpu": "150m",
    "gateway.enabled": "true",
    "gateway.parentRefs[0].name": "gateway",
    "gateway.parentRefs[0].namespace": "projectcontour",
    "gateway.apiHost": HOST,
    "gateway.grpcHost": GRPC_HOST,
    "api.grpc.enabled": "true",
    # For pods of others. To policies the Gateway is the node, which they always let in, so this list need not name it.
    # The rule that stands where there is no list is tested in tests/chart/test_policies.py.
    **{f"networkPolicy.ingressFrom[0].podSelector.matchLabels.{name}": is_ for name, is_ in REACHES_API.items()},
    # Policies let Prometheus in from the namespace that is named alone.
    "global.monitoring.enabled": "true",
    "global.monitoring.namespaces[0]": monitoring.NAMESPACE,
    "mysql.metrics.enabled": "true",
    # The worker's image holds no torch here: PyPI's brings 5 GB. A claim lends the libraries of the tests.
    "prefect.flowRun.pod.volumes[0].name": "libraries",
    "prefect.flowRun.pod.volumes[0].persistentVolumeClaim.claimName": "libraries",
    "prefect.flowRun.pod.volumeMounts[0].name": "libraries",
    "prefect.flowRun.pod.volumeMounts[0].mountPath": LIBRARIES,
    "prefect.flowRun.pod.volumeMounts[0].readOnly": "true",
    "prefect.flowRun.pod.env[0].name": "PYTHONPATH",
    "prefect.flowRun.pod.env[0].value": LIBRARIES,
    # Few photos and a short recipe: what matters is where it runs, and that a candidate comes into service.
    "prefect.flowRun.settings.DANDELION_RETRAINING__EPOCHS": "1",
    "prefect.flowRun.settings.DANDELION_RETRAINING__IMAGE_SIZE": "96",
    "prefect.flowRun.settings.DANDELION_RELEASE__MIN_PHOTOS": "5",
    "prefect.flowRun.settings.DANDELION_RELEASE__MARGIN": "1",
    "prefect.flowRun.settings.DANDELION_RELEASE__CLASS_MARGIN": "1",
    "prefect.flowRun.settings.DANDELION_RELEASE__MAX_ECE": "1",
    "prefect.flowRun.settings.DANDELION_RELEASE__MAX_LATENCY_MS": "10000",
    "prefect.flowRun.settings.DANDELION_RELEASE__MIN_AGREEMENT": "0.5",
}


def lend_libraries(kubectl: Kubectl, namespace: str) -> None:
    """A claim of a volume that is this environment's libraries, to read."""
    claim = {"namespace": namespace, "name": "libraries"}
    name = f"libraries-of-{namespace}"
    shared = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
    path = {"path": sysconfig.get_path("purelib"), "type": "Directory"}
    volume = {**shared, "capacity": {"storage": "20Gi"}, "hostPath": path, "claimRef": claim}
    asked = {**shared, "volumeName": name, "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": name, "labels": HOLDS_RELEASE}
    kubectl.apply(
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": volume},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": claim, "spec": asked},
    )
