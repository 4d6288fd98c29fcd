"""The result of `compare.py` as Markdown: `python -m benchmarks.report result.json`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def markdown(result: Mapping[str, Any]) -> str:
    """One table a model and photo: requests/s for each number of connections, and how much faster dandelion is.

    A `-` stands where a server sent no response during the load: its queue was longer than the load.
    """
    rows = result["rows"]
    lines = [f"{result['date']}, {result['processor']}, {result['cores']} cores:", "", f"    {result['command']}", ""]
    for model, photo in dict.fromkeys((row["model"], row["photo"]) for row in rows):
        lines += _table([row for row in rows if (row["model"], row["photo"]) == (model, photo)], f"{model}, {photo}")
    values = [f"| {name} | {_number(value)} |" for name, value in result["measurements"].items()]
    lines += ["| measurement | value |", "|---|---|", *values, ""]
    return "\n".join(lines)


def processor() -> str:
    text = Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*: (.*)", text)
    flags = [flag for flag in ("amx_int8", "amx_bf16", "avx512_vnni", "avx_vnni", "avx512f") if f" {flag}" in text]
    return f"{name.group(1) if name else 'unknown processor'} ({', '.join(flags)})"


def _table(rows: list[dict[str, Any]], title: str) -> Iterator[str]:
    limit = next(row["per_second"] for row in rows if row["server"] == "limit")
    loads = sorted({row["connections"] for row in rows if row["server"] != "limit"})
    found = {(row["server"], row["connections"]): row for row in rows}
    yield f"**{title}**, limit {limit:.0f} photos/s; requests/s, p50, and by how much dandelion is faster:"
    yield ""
    yield "| server | " + " | ".join(f"{load} connection{'s' * (load > 1)}" for load in loads) + " |"
    yield "|---" * (1 + len(loads)) + "|"
    for server in dict.fromkeys(row["server"] for row in rows if row["server"] != "limit"):
        cells = [_cell(found[server, load], found.get(("dandelion", load)), limit) for load in loads]
        yield f"| {server} | " + " | ".join(cells) + " |"
    yield ""


def _cell(row: Mapping[str, Any], ours: Mapping[str, Any] | None, limit: float) -> str:
    rate = float(row["per_second"])
    if not rate:
        return row.get("note") or "-"
    if row["server"] == "dandelion":
        lead = f"{rate / limit:.2f} of the limit"
    else:
        lead = f"{ours['per_second'] / rate:.1f} x" if ours else ""
    return f"{rate:.0f}, {row['p50_ms']:.0f} ms, **{lead}**"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    print(markdown(json.loads(Path(sys.argv[1]).read_text())))
