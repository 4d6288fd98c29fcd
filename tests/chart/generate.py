"""Writes what follows from the values: schemas, the page, tables in the README and Chart.yaml, and Chart.lock.

python -m tests.chart.generate        # run it after a change of values.yaml or Chart.yaml; a test compares
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.chart.chart import PARTS, ROOT, read_yaml
from tests.chart.shapes import settings, shape, shared
from tests.servers import tools

CHARTS = {"": ROOT, **{part: ROOT / "charts" / part for part in PARTS}}
PAGE = ROOT / "docs" / "values.md"
LOCK = ROOT / "Chart.lock"
ABOUT = ROOT / "Chart.yaml"
CHANGELOG = ROOT / "CHANGELOG.md"
README = ROOT / "README.md"
# What the README lists of them.
COMMON = (
    *("global.access.enabled", "global.externalDatabase.host", "global.externalS3.url"),
    *("kube-prometheus-stack.enabled", "api.release.strategy", "gateway.enabled", "backups.enabled"),
)
HEAD = """# Values

Made from `values.yaml` and `charts/*/values.yaml` by `python -m tests.chart.generate`. A value that is none of these,
or of another type, is an error. Give yours in a file (`helm install dandelion . -f mine.yaml`) or one by one
(`--set api.model.ref=champion`); `values/` holds four files to begin with. [knobs.md](knobs.md) says how values fit the
chart to the rules of a cluster: taints, user ids, proxies, private authorities, identities, storage, GPUs.
"""
_TABLE = '{{ template "chart.valuesTable" . }}\n'


def schema_of(chart: Path) -> dict[str, Any]:
    """The schema of a chart's values: nothing but what is there, of the types that are there."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "schema.json"
        argv = [
            *(
                str(tools.find("helm-values-schema-json")),
                "--values",
                str(chart / "values.yaml"),
                "--output",
                str(made),
            ),
            *("--no-additional-properties", "--use-helm-docs", "--indent", "2"),
        ]
        subprocess.run(argv, check=True, capture_output=True, text=True, cwd=folder)
        schema: dict[str, Any] = json.loads(made.read_text(encoding="utf-8"))
    if chart != ROOT:
        # The parent hands these down.
        schema["properties"]["enabled"] = {"type": "boolean"}
        schema["properties"]["global"] = {"type": "object"}
    else:
        # kube-prometheus-stack's own, which its charts read.
        schema["properties"]["global"]["properties"]["rbac"] = {"type": "object"}
        # Where users keep what they repeat by anchors of YAML.
        schema["patternProperties"] = {"^x-": True}
    # Helm hands global values down to the library as well, which has none of its own.
    schema["properties"]["common"] = {
        "type": "object",
        "properties": {"global": {"type": "object"}},
        "additionalProperties": False,
    }
    return schema


def schemas() -> dict[Path, str]:
    """The schema of each chart, with what Kubernetes and the programs say of their own."""
    found = {chart: schema_of(chart) for chart in CHARTS.values()}
    whole = found[ROOT]
    for part in PARTS:
        whole["properties"][part].update(shared(found[CHARTS[part]]))
    for schema in found.values():
        shape(schema)
    everywhere = whole["properties"]["global"]["properties"]
    whole["$defs"] = {"pod": everywhere["pod"], "settings": settings()}
    everywhere["pod"] = {"$ref": "#/$defs/pod"}
    return {chart / "values.schema.json": _json(schema) + "\n" for chart, schema in found.items()}


def _json(value: Any, indent: str = "") -> str:
    """JSON with what fits into a line on a line, and lists of names, too."""
    line = json.dumps(value)
    if not isinstance(value, dict) or len(indent) + len(line) <= 120 or set(map(str, value.values())) == {"True"}:
        return line
    below = f"{indent}  "
    items = [f"{below}{json.dumps(key)}: {_json(each, below)}" for key, each in value.items()]
    return "{\n" + ",\n".join(items) + f"\n{indent}}}"


