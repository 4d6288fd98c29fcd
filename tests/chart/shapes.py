"""What the schema of the values takes from others: Kubernetes' own objects, and the settings of the programs.

An unknown key of a toleration or a setting that does not exist is then an error of `helm install`, not of a pod.
"""

from __future__ import annotations

import functools
import json
from typing import Any

from dandelion.settings import variables
from tests.servers.tools.go import module_folder
from tests.servers.tools.schemas import KUBERNETES

Schema = dict[str, Any]

_CORE = "io.k8s.api.core.v1."
_QUANTITY: Schema = {"type": ["string", "number"]}
# A resource without a slash is Kubernetes' own.
_RESOURCES: Schema = {
    "type": "object",
    "patternProperties": {"^(cpu|memory|ephemeral-storage|hugepages-.+|.+/.+)$": _QUANTITY},
    "additionalProperties": False,
}
_OPEN: dict[str, Schema] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": _QUANTITY,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
}
# Objects by the name of their value: the definition, and how many levels of it are written out.
_OBJECTS = {
    "affinity": (f"{_CORE}Affinity", 2),
    "containerSecurityContext": (f"{_CORE}SecurityContext", 2),
    "dnsConfig": (f"{_CORE}PodDNSConfig", 2),
    "securityContext": (f"{_CORE}PodSecurityContext", 2),
}
_LISTS = {
    "env": (f"{_CORE}EnvVar", 1),
    "envFrom": (f"{_CORE}EnvFromSource", 2),
    "hostAliases": (f"{_CORE}HostAlias", 1),
    "ingressFrom": ("io.k8s.api.networking.v1.NetworkPolicyPeer", 2),
    "initContainers": (f"{_CORE}Container", 1),
    "sidecars": (f"{_CORE}Container", 1),
    "tolerations": (f"{_CORE}Toleration", 1),
    "topologySpreadConstraints": (f"{_CORE}TopologySpreadConstraint", 1),
    "volumeMounts": (f"{_CORE}VolumeMount", 1),
    "volumes": (f"{_CORE}Volume", 1),
}
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_TEXT: Schema = {"type": "string"}
_NUMBER_OR_TEXT: Schema = {"type": ["string", "number", "boolean"]}
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_LABELS: Schema = {
    "additionalProperties": {
        "type": "string",
        "maxLength": 63,
        "pattern": "^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$",
    }
}
# What Kubernetes' own definition says in words alone.
_TOLERATION = {
    "effect": {"enum": ["", "NoSchedule", "PreferNoSchedule", "NoExecute"]},
    "operator": {"enum": ["", "Exists", "Equal", "Lt", "Gt"]},
}
# Values of the same shape in all parts.
_SHARED = ("pod", "settings")
# Gateway API's ParentReference.
_PARENT = dict.fromkeys(("group", "kind", "namespace", "name", "sectionName"), _TEXT) | {"port": _PORT}


def shape(schema: Schema) -> None:
    """Give each value that is another's object the shape which that other knows; `schema` is changed in place."""
    for name, inner in schema.get("properties", {}).items():
        if name in _SHARED and not inner.get("properties"):
            # `shared` says where its shape stands.
            inner["additionalProperties"] = True
        elif name in _OBJECTS:
            inner.update(_object(*_OBJECTS[name]))
        elif name in _LISTS:
            inner["items"] = _object(*_LISTS[name])
            if name == "tolerations":
                inner["items"]["properties"].update(_TOLERATION)
        elif (special := _special(name)) is not None:
            inner.update(special)
        elif name == "imagePullSecrets":
            # The stack takes plain names, too.
            inner["items"] = {"oneOf": [_TEXT, _of({"name": _TEXT}, "name")]}
        elif name == "parentRefs":
            inner["items"] = _of(_PARENT, "name")
        elif inner.get("items", {}).get("type") == "object":
            inner["items"] = {"type": "object"}
        else:
            shape(inner)


def shared(schema: Schema) -> Schema:
    """References to `$defs` for the values of a part that have the same shape in all parts; empty without any.

    Helm checks the values of the parts by the schema of the whole as well. So these shapes stand there once: copies
    in the parts made every command of Helm twice as slow.
    """
    found = {}
    for name, inner in schema.get("properties", {}).items():
        if name in _SHARED and not inner.get("properties"):
            found[name] = {"$ref": f"#/$defs/{name}"}
        elif below := shared(inner):
            found[name] = below
    return {"type": "object", "properties": found} if found else {}


def settings() -> Schema:
    """The settings of the programs: their names, and values that a variable of the environment can have."""
    names = dict.fromkeys(sorted(variables()), True)
    values = {"additionalProperties": _NUMBER_OR_TEXT}
    return {"type": "object", "allOf": [values], "properties": names, "additionalProperties": False}


def _special(name: str) -> Schema | None:
    if name == "resources" or name.endswith("Resources"):
        return _of({"requests": _RESOURCES, "limits": _RESOURCES, "claims": {"type": "array"}})
    if name in {"cpu", "memory", "storage", "size", "workspace"}:
        return _QUANTITY
    if name.endswith("Ports") or name == "ports":
        return {"items": _PORT}
    if name in {"nodeSelector", "labels", "annotations"}:
        return {"additionalProperties": _TEXT} if name == "annotations" else _LABELS
    if name == "probes":
        return _of(dict.fromkeys(("startup", "readiness", "liveness"), _object(f"{_CORE}Probe", 1)))
    return None


def _of(properties: dict[str, Schema], *required: str) -> Schema:
    made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**made, "required": list(required)} if required else made


@functools.cache
def _definitions() -> dict[str, Schema]:
    source = module_folder("k8s.io/kubernetes", f"v{KUBERNETES[-1]}") / "api" / "openapi-spec" / "swagger.json"
    found: dict[str, Schema] = json.loads(source.read_text())["definitions"]
    return found


def _object(name: str, levels: int) -> Schema:
    """A definition of Kubernetes; below so many levels any object will do."""
    if name in _OPEN:
        return _OPEN[name]
    definition = _definitions()[name]
    if "properties" not in definition:
        return {"type": definition["type"]} if "type" in definition else {}
    if not levels:
        return {"type": "object"}
    properties = {key: _field(field, levels - 1) for key, field in sorted(definition["properties"].items())}
    return _of(properties, *definition.get("required", ()))


def _field(field: Schema, levels: int) -> Schema:
    if "$ref" in field:
        return _object(field["$ref"].rpartition("/")[2], levels)
    made = {"type": field["type"]}
    for key in ("items", "additionalProperties"):
        if key in field:
            made[key] = _field(field[key], levels)
    return made
