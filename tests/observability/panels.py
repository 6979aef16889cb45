"""The dashboards as they are committed, read as Grafana reads them; and what a panel must not be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from observability.catalogue import CATALOGUE, LABELS_PER_WORKER, unknown
from observability.dashboards.board import QUIET, WIDTH, Unit
from observability.promql import selectors

FOLDER = Path(__file__).resolve().parents[2] / "observability" / "grafana" / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))
CHOSEN = {"namespace": ".*", "job": ".*", "instance": ".*", "__rate_interval": "1m", "datasource": "default"}
"""What Grafana puts for the variables when everything is chosen."""
KNOWN = {series: set(metric.labels) for metric in CATALOGUE for series in metric.series}
_BY = re.compile(r"\bby \(([^)]*)\)")
_TOLD = re.compile(r"{{(\w+)}}")
ADDED = {"job", "instance", "namespace", "le", LABELS_PER_WORKER}
EXPORTED = {"server_id", "is_stream_leader", "is_consumer_leader"}

Dashboard = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One expression of a panel, as Prometheus gets it."""

    board: str
    panel: str
    expr: str
    quiet: bool

    def __str__(self) -> str:
        return f"{self.board} / {self.panel}: {self.expr}"


def dashboard(file: Path) -> Dashboard:
    """Read one."""
    read: Dashboard = json.loads(file.read_text(encoding="utf-8"))
    return read


def panels(board: Dashboard) -> list[Dashboard]:
    """Return its panels, without the headings of rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def put(expr: str) -> str:
    """Put values for Grafana's variables, the longest names first."""
    for name in sorted(CHOSEN, key=len, reverse=True):
        expr = expr.replace(f"${{{name}}}", CHOSEN[name]).replace(f"${name}", CHOSEN[name])
    return expr


def asked(board: Dashboard) -> Iterator[Asked]:
    """Yield every expression that a dashboard asks Prometheus for."""
    for panel in panels(board):
        quiet = f" {QUIET} " in panel["description"]
        for target in panel["targets"]:
            yield Asked(board["title"], panel["title"], put(target["expr"]), quiet)


def flaws(board: Dashboard) -> list[str]:
    """Return what is wrong with a dashboard that can be seen without a Prometheus."""
    found = [*_of_places(board)]
    ids = [panel["id"] for panel in board["panels"]]
    found += [f"id {number} twice" for number in {one for one in ids if ids.count(one) > 1}]
    for panel in panels(board):
        name = panel["title"]
        if len(panel.get("description", "")) < 12:
            found.append(f"{name}: no description")
        if panel["fieldConfig"]["defaults"].get("unit") not in set(Unit):
            found.append(f"{name}: no unit")
        if not panel.get("targets"):
            found.append(f"{name}: asks nothing")
        for target in panel.get("targets", ()):
            found += [f"{name}: {flaw}" for flaw in _of_query(target)]
    return found


def _of_query(target: Dashboard) -> Iterator[str]:
    expr = target["expr"]
    if target.get("datasource", {}).get("uid") != "${datasource}":
        yield "a data source of its own"
    if not target.get("legendFormat"):
        yield "lines without a name"
    if "$" in put(expr):
        yield f"a variable that there is not, in {put(expr)}"
    yield from (f"no metric {name}" for name in unknown(name for name, _ in selectors(put(expr))))
    have: set[str] = set()
    for name, labels in selectors(put(expr)):
        allowed = KNOWN.get(name, set()) | ADDED | (EXPORTED if name.startswith("nats_") else set())
        have |= allowed
        yield from (f"{name} has no label {label}" for label in sorted(labels - allowed))
        if not {"namespace", "job", "instance"} <= labels:
            yield f"{name} is not chosen by the variables"
    grouped = {label for listed in _BY.findall(expr) for label in listed.replace(" ", "").split(",")}
    yield from (f"nothing to sum by in {label}" for label in sorted(grouped - have))
    told = set(_TOLD.findall(target.get("legendFormat", "")))
    yield from (f"lines named by {label}, which they lack" for label in sorted(told - have))


def _of_places(board: Dashboard) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        place = panel["gridPos"]
        if place["x"] < 0 or place["x"] + place["w"] > WIDTH:
            yield f"{panel['title']}: beyond the edge"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (other := taken.setdefault((x, y), panel["title"])) != panel["title"]:
                    yield f"{panel['title']}: over {other}"
                    return
