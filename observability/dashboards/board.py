"""What a dashboard is made of, in our words, and how it becomes one that Grafana reads. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

WIDTH: Final = 24
SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
CHOSEN: Final = 'namespace=~"$namespace",job=~"$job",instance=~"$instance"'
"""The selector of every query of ours: what the variables of a dashboard have chosen."""
QUIET: Final = "Empty until"
"""Begins the part of a description that says when a panel speaks, if it does not under normal load."""
LACKS: Final = "Empty unless"
"""Begins the part that says what has to be there for it."""
TAG: Final = "baleen"


class Unit(StrEnum):
    """Grafana's names of what is measured."""

    COUNT = "short"
    PER_SECOND = "cps"
    SECONDS = "s"
    BYTES = "bytes"
    BYTES_PER_SECOND = "Bps"
    SHARE = "percentunit"
    PERCENT = "percent"
    YES_NO = "bool_yes_no"


class Colour(StrEnum):
    """What a light shows."""

    GOOD = "green"
    DOUBTFUL = "orange"
    BAD = "red"


@dataclass(frozen=True, slots=True)
class Query:
    """One expression; *legend* names its lines, with labels in double braces."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        title: what it shows, in few words.
        says: what it means, and what to do when it looks wrong.
        quiet: what has to happen before it shows anything; empty if normal load does.
        needs: what has to be there for it, where that may be missing; empty if it is always there.
        limits: the values from which on a colour holds; the first has none. A panel with limits is a light.
        words: what a light says instead of a number.
    """

    title: str
    says: str
    unit: Unit
    queries: Sequence[Query]
    quiet: str = ""
    width: int = 8
    limits: Sequence[tuple[float | None, Colour]] = ()
    words: Mapping[int, str] | None = None
    needs: str = ""

    @property
    def description(self) -> str:
        """What is shown beside the title."""
        sentences = [self.says]
        if self.needs:
            sentences.append(f"{LACKS} {self.needs}.")
        if self.quiet:
            sentences.append(f"{QUIET} {self.quiet}.")
        return " ".join(sentences)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; *known_by* is the metric that every instance it is about has."""

    uid: str
    title: str
    says: str
    known_by: str
    rows: Sequence[Row]


def light(
    title: str,
    says: str,
    expr: str,
    *,
    unit: Unit = Unit.COUNT,
    limits: Sequence[tuple[float | None, Colour]],
    words: Mapping[int, str] | None = None,
    width: int = 4,
    legend: str = "",
) -> Panel:
    """Return a panel that is green or red."""
    return Panel(title, says, unit, (Query(expr, legend or title),), "", width, limits, words)


def model_of(board: Board) -> models.Dashboard:
    """Return the dashboard as Grafana's own model, with every panel numbered and placed."""
    built = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.says)
        .tags([TAG])
        .readonly()
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Baleen")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )
    for variable in _variables(board.known_by):
        built = built.with_variable(variable)
    number, top = 1, 0
    for row in board.rows:
        heading = dashboard.Row(row.title).id(number).grid_pos(models.GridPos(h=1, w=WIDTH, x=0, y=top))
        built = built.with_row(heading)
        number, top = number + 1, top + 1
        for panel, place in _placed(row.panels, top):
            built = built.with_panel(_builder(panel).id(number).grid_pos(place))
            number, top = number + 1, max(top, place.y + place.h)
    return built.build()


def _placed(panels: Sequence[Panel], top: int) -> Iterator[tuple[Panel, models.GridPos]]:
    """Yield each panel with its place: from left to right, and on when the line is full."""
    left, tallest = 0, 0
    for panel in panels:
        height = 4 if panel.limits else 8
        if left + panel.width > WIDTH:
            left, top, tallest = 0, top + tallest, 0
        yield panel, models.GridPos(h=height, w=panel.width, x=left, y=top)
        left, tallest = left + panel.width, max(tallest, height)


def _builder(panel: Panel) -> stat.Panel | timeseries.Panel:
    kind = _light(panel) if panel.limits else _chart()
    kind = kind.title(panel.title).description(panel.description).unit(panel.unit).datasource(SOURCE)
    for place, query in enumerate(panel.queries):
        asked = prometheus.Dataquery().datasource(SOURCE).expr(query.expr).legend_format(query.legend)
        asked = asked.ref_id(chr(ord("A") + place))
        kind = kind.with_target(asked.instant() if panel.limits else asked.range())
    return kind


def _light(panel: Panel) -> stat.Panel:
    steps = [models.Threshold(value=value, color=colour) for value, colour in panel.limits]
    kind = (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_mode(common_models.BigValueColorMode.BACKGROUND)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
        .no_value("nothing")
    )
    if panel.words is None:
        return kind
    said: dict[str, Any] = {
        str(key): models.ValueMappingResult(text=text) for key, text in panel.words.items()
    }
    return kind.mappings([models.ValueMap(options=said)])


def _chart() -> timeseries.Panel:
    return (
        timeseries.Panel()
        .min(0)
        .fill_opacity(8)
        .line_width(1)
        .show_points(common_models.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(common_models.LegendDisplayMode.TABLE)
            .placement(common_models.LegendPlacement.BOTTOM)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_models.TooltipDisplayMode.MULTI)
            .sort(common_models.SortOrder.DESCENDING)
        )
    )


def _variables(known_by: str) -> Iterator[Any]:
    """Yield what a reader chooses: the data source, and whose figures are shown."""
    yield (
        dashboard.DatasourceVariable("datasource")
        .label("data source")
        .type("prometheus")
        .current(models.VariableOption(text="default", value="default"))
    )
    narrowed = ""
    for name in ("namespace", "job", "instance"):
        yield (
            dashboard.QueryVariable(name)
            .datasource(SOURCE)
            .query(f"label_values({known_by}{'{' + narrowed + '}' if narrowed else ''}, {name})")
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.ALPHABETICAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(models.VariableOption(text="All", value="$__all"))
        )
        narrowed += f'{"," if narrowed else ""}{name}=~"${name}"'
