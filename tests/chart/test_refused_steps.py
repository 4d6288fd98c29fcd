"""Which steps of a release are refused, for all tracks and numbers of ready pods: the rule alone, rendered once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.chart import ROOT, Helm, merged, nested, read_yaml

# What the rule is made of; what it looks up comes from the case.
PARTS = (
    *("templates/_steps.tpl", "templates/_serving.tpl"),
    *("charts/api/templates/_helpers.tpl", "charts/common/templates/_names.tpl"),
)
LOOKUP = """
{{- define "dandelion.lookup" -}}
{{- index .context.Values.cluster (printf "%s/%s" .kind .name) | default dict | toJson -}}
{{- end -}}
"""
ALL = """
{{- range $name, $values := .Values.cases }}
{{ $name | quote }}: {{ include "dandelion.steps.first" (merge (dict "Values" $values) $) | quote }}
{{- end }}
"""


def cluster(serves: str, **ready: int) -> dict[str, Any]:
    """What runs: the track that the Service leads to, none for all, and the ready pods of each track."""
    found: dict[str, Any] = {}
    for track, pods in ready.items():
        name = "dandelion-api" if track == "stable" else f"dandelion-api-{track}"
        found[f"Deployment/{name}"] = {"status": {"readyReplicas": pods} if pods else {}}
    selector = {"dandelion/track": serves} if serves else {"app.kubernetes.io/component": "api"}
    return {**found, "Service/dandelion-api": {"spec": {"selector": selector}}} if ready else {}


def step(serves: str, asked: dict[str, Any], **ready: int) -> dict[str, Any]:
    """Values of a step, and the cluster that it meets."""
    return merged(asked, {"cluster": cluster(serves, **ready)})


def slots(active: str, **more: int) -> dict[str, Any]:
    return nested("api.release", {"strategy": "blue-green", "blueGreen": {"activeSlot": active, **more}})


def canary(weight: int, *, host: str = "") -> dict[str, Any]:
    gateway = {"enabled": bool(host), "apiHost": host}
    return merged(nested("api.release", {"strategy": "canary", "canary": {"weight": weight}}), {"gateway": gateway})


ROLLING = nested("api.release.strategy", "rolling")
GATEWAY = "api.example.com"
NOT_READY = "no pod of the canary is ready"
STAYS = "do not change blue-green yet"
KEPT = "`helm rollback` would go back: set api.release.blueGreen.stableReplicas=3 in this step"
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "an installation": (step("", canary(10, host=GATEWAY)), ""),
    "nothing changes": (step("stable", ROLLING, stable=3), ""),
    "a canary starts": (step("stable", canary(0, host=GATEWAY), stable=3), ""),
    "a canary that is not there": (step("stable", canary(10, host=GATEWAY), stable=3), NOT_READY),
    "a canary that is not ready": (step("stable", canary(50, host=GATEWAY), stable=3, canary=0), NOT_READY),
    "a canary gets more": (step("stable", canary(50, host=GATEWAY), stable=3, canary=1), ""),
    # Its Service leads to pods that are ready alone.
    "a canary without a Gateway": (step("stable", canary(10), stable=3, canary=0), ""),
    "a canary shared pods": (step("", canary(0), stable=3, canary=3), ""),
    "slots start": (step("stable", slots("stable"), stable=3), ""),
    "a slot that is not there": (
        step("stable", slots("blue", stableReplicas=3), stable=3),
        "activeSlot is blue with 0 ready pods, and 3 of stable serve now: for one step set "
        "api.release.blueGreen.idleReplicas=3 with activeSlot=stable",
    ),
    "a first flip that leaves nothing to go back to": (step("stable", slots("blue"), stable=3, blue=3, green=2), KEPT),
    "a first flip that leaves too few": (step("stable", slots("blue", stableReplicas=2), stable=3, blue=3), KEPT),
    "a first flip": (step("stable", slots("blue", stableReplicas=3), stable=3, blue=3, green=2), ""),
    "after the first flip": (step("blue", slots("blue"), stable=3, blue=3, green=2), ""),
    "a flip": (step("blue", slots("green"), blue=3, green=3), ""),
    "a flip to fewer pods": (
        step("blue", slots("green"), blue=4, green=2),
        "activeSlot is green with 2 ready pods, and 4 of blue serve now: for one step set "
        "api.release.blueGreen.idleReplicas=4 with activeSlot=blue, and wait until they are ready; if blue fails its "
        "users, `helm rollback` goes back at once",
    ),
    # The number that the same step asks for is none of pods that are ready.
    "a flip with its pods": (step("blue", slots("green", idleReplicas=4), blue=4, green=2), "idleReplicas=4"),
    "a flip from a slot that serves nothing": (step("blue", slots("green"), blue=0, green=2), ""),
    "to rolling from a slot that serves nothing": (step("blue", ROLLING, stable=0, blue=0), ""),
    "back to stable, not ready": (
        step("blue", slots("stable"), stable=1, blue=6, green=2),
        "api.release.blueGreen.stableReplicas=6 with activeSlot=blue",
    ),
    "back to stable": (step("blue", slots("stable"), stable=6, blue=6, green=2), ""),
    "slots end": (step("stable", ROLLING, stable=6, blue=6, green=2), ""),
    "to rolling, stable not ready": (step("blue", ROLLING, stable=0, blue=6, green=2), STAYS),
    "to rolling, stable too small": (step("blue", ROLLING, stable=1, blue=6, green=2), "stableReplicas=6"),
    # A rollback would find no slot.
    "to rolling at once": (step("blue", ROLLING, stable=6, blue=6, green=2), STAYS),
    "to a canary": (step("blue", canary(10), stable=0, blue=6), STAYS),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said of each case."""
    chart = tmp_path_factory.mktemp("steps") / "steps"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: steps\nversion: 0.0.0\n")
    for part in PARTS:
        (chart / "templates" / Path(part).name).write_text((ROOT / part).read_text())
    (chart / "templates" / "_lookup.tpl").write_text(LOOKUP)
    (chart / "templates" / "all.yaml").write_text(ALL)
    defaults = read_yaml(ROOT / "values.yaml")
    defaults["api"] = read_yaml(ROOT / "charts" / "api" / "values.yaml")
    cases = {name: merged(defaults, values) for name, (values, _) in CASES.items()}
    (chart / "values.yaml").write_text(yaml.safe_dump({"cases": cases}))
    (found,) = Helm("helm", chart).template()
    return {str(name): text for name, text in found.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_step_that_comes_too_early_is_refused(said: dict[str, str], name: str) -> None:
    _, expected = CASES[name]
    assert expected in said[name]
    assert bool(expected) == bool(said[name]), said[name]
