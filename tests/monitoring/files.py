"""What the repository hands to Prometheus, Alertmanager and Grafana."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "alerts" / "rules.yaml"
ALERTMANAGER = ROOT / "alerts" / "alertmanager.yaml"
DASHBOARDS = ROOT / "dashboards"
RUNBOOKS = ROOT / "docs" / "runbooks"


def rules() -> list[dict[str, Any]]:
    """Every rule, recording or alerting."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """Every alerting rule."""
    return [rule for rule in rules() if "alert" in rule]


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every panel with the name of its dashboard; rows are none."""
    for file in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for each in [panel, *panel.get("panels", ())]:
                if each["type"] != "row":
                    yield file.stem, each


def queries() -> Iterator[tuple[str, str]]:
    """Where it stands and the PromQL of every panel, with Grafana's variables filled in."""
    for page, panel in panels():
        for target in panel["targets"]:
            expr = target["expr"]
            for name in ("namespace", "release", "track", "version"):
                expr = expr.replace(f"${name}", ".*")
            yield f"{page} / {panel['title']}", expr.replace("$__rate_interval", "1m")
