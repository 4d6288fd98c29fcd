"""Nodes that say of every pod that it runs, and run none (kwok): rollouts at any size in seconds."""

from __future__ import annotations

from typing import Any

from tests.cluster.clients import Kubectl
from tests.cluster.namespace import Namespace
from tests.servers import tools
from tests.servers.tools.go import module_folder
from tests.servers.tools.kubernetes import KWOK

COUNT = 3
# Those of ended tests are not given out again.
VOLUMES = 80
# What a node and a pod go through: all at once, and jobs come to their end.
STAGES = ("node/fast", "node/heartbeat-with-lease", "pod/fast")
ANNOTATION = "kwok.x-k8s.io/node"


def start_fake_nodes(namespace: Namespace, kubectl: Kubectl) -> None:
    """Start them beside a control plane that answers, with a storage class whose volumes need nobody."""
    source = module_folder("sigs.k8s.io/kwok", KWOK.version) / "kustomize" / "stage"
    stages = [f"--config={file}" for folder in STAGES for file in sorted(source.glob(f"{folder}/*-*.yaml"))]
    which = f"--manage-nodes-with-annotation-selector={ANNOTATION}=fake"
    lease = "--node-lease-duration-seconds=40"
    namespace.start("kwok", tools.find("kwok"), f"--kubeconfig={kubectl.kubeconfig}", *stages, which, lease)
    kubectl.apply(*(_node(f"fake-{number}") for number in range(COUNT)))
    ready = ("wait", "--for=condition=Ready", "--timeout=1s", "node", "--all")
    namespace.wait_for("kwok", lambda: kubectl.succeeds(*ready))
    kubectl.apply(_STORAGE_CLASS, *(_volume(number) for number in range(VOLUMES)))


_STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "kubernetes.io/no-provisioner",
    "allowVolumeExpansion": True,
    "volumeBindingMode": "WaitForFirstConsumer",
}


def _node(name: str) -> dict[str, Any]:
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    room = {"cpu": "32", "memory": "256Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {ANNOTATION: "fake"}},
        "status": {"allocatable": room, "capacity": room},
    }


def _volume(number: int) -> dict[str, Any]:
    spec = {
        "capacity": {"storage": "50Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "standard",
        "hostPath": {"path": f"/nowhere/{number}"},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"fake-{number}"}, "spec": spec}