def page() -> str:
    """All values of all charts, a table each."""
    sections = [HEAD]
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "table.gotmpl"
        template.write_text(_TABLE)
        for part, chart in CHARTS.items():
            alone = Path(folder) / (part or "dandelion")
            alone.mkdir()
            for name in ("Chart.yaml", "values.yaml"):
                (alone / name).write_text((chart / name).read_text(encoding="utf-8"))
            argv = [
                *(str(tools.find("helm-docs")), "--chart-search-root", str(alone), "--template-files", str(template)),
                *("--dry-run", "--sort-values-order", "file", "--log-level", "error", "--skip-version-footer"),
            ]
            table = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
            rows = [row for line in table.splitlines() if (row := _row(line, part))]
            sections.append(f"## {part or 'The whole release'}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(sections)


def readme(page: str) -> str:
    """The README with a table of the common values; `page` has all of them."""
    rows = {row.split("`")[1]: row for row in page.splitlines() if row.startswith("| `")}
    table = ["| Key | Type | Default | Description |", "|-----|------|---------|-------------|"]
    text = "\n".join([*table, *(rows[name] for name in COMMON)])
    begin, end = "<!-- values: python -m tests.chart.generate -->\n", "<!-- end of values -->"
    before, _, rest = README.read_text(encoding="utf-8").partition(begin)
    return f"{before}{begin}{text}\n{end}{rest.partition(end)[2]}"


def about() -> str:
    """Chart.yaml with the changes of the newest version, of each its first sentence, for Artifact Hub."""
    changes = []
    newest = re.split(r"^## ", CHANGELOG.read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    for section in re.split(r"^### ", newest, flags=re.MULTILINE)[1:]:
        kind, _, entries = section.partition("\n")
        for entry in re.findall(r"^- (.*(?:\n  .*)*)", entries, re.MULTILINE):
            first = re.split(r"(?<=\.) ", re.sub(r"[*`]", "", " ".join(entry.split())))[0]
            changes.append({"kind": kind.strip().lower(), "description": first})
    lines = yaml.safe_dump(changes, sort_keys=False, width=110, allow_unicode=True).splitlines()
    block = "".join(f"    {line}\n" for line in lines)
    head = r"(  artifacthub.io/changes: \|\n)(?:    .*\n)*"
    return re.sub(head, lambda found: found[1] + block, ABOUT.read_text(encoding="utf-8"))


def _row(line: str, part: str) -> str:
    """A row of helm-docs' table with the name that users write; nothing for what is another chart's."""
    if not line.startswith("| ") or line.startswith("| Key"):
        return line if line.startswith("|") else ""
    name = line.split("|")[1].strip()
    if "kube-prometheus-stack" in name and not name.endswith(".enabled"):
        return ""
    return line.replace(f"| {name} ", f"| `{part}.{name}` " if part else f"| `{name}` ", 1)


def lock() -> str:
    """Chart.lock, as `helm dependency update` writes it; its moment stays while its digest does."""
    asked = [_ordered(each) for each in read_yaml(ROOT / "Chart.yaml")["dependencies"]]
    locked = [{"name": each["name"], "repository": each["repository"], "version": each["version"]} for each in asked]
    pairs = [asked, [{"name": e["name"], "version": e["version"], "repository": e["repository"]} for e in locked]]
    text = json.dumps(pairs, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    held = read_yaml(LOCK) if LOCK.exists() else {}
    moment = str(held["generated"]) if held.get("digest") == digest else "2026-11-25T00:00:00Z"
    lines = ["dependencies:"]
    for each in locked:
        lines += [
            f"- name: {each['name']}",
            f"  repository: {each['repository'] or chr(34) * 2}",
            f"  version: {each['version']}",
        ]
    return "\n".join([*lines, f"digest: {digest}", f'generated: "{moment}"', ""])


def _ordered(dependency: dict[str, Any]) -> dict[str, Any]:
    """As Go marshals it: name and repository always, others where they are set."""
    keys = ("name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias")
    given = {"repository": "", **dependency}
    return {key: given[key] for key in keys if key in given}


def generated() -> dict[Path, str]:
    """Every file that is generated, with what it should hold."""
    values = page()
    return {**schemas(), PAGE: values, README: readme(values), ABOUT: about(), LOCK: lock()}


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
