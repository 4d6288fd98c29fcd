"""JSON schemas of Kubernetes' resources, and of those that others add, as kubeconform reads them.

Strict as `openapi2jsonschema --strict` makes them: a field that Kubernetes does not know is an error.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.servers.tools.charts import OPERATOR, OPERATOR_VERSION
from tests.servers.tools.go import module_folder
from tests.servers.tools.install import CACHE

Schema = dict[str, Any]

# The oldest and the newest that the chart supports.
KUBERNETES = ("1.33.13", "1.36.3")
# Modules that define resources of their own, and where in them.
DEFINITIONS = {
    OPERATOR: (OPERATOR_VERSION, "example/prometheus-operator-crd/*.yaml"),
    "sigs.k8s.io/gateway-api": ("v1.6.3", "config/crd/standard/gateway*.yaml"),
}
_HOME = CACHE / f"schemas-{'-'.join(KUBERNETES)}-{'-'.join(version for version, _ in DEFINITIONS.values())}"
_EITHER: Schema = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
_KINDS = "x-kubernetes-group-version-kind"


class _Loader(yaml.CSafeLoader):
    """Reads a plain `=` as itself, which YAML 1.1 had other plans for."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda _, node: str(node.value))


def schemas() -> Path:
    """The folder of all schemas, made once."""
    if not _HOME.is_dir():
        fresh = CACHE / "schemas.unfinished"
        shutil.rmtree(fresh, ignore_errors=True)
        for version in KUBERNETES:
            _write_kubernetes(version, fresh / f"v{version}-standalone-strict")
        for definition in definitions():
            _write_definition(definition, fresh / "crds")
        fresh.rename(_HOME)
    return _HOME


def definitions() -> Iterator[Schema]:
    """The resources that others add, as a cluster is told of them."""
    for module, (version, pattern) in DEFINITIONS.items():
        for file in sorted(module_folder(module, version).glob(pattern)):
            for document in yaml.load_all(file.read_text(), _Loader):
                if document and document["kind"] == "CustomResourceDefinition":
                    yield document


def schema_options(version: str) -> list[str]:
    """What kubeconform is told, so that it validates strictly against one of `KUBERNETES`, and fetches nothing."""
    places = (
        "{{.NormalizedKubernetesVersion}}-standalone{{.StrictSuffix}}/{{.ResourceKind}}{{.KindSuffix}}.json",
        "crds/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json",
    )
    locations = [word for place in places for word in ("-schema-location", f"{schemas()}/{place}")]
    return ["-strict", "-kubernetes-version", version, *locations]


def _write_kubernetes(version: str, folder: Path) -> None:
    source = module_folder("k8s.io/kubernetes", f"v{version}") / "api" / "openapi-spec" / "swagger.json"
    definitions: dict[str, Schema] = json.loads(source.read_text())["definitions"]
    strict = {name: _strict(each) for name, each in definitions.items()}
    strict["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = _EITHER
    strict["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {"oneOf": [{"type": "string"}, {"type": "number"}]}
    folder.mkdir(parents=True)
    for name, definition in definitions.items():
        # What has several is a part of other resources, such as the options of a deletion.
        if len(kinds := definition.get(_KINDS, [])) == 1:
            kind = kinds[0]
            group = f"{kind['group'].partition('.')[0]}-" if kind["group"] else ""
            root = {**strict[name], "definitions": {each: strict[each] for each in _reached(name, strict) - {name}}}
            api = f"{kind['group']}/{kind['version']}".removeprefix("/")
            root["properties"] = {**root.get("properties", {}), "apiVersion": _only(api), "kind": _only(kind["kind"])}
            path = folder / f"{kind['kind'].lower()}-{group}{kind['version']}.json"
            path.write_text(json.dumps(root))


def _write_definition(definition: Schema, folder: Path) -> None:
    spec = definition["spec"]
    for version in spec["versions"]:
        path = folder / spec["group"] / f"{spec['names']['kind'].lower()}_{version['name']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_strict(version["schema"]["openAPIV3Schema"])))


def _strict(schema: Schema) -> Schema:
    """The same, refusing unknown fields, and taking null where a field may be left out, as the API server does."""
    if schema.get("x-kubernetes-int-or-string"):
        return _EITHER
    made = {key: value for key, value in schema.items() if not key.startswith("x-") and key != "nullable"}
    if "$ref" in made:
        return {"$ref": made["$ref"]}
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _strict(made[key])
    for key in ("oneOf", "anyOf", "allOf"):
        if key in made:
            # Parts of a whole: only the whole knows which fields there are.
            made[key] = [{name: part[name] for name in part if not name.startswith("x-")} for part in made[key]]
    if "properties" in made:
        required = made.get("required", [])
        made["properties"] = {
            name: _strict(each) if name in required else _or_null(_strict(each))
            for name, each in made["properties"].items()
        }
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    return _or_null(made) if schema.get("nullable") else made


def _or_null(schema: Schema) -> Schema:
    kind = schema.get("type")
    if isinstance(kind, str):
        made = {**schema, "type": [kind, "null"]}
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
        return made
    return schema


def _only(value: str) -> Schema:
    return {"type": "string", "enum": [value]}


def _reached(name: str, definitions: dict[str, Schema]) -> set[str]:
    """The definitions that one needs."""
    found, waiting = set[str](), [name]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += _references(definitions[current])
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(reference := value.get("$ref"), str):
            yield reference.rpartition("/")[2]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _references(each)
