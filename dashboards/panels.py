"""Uniform panels: each has a unit, a description, and a link to its runbook."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import GraphThresholdsStyleMode, LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Kind = Literal["lines", "stack", "number", "heatmap", "states"]

DOCS = "https://github.com/dandelion-ml/dandelion/blob/main/docs"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "dandelion"
WIDTH = 24
HEIGHT = 8

# Every dashboard can be filtered by these; ".*" also matches series without the label, as outside a cluster.
VARIABLES = {
    "namespace": "label_values(dandelion_build_info, namespace)",
    "release": 'label_values(dandelion_build_info{namespace=~"$namespace"}, release)',
    "track": 'label_values(model_info{namespace=~"$namespace", release=~"$release"}, track)',
    "version": 'label_values(model_info{namespace=~"$namespace", release=~"$release"}, version)',
}


@dataclass(frozen=True)
class Query:
    """One line of a panel.

    Attributes:
        expr: PromQL.
        legend: Its name in the legend; `{{label}}` stands for a label's value.
    """

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: Its title.
        description: What it shows, and what is normal.
        unit: Grafana's name of the unit.
        queries: Its lines.
        runbook: An alert with a runbook, or a page of docs/.
        kind: How it is plotted.
        span: Columns of 24.
        limit: A threshold to show as a line.
        top: The largest possible value.
    """

    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    runbook: str
    kind: Kind = "lines"
    span: int = 8
    limit: float | None = None
    top: float | None = None


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Dashboard:
    """One dashboard.

    Attributes:
        uid: Part of its address; must never change.
        title: Its title.
        description: What it is for.
        rows: Its rows.
        since: Start of the initial time range.
    """

    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    since: str = "now-6h"


def build(page: Dashboard) -> str:
    """Return the dashboard as JSON for Grafana."""
    builder = (
        dashboards.Dashboard(f"Dandelion / {page.title}")
        .uid(page.uid)
        .description(page.description)
        .tags([TAG])
        .time(page.since, "now")
        .refresh("1m")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(
            dashboards.DashboardLink("Other dashboards")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(dashboards.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for name, query in VARIABLES.items():
        builder.with_variable(
            dashboards.QueryVariable(name)
            .label(name.capitalize())
            .datasource(SOURCE)
            .query(query)
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(VariableOption(selected=True, text="All", value="$__all"))
        )
    numbers = itertools.count(1)
    for row in page.rows:
        builder.with_row(dashboards.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            builder.with_panel(_build(panel).id(next(numbers)))
    return json.dumps(builder.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _build(panel: Panel) -> Any:
    page = f"runbooks/{panel.runbook}.md" if panel.runbook[0].isupper() else f"{panel.runbook}.md"
    builder = (
        _KINDS[panel.kind]()
        .title(panel.title)
        .description(f"{panel.description}\n\n[What to do]({DOCS}/{page})")
        .datasource(SOURCE)
        .unit(panel.unit)
        .span(panel.span)
        .height(HEIGHT)
        .links([dashboards.DashboardLink("What to do").type(DashboardLinkType.LINK).url(f"{DOCS}/{page}")])
    )
    for number, query in enumerate(panel.queries):
        target = prometheus.Dataquery().ref_id(chr(ord("A") + number)).expr(query.expr).legend_format(query.legend)
        if panel.kind == "heatmap":
            target.format(PromQueryFormat.HEATMAP)
        builder.with_target(target.range())
    if panel.top is not None:
        builder.max(panel.top)
    if panel.limit is not None:
        steps = [Threshold(color="green", value=None), Threshold(color="red", value=panel.limit)]
        builder.thresholds(dashboards.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        if panel.kind == "lines":
            builder.thresholds_style(_dashed())
    return builder


def _dashed() -> Any:
    from grafana_foundation_sdk.builders.common import GraphThresholdsStyleConfig

    return GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)


def _lines() -> Any:
    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    return timeseries.Panel().legend(legend.show_legend(True)).fill_opacity(8).min(0)


def _stack() -> Any:
    from grafana_foundation_sdk.builders.common import StackingConfig
    from grafana_foundation_sdk.models.common import StackingMode

    return _lines().stacking(StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(40)


_KINDS: dict[Kind, Any] = {
    "lines": _lines,
    "stack": _stack,
    "number": stat.Panel,
    "heatmap": heatmap.Panel,
    # Grafana's defaults; its library always writes them.
    "states": lambda: statetimeline.Panel().line_width(0).fill_opacity(70),
}
