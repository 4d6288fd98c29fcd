"""What OpenShift's admission does to pods under the constraint `restricted-v2`, by policies of Kubernetes.

A pod that names no user gets the first id of its namespace's range, and its volumes the group of the same number. A pod
that names one outside the range is refused.
"""

from __future__ import annotations

from typing import Any

from tests.cluster.clients import Kubectl

NAME = "restricted-v2"
FIRST_UID = 1_000_660_000
_UIDS = 10_000
CONSTRAINED = {"tests/constraint": NAME}
_PODS = {
    "namespaceSelector": {"matchLabels": CONSTRAINED},
    "resourceRules": [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "*"}
    ],
}


def _lies_outside(context: str, field: str) -> str:
    value = f"{context}.{field}"
    return f"has({context}.{field}) && ({value} < {FIRST_UID} || {value} >= {FIRST_UID + _UIDS})"


def _fill(field: str) -> dict[str, Any]:
    """A policy that gives pods a value which they leave out."""
    name = f"{NAME}-{field.lower()}"
    unset = f"!has(object.spec.securityContext) || !has(object.spec.securityContext.{field})"
    filled = f"Object{{spec: Object.spec{{securityContext: Object.spec.securityContext{{{field}: {FIRST_UID}}}}}}}"
    return {
        "apiVersion": "admissionregistration.k8s.io/v1beta1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": _PODS,
            "matchConditions": [{"name": "unset", "expression": unset}],
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": filled}}],
        },
    }


def _refuse() -> dict[str, Any]:
    """The policy that refuses others' ids."""
    pod = "object.spec.securityContext"
    rules = {f"{field} of the pod": f"!({_lies_outside(pod, field)})" for field in ("runAsUser", "fsGroup")}
    for kind in ("containers", "initContainers"):
        outside = _lies_outside("each.securityContext", "runAsUser")
        ours = f"object.spec.{kind}.all(each, !(has(each.securityContext) && {outside}))"
        rules[f"runAsUser of {kind}"] = f"!has(object.spec.{kind}) || {ours}"
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": NAME},
        "spec": {
            "matchConstraints": _PODS,
            "failurePolicy": "Fail",
            "validations": [
                {"expression": rule, "message": f"{what} lies outside the namespace's range"}
                for what, rule in rules.items()
            ],
        },
    }


def _binding(policy: dict[str, Any]) -> dict[str, Any]:
    name = policy["metadata"]["name"]
    spec: dict[str, Any] = {"policyName": name}
    if policy["kind"] == "ValidatingAdmissionPolicy":
        spec["validationActions"] = ["Deny"]
    kind = f"{policy['kind']}Binding"
    return {"apiVersion": policy["apiVersion"], "kind": kind, "metadata": {"name": name}, "spec": spec}


def constrain(kubectl: Kubectl) -> None:
    """Have the policies; they take hold of namespaces that are labelled `CONSTRAINED`."""
    policies = [_fill("runAsUser"), _fill("fsGroup"), _refuse()]
    kubectl.apply(*policies, *map(_binding, policies))


def release(kubectl: Kubectl) -> None:
    """Take the policies away."""
    for kind in ("mutatingadmissionpolicy", "validatingadmissionpolicy"):
        kubectl("delete", f"{kind}binding,{kind}", "--all", "--ignore-not-found")
