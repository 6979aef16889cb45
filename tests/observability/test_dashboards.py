"""The dashboards that are committed: those of the code, whole, and asking only for what there is."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from observability.dashboards.files import texts
from tests.clients.installing import debian_package
from tests.observability.panels import FILES, FOLDER, Dashboard, asked, dashboard, flaws, panels, put

PROVISIONING = FOLDER.parent / "provisioning"
OVERVIEW = FOLDER / "baleen-overview.json"


def test_the_files_are_what_the_code_makes():
    """No file was edited by hand, none is missing, none is left over."""
    made = texts()

    assert {file.name for file in FOLDER.iterdir()} == set(made)
    for name, text in made.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, (
            f"{name} is not what the code makes: run python -m observability.dashboards"
        )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_dashboard_is_whole(file: Path):
    """Panels have ids, places, units, descriptions, and ask for metrics and labels of the catalogue."""
    assert flaws(dashboard(file)) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_dashboard_has_the_variables_and_its_own_address(file: Path):
    """Data source, namespace, job and instance can be chosen; all is chosen at first."""
    board = dashboard(file)
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}

    assert board["uid"] == file.stem
    assert list(variables) == ["datasource", "namespace", "job", "instance"]
    assert all(variable["allValue"] == ".*" for name, variable in variables.items() if name != "datasource")
    assert not board["editable"]


def _twice(board: Dashboard) -> None:
    panels(board)[1]["id"] = panels(board)[0]["id"]


def _over(board: Dashboard) -> None:
    panels(board)[1]["gridPos"] = panels(board)[0]["gridPos"]


def _beyond(board: Dashboard) -> None:
    panels(board)[0]["gridPos"]["x"] = 23


def _undescribed(board: Dashboard) -> None:
    panels(board)[0]["description"] = ""


def _without_unit(board: Dashboard) -> None:
    del panels(board)[0]["fieldConfig"]["defaults"]["unit"]


def _asks(expr: str) -> Callable[[Dashboard], None]:
    def change(board: Dashboard) -> None:
        panels(board)[0]["targets"][0]["expr"] = expr

    return change


def _names(legend: str) -> Callable[[Dashboard], None]:
    def change(board: Dashboard) -> None:
        panels(board)[0]["targets"][0]["legendFormat"] = legend

    return change


_SELECTED = '{namespace=~"$namespace",job=~"$job",instance=~"$instance"'


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (_twice, "twice"),
        (_over, ": over "),
        (_beyond, "beyond the edge"),
        (_undescribed, "no description"),
        (_without_unit, "no unit"),
        (_asks(f"sum(baleen_ingest_frames{_SELECTED}}})"), "no metric baleen_ingest_frames"),
        (_asks(f'sum(up{_SELECTED},feed="price"}})'), "up has no label feed"),
        (_asks(f"sum by (reason) (up{_SELECTED}}})"), "nothing to sum by in reason"),
        (_names("{{reason}}"), "lines named by reason"),
        (_asks("sum(up)"), "not chosen by the variables"),
        (_asks(f'sum(up{_SELECTED},job="$service"}})'), "a variable that there is not"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_a_dashboard_with_a_flaw_is_found_out(change: Callable[[Dashboard], None], flaw: str):
    """The check above rejects each thing that it is for."""
    board = copy.deepcopy(dashboard(OVERVIEW))
    change(board)

    assert any(flaw in found for found in flaws(board)), flaws(board)


def rules_of(expressions: list[str], folder: Path) -> Path:
    """Write expressions as recording rules, which promtool reads."""
    rules = [
        {"record": f"panel:expression:n{number}", "expr": expr} for number, expr in enumerate(expressions)
    ]
    file = folder / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    return file


def checked(expressions: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Have promtool read expressions."""
    promtool = debian_package("prometheus") / "usr/bin/promtool"
    command = [promtool, "check", "rules", rules_of(expressions, folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_every_expression_is_one(tmp_path: Path):
    """Prometheus' own parser reads every expression of every panel."""
    expressions = [one.expr for file in FILES for one in asked(dashboard(file))]
    done = checked(expressions, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(expressions)} rules found" in done.stdout


def test_an_expression_that_is_none_is_found_out(tmp_path: Path):
    """A missing bracket is an error."""
    assert checked([put("sum(rate(up[$__rate_interval])")], tmp_path).returncode != 0


def test_provisioning_points_at_what_there_is():
    """The data source has a fixed address, nothing is edited in the browser, no secret is written down."""
    source = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "baleen.yml").read_text())["providers"]

    assert (source["uid"], source["type"], source["isDefault"]) == ("baleen-prometheus", "prometheus", True)
    scraping = yaml.safe_load((FOLDER.parents[1] / "prometheus" / "prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == scraping["global"]["scrape_interval"]
    assert source["editable"] is provider["allowUiUpdates"] is False
    assert not {"basicAuthPassword", "secureJsonData"} & set(source)
