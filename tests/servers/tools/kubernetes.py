"""The programs of a Kubernetes node, all of one version, and what a real node needs beside them."""

from __future__ import annotations

from pathlib import Path

from tests.servers.tools.go import GoProgram

VERSION = "1.34.10"
PROGRAMS = ("kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
# kubernetes redirects these to its own folders, which exist in its repository only.
STAGING = (
    *("api", "apiextensions-apiserver", "apimachinery", "apiserver", "cli-runtime", "client-go", "cloud-provider"),
    *("cluster-bootstrap", "code-generator", "component-base", "component-helpers", "controller-manager", "cri-api"),
    *("cri-client", "csi-translation-lib", "dynamic-resource-allocation", "endpointslice", "externaljwt", "kms"),
    *("kube-aggregator", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet", "metrics"),
    *("mount-utils", "pod-security-admission", "sample-apiserver", "sample-cli-plugin", "sample-controller"),
)
NETPOL_SOURCE = Path(__file__).parents[2] / "cluster" / "netpol" / "main.go"


def _of_kubernetes(name: str) -> GoProgram:
    minor = VERSION.removeprefix("1.")
    told = {"gitVersion": f"v{VERSION}", "gitMajor": "1", "gitMinor": minor.split(".")[0], "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return GoProgram(
        *(name, f"k8s.io/kubernetes/cmd/{name}", f"v{VERSION}"),
        module="k8s.io/kubernetes",
        replace={f"k8s.io/{each}": f"k8s.io/{each} v0.{minor}" for each in STAGING},
        flags=" ".join(f"-X {package}.{key}={value}" for package in packages for key, value in told.items()),
        ask=None,
    )


KUBERNETES = {name: _of_kubernetes(name) for name in PROGRAMS}
ETCD = GoProgram("etcd", "go.etcd.io/etcd/server/v3", "v3.6.14", module="go.etcd.io/etcd/server/v3", ask=("--version",))
COREDNS = GoProgram("coredns", "github.com/coredns/coredns", "v1.14.7", ask=None)
METRICS_SERVER = GoProgram("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server", "v0.9.0", ask=None)
NETPOL = GoProgram(
    "netpol", "", "v1.6.1", module="github.com/cloudnativelabs/kube-router", source=NETPOL_SOURCE, ask=None
)
KWOK = GoProgram("kwok", "sigs.k8s.io/kwok/cmd/kwok", "v0.8.0", ask=("--version",))
CONTOUR = GoProgram("contour", "github.com/projectcontour/contour/cmd/contour", "v1.33.6", ask=None)
