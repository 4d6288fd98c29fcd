"""Writes what follows from the values: a strict schema a chart, the page of all values, and Chart.lock.

python -m tests.chart.generate        # run it after a change of values.yaml or Chart.yaml; a test compares
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.chart.chart import PARTS, ROOT, read_yaml
from tests.servers import tools

CHARTS = {"": ROOT, **{part: ROOT / "charts" / part for part in PARTS}}
PAGE = ROOT / "docs" / "values.md"
LOCK = ROOT / "Chart.lock"
HEAD = """# Values

Made from `values.yaml` and `charts/*/values.yaml` by `python -m tests.chart.generate`. A value that is none of these,
or of another type, is an error. Give yours in a file (`helm install dandelion . -f mine.yaml`) or one by one
(`--set api.model.ref=champion`); `values/` holds four files to begin with.
"""
_TABLE = '{{ template "chart.valuesTable" . }}\n'


def schema_of(chart: Path) -> str:
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
    # Helm hands global values down to the library as well, which has none of its own.
    schema["properties"]["common"] = {
        "type": "object",
        "properties": {"global": {"type": "object"}},
        "additionalProperties": False,
    }
    _loosen(schema)
    return json.dumps(schema, indent=2) + "\n"


def _loosen(schema: dict[str, Any]) -> None:
    """Items of lists are Kubernetes' own objects, which Kubernetes knows better."""
    for inner in schema.get("properties", {}).values():
        _loosen(inner)
    items = schema.get("items")
    if isinstance(items, dict) and items.get("type") == "object":
        schema["items"] = {"type": "object"}


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
    schemas = {chart / "values.schema.json": schema_of(chart) for chart in CHARTS.values()}
    return {**schemas, PAGE: page(), LOCK: lock()}


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
