"""Rules, dashboards, runbooks and Alertmanager's configuration, checked by the programs that will read them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from dashboards.__main__ import PAGES
from dashboards.panels import DOCS, build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from dandelion.telemetry import instruments
from tests.monitoring.files import ALERTMANAGER, DASHBOARDS, ROOT, RULES, RUNBOOKS, alerts, panels, queries, rules
from tests.servers import tools

HERE = Path(__file__).parent
SECTIONS = ("## What it means", "## First look", "## Fix", "## How to confirm")


def run(tool: str, *arguments: str | Path, folder: Path | None = None) -> str:
    argv = [str(tools.find(tool)), *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_prometheus_takes_the_rules() -> None:
    print(run("promtool", "check", "rules", "--lint=all", "--lint-fatal", RULES))


@pytest.mark.parametrize("cases", ["rules.test.yaml", "rules-of-days.test.yaml"])
def test_every_alert_fires_and_resolves_when_it_should(cases: str, tmp_path: Path) -> None:
    shutil.copy(RULES, tmp_path / "rules.yaml")
    shutil.copy(HERE / cases, tmp_path)
    print(run("promtool", "test", "rules", cases, folder=tmp_path))


def test_no_alert_is_left_without_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    fires, silent = set(), set()
    for file in HERE.glob("*.test.yaml"):
        for case in yaml.safe_load(file.read_text())["tests"]:
            firing = [
                set(re.findall(r'alertname="(\w+)"', str(each["exp_samples"])))
                for each in case.get("promql_expr_test", ())
            ]
            here = set().union(*firing)
            fires |= here
            silent |= {name for name in here if any(name not in each for each in firing)}
    names = {rule["alert"] for rule in alerts()}
    assert names - fires == set()
    # Where nothing was ever scraped the API is down from the start; its other case is silent first.
    assert names - silent == set()


def test_every_alert_says_how_bad_it_is_what_is_wrong_and_where_to_read_on() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        texts = rule["annotations"]
        assert texts["summary"].endswith("."), rule["alert"]
        assert "$value" in texts["description"], rule["alert"]
        assert texts["runbook_url"] == f"{DOCS}/runbooks/{rule['alert']}.md"
    assert {rule["alert"] for rule in alerts() if rule["labels"].get("action") == "retrain"} == {
        "ModelAccuracyDrop",
        "DataDrift",
        "ModelStale",
    }


def test_every_alert_has_its_runbook_page_and_no_page_is_left_over() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == {rule["alert"] for rule in alerts()}
    for page in RUNBOOKS.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert [line for line in text.splitlines() if line.startswith("## ")] == list(SECTIONS), page.name
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert (page.parent / target).exists(), f"{page.name} links {target}"
        for name in re.findall(r"DANDELION_[A-Z_]+", text):
            assert name in (ROOT / "docs" / "settings.md").read_text(encoding="utf-8"), f"{page.name} names {name}"


def test_the_committed_dashboards_are_what_the_code_makes() -> None:
    assert {file.stem for file in DASHBOARDS.glob("*.json")} == PAGES.keys()
    for name, page in PAGES.items():
        assert (DASHBOARDS / f"{name}.json").read_text() == build(page), f"{name}: run `python -m dashboards`"


def test_grafanas_own_library_reads_every_dashboard_without_losing_anything() -> None:
    register_default_plugins()
    for file in DASHBOARDS.glob("*.json"):
        written = json.loads(file.read_text())
        read = json.loads(json.dumps(Dashboard.from_json(written), cls=JSONEncoder))
        for panel in read["panels"]:  # it gives every heatmap an empty set of options of its own
            if panel.get("fieldConfig", {}).get("defaults", {}).get("custom") == {}:
                del panel["fieldConfig"]["defaults"]["custom"]
        assert read == written, file.name
        numbers = [panel["id"] for panel in written["panels"]]
        assert len(set(numbers)) == len(numbers)
        assert written["schemaVersion"] >= 41  # Grafana 12
        variables = [each["name"] for each in written["templating"]["list"]]
        assert variables == ["datasource", "namespace", "release", "track", "version"]


def test_every_panel_has_a_unit_a_description_a_runbook_and_the_chosen_data_source() -> None:
    seen = 0
    for page, panel in panels():
        name = f"{page} / {panel['title']}"
        assert panel["fieldConfig"]["defaults"]["unit"], name
        assert len(panel["description"]) > 30, name
        assert panel["datasource"]["uid"] == "${datasource}", name
        (link,) = panel["links"]
        assert link["url"].startswith(DOCS), name
        assert (ROOT / "docs" / link["url"].removeprefix(f"{DOCS}/")).exists(), name
        assert panel["targets"], name
        seen += 1
    print(f"{seen} panels")
    assert seen >= 50


def test_every_query_of_a_dashboard_selects_the_chosen_releases() -> None:
    """Nodes and certificates are of no release."""
    for page, panel in panels():
        for target in panel["targets"]:
            for metric, labels in re.findall(r"([a-z_:]+)\{([^}]*)\}", target["expr"]):
                if not metric.startswith(("node_", "certmanager_")):
                    assert "$release" in labels, f"{page} / {panel['title']}: {metric}"


def test_every_selector_of_a_rule_has_a_matcher_in_whose_place_the_chart_puts_its_release() -> None:
    for rule in rules():
        text = re.sub(r"\b(by|on)\s*\([^)]*\)", "", rule["expr"])
        for name in metrics_in(rule["expr"]) | set(
            re.findall(r"\b(?:kube|kubelet|mysql|certmanager|probe)_\w+|\bup\b", text)
        ):
            for selector in re.findall(rf"\b{name}\b(\{{[^}}]*\}})?", text):
                by_name = re.search(rf"__name__=~\"[^\"]*{name}", text)
                assert by_name or '.*"' in selector, f"{rule.get('alert') or rule['record']}: {name}{selector}"


def test_alertmanager_takes_its_configuration_and_templates() -> None:
    print(run("amtool", "check-config", ALERTMANAGER, folder=ROOT / "alerts"))


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"severity": "critical", "alertname": "APIDown"}, "page"),
        ({"severity": "critical", "alertname": "ModelAccuracyDrop", "action": "retrain"}, "retrain,page"),
        ({"severity": "warning", "alertname": "DataDrift", "action": "retrain"}, "retrain,ticket"),
        ({"severity": "warning", "alertname": "VolumeFilling"}, "ticket"),
        ({"severity": "info", "alertname": "Watchdog"}, "null"),
    ],
)
def test_alerts_reach_those_who_must_know(labels: dict[str, str], receivers: str) -> None:
    words = [f"{name}={value}" for name, value in labels.items()]
    said = run("amtool", "config", "routes", "test", "--config.file", ALERTMANAGER, *words)
    assert said.splitlines()[0] == receivers


# PromQL's own words, labels, and metrics of others; what is left must be ours.
_WORDS = {
    *("sum", "min", "max", "avg", "count", "rate", "increase", "by", "on", "and", "or", "unless", "without", "absent"),
    *("ignoring", "group_left", "histogram_quantile", "label_replace", "predict_linear", "time", "vector", "offset"),
}
_OTHERS = re.compile(
    r"(kube|kubelet|container|node|mysql|minio|mlflow|certmanager|probe|process)_\w+|up|(service|track):\w+(:\w+)?"
)


def metrics_in(expr: str) -> set[str]:
    """Names of metrics in an expression."""
    bare = re.sub(r'"[^"]*"', "", expr)
    by_name = re.findall(r'__name__=~"([^"]+)"', expr)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|on|ignoring|group_left|without)\s*\([^)]*\)", " ", bare)
    words = set(re.findall(r"\b[a-z][a-z0-9_:]*\b", bare)) | {each for names in by_name for each in names.split("|")}
    return {
        word
        for word in words
        if word not in _WORDS and not _OTHERS.fullmatch(word) and not re.fullmatch("[0-9dhms]+", word)
    }


def exposed() -> set[str]:
    """Every name that the API may expose, histograms with their parts."""
    found = set()
    for family in instruments.REGISTRY.collect():
        found |= {
            family.name,
            f"{family.name}_total",
            *(f"{family.name}_{part}" for part in ("bucket", "sum", "count")),
        }
    return found


def test_names_in_rules_dashboards_and_docs_are_those_of_the_code() -> None:
    used = {name for rule in rules() for name in metrics_in(rule["expr"])}
    used |= {name for _, expr in queries() for name in metrics_in(expr)}
    assert used - exposed() == set()
    text = (ROOT / "docs" / "monitoring.md").read_text()
    documented = set(
        re.findall(r"`((?:predictions?|model|http|journal|feedback|drift|watch|retraining|backup)_[a-z_]+)[{`]", text)
    )
    assert {name for name in documented if not name.endswith("_")} - exposed() == set()
    assert len(used) > 30


def test_every_name_of_ours_is_documented_or_drawn() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    used = {name for _, expr in queries() for name in metrics_in(expr)} | {
        name for rule in rules() for name in metrics_in(rule["expr"])
    }
    for family in instruments.REGISTRY.collect():
        if not family.name.startswith(("process_", "python_")):
            names = {family.name, f"{family.name}_total", f"{family.name}_bucket", f"{family.name}_sum"}
            assert family.name in text or names & used, f"nobody is told of {family.name}"
