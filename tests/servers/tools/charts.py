"""Programs for charts: what renders, checks and documents them."""

from __future__ import annotations

from tests.servers.tools.go import GoProgram

OPERATOR = "github.com/prometheus-operator/prometheus-operator"
# What the stack of Chart.yaml brings: look it up when that changes.
STACK_VERSION = "88.5.3"
OPERATOR_VERSION = "v0.93.1"

HELM = GoProgram("helm", "helm.sh/helm/v4/cmd/helm", "v4.2.4", ask=("version", "--short"))
# On PATH it is called helm too, so only another name can be told apart from Helm 4.
HELM3 = GoProgram(
    *("helm3", "helm.sh/helm/v3/cmd/helm", "v3.21.4"),
    # The releases are told so too; without, it renders for Kubernetes 1.20.
    flags=" ".join(f"-X helm.sh/helm/v3/pkg/{each}.k8sVersionMinor=36" for each in ("lint/rules", "chartutil")),
    ask=("version", "--short"),
)
HELM_UNITTEST = GoProgram(
    *("helm-unittest", "github.com/helm-unittest/helm-unittest/cmd/helm-unittest", "v1.1.2"),
    module="github.com/helm-unittest/helm-unittest",
    replace={"github.com/vmware-labs/yaml-jsonpath": "github.com/helm-unittest/yaml-jsonpath v0.4.0"},
)
KUBECONFORM = GoProgram("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", "v0.7.0", ask=("-v",))
KUBE_SCORE = GoProgram("kube-score", "github.com/zegl/kube-score/cmd/kube-score", "v1.20.0", ask=("version",))
HELM_DOCS = GoProgram("helm-docs", "github.com/norwoodj/helm-docs/cmd/helm-docs", "v1.14.2", ask=("--version",))
# `go install` also asks for the list of this module's versions, which not every proxy has.
_SCHEMA = "github.com/losisin/helm-values-schema-json/v2"
HELM_SCHEMA = GoProgram("helm-values-schema-json", _SCHEMA, "v2.3.1", module=_SCHEMA)


def _of_operator(name: str, package: str) -> GoProgram:
    apis = (f"{OPERATOR}/pkg/apis/monitoring", f"{OPERATOR}/pkg/client")
    replace = {each: f"{each} {OPERATOR_VERSION}" for each in apis}
    return GoProgram(name, f"{OPERATOR}/cmd/{package}", OPERATOR_VERSION, module=OPERATOR, replace=replace)


PROMETHEUS_OPERATOR = _of_operator("prometheus-operator", "operator")
CONFIG_RELOADER = _of_operator("prometheus-config-reloader", "prometheus-config-reloader")
