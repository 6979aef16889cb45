"""Rules, their tests, the catalogue and the runbook tell one story; promtool judges the rules themselves."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from observability.catalogue import CATALOGUE, LABELS_PER_WORKER, unknown
from observability.cluster_rules import MANIFEST, manifest
from observability.promql import Unreadable, metrics_of, selectors
from tests.observability.prometheus_tool import promtool

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "observability" / "prometheus" / "rules"
FILES = sorted(RULES.glob("*.yml"))
TESTS = sorted((RULES / "tests").glob("*.yml"))
RUNBOOK = ROOT / "docs" / "runbook.md"
Rule = dict[str, Any]


def rules_of(file: Path) -> list[Rule]:
    """Every rule of a file."""
    return [rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


ALL = [rule for file in FILES for rule in rules_of(file)]
ALERTS = {rule["alert"]: rule for rule in ALL if "alert" in rule}
RECORDED = {rule["record"] for rule in ALL if "record" in rule}


def unknown_of(rules: list[Rule]) -> list[str]:
    """What the expressions read that neither the catalogue nor another rule has."""
    names = {name for rule in rules for name in metrics_of(rule["expr"])}
    return [name for name in unknown(names) if name not in RECORDED]


def test_rules_read_only_what_exists():
    """A metric that is renamed takes its rules with it."""
    assert unknown_of(ALL) == []
    assert unknown_of([{"expr": "sum by (feed) (rate(baleen_ingest_acepted_total[5m])) > 0"}]) == [
        "baleen_ingest_acepted_total"
    ]


def strange_labels(rules: list[Rule]) -> list[str]:
    """The labels that selectors ask for and that their metric does not have."""
    labels = {
        series: {*metric.labels, "job", "instance", "le", LABELS_PER_WORKER}
        for metric in CATALOGUE
        for series in metric.series
    }
    return [
        f"{name}: {label}"
        for rule in rules
        for name, wanted in selectors(rule["expr"])
        for label in sorted(wanted - labels.get(name, wanted))
    ]


def test_rules_select_by_labels_that_exist():
    """A selector by a label that no sample has matches nothing, or everything, in silence."""
    assert strange_labels(ALL) == []
    wrong = {"expr": 'baleen_ingest_backlog{where="outbox"} > 0'}
    assert strange_labels([wrong]) == ["baleen_ingest_backlog: where"]


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (job) (rate(a_total{x="b{c}"}[5m])) > 0.5', {"a_total"}),
        ("max without (x) (a) / on (job) group_left b", {"a", "b"}),
        ("histogram_quantile(0.9, sum(rate(h_bucket[$__rate_interval])) by (le))", {"h_bucket"}),
        ("a:b:rate5m unless c offset 5m == bool 1e3 and on () vector(1)", {"a:b:rate5m", "c"}),
        ("sum(a) # by c\n or avg_over_time(d[1h:5m] @ end())", {"a", "d"}),
        ('label_replace(a, "to", "$1", "from", "(.*)")', {"a"}),
    ],
)
def test_metrics_are_told_from_functions_labels_and_words(expression: str, names: set[str]):
    """Everything that PromQL writes like a name is something else in its place."""
    assert metrics_of(expression) == names


@pytest.mark.parametrize("wrong", ["sum(a) § b", 'a{x="1"', 'sum({job="a"})'])
def test_what_cannot_be_read_is_not_passed_over(wrong: str):
    """A selector without a name, an open brace and a strange sign are said."""
    with pytest.raises(Unreadable):
        metrics_of(wrong)


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_how_bad_it_is_and_what_to_do(name: str):
    """Severity from a closed list, a summary, a description and the place in the runbook."""
    rule = ALERTS[name]
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"


def entries(text: str) -> dict[str, str]:
    """The runbook's entries by heading."""
    parts = re.split(r"^### (\S+)\n", text, flags=re.MULTILINE)
    return {name: re.split(r"^## ", body, flags=re.MULTILINE)[0] for name, body in _pairs(parts[1:])}


def _pairs(flat: list[str]) -> list[tuple[str, str]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def lacks(body: str) -> list[str]:
    """What an entry of the runbook does not have."""
    found = [f"**{word}**" for word in ("Meaning.", "Confirm.", "Do.") if f"**{word}**" not in body]
    confirm = body.partition("**Confirm.**")[2].partition("**Do.**")[0]
    return found + (
        [] if re.search(r"`[^`]+`|^    \S", confirm, re.MULTILINE) else ["a command to confirm it"]
    )


def test_every_alert_has_an_entry_in_the_runbook_and_every_entry_an_alert():
    """With the same name as heading, what it means, a command that confirms it, and what to do."""
    found = entries(RUNBOOK.read_text())
    assert set(found) == set(ALERTS)
    assert {name: lacks(body) for name, body in found.items() if lacks(body)} == {}
    assert lacks("**Meaning.** x\n**Confirm.** look\n**Do.** `restart`") == ["a command to confirm it"]
    assert entries("### A\nx\n## B\n### C\ny\n") == {"A": "x\n", "C": "y\n"}


def queries(text: str) -> list[str]:
    """The expressions that the runbook gives."""
    return re.findall(r"`promql: ([^`]+)`", text)


def test_what_the_runbook_queries_exists():
    """Its expressions read metrics of the catalogue."""
    found = queries(RUNBOOK.read_text())
    assert len(found) > len(ALERTS) / 2
    assert unknown_of([{"expr": expression} for expression in found]) == []


def test_the_cluster_has_the_same_rules():
    """What the Prometheus operator is given is made of the same files."""
    assert MANIFEST.read_text() == manifest(), "run python -m observability.cluster_rules"


def judged(file: Path) -> dict[str, set[bool]]:
    """Which alerts a file of tests judges, and whether they must fire (True) or must not (False)."""
    found: dict[str, set[bool]] = {}
    for test in yaml.safe_load(file.read_text())["tests"]:
        for check in test["promql_expr_test"]:
            name = re.search(r'alertname="(\w+)"', check["expr"])
            assert name is not None, check
            found.setdefault(name[1], set()).add(bool(check["exp_samples"]))
    return found


def test_every_alert_is_seen_to_fire_and_not_to_fire():
    """In the tests that promtool runs."""
    found: dict[str, set[bool]] = {}
    for file in TESTS:
        for name, outcomes in judged(file).items():
            found.setdefault(name, set()).update(outcomes)
    assert {name: found.get(name) for name in ALERTS if found.get(name) != {True, False}} == {}
    assert set(found) == set(ALERTS)


@pytest.mark.clients
@pytest.mark.timeout(300)
def test_promtool_takes_the_rules(tmp_path: Path):
    """And says when one is wrong."""
    checked = promtool("check", "rules", *FILES)
    assert checked.returncode == 0, checked.stdout
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(FILES[0].read_text().replace("max by (feed) (", "max by (feed) "))
    assert wrong.read_text() != FILES[0].read_text()
    assert promtool("check", "rules", wrong).returncode != 0


@pytest.mark.clients
@pytest.mark.timeout(600)
def test_alerts_fire_when_they_must_and_only_then():
    """What stands in rules/tests, judged by Prometheus' own program."""
    done = promtool("test", "rules", *TESTS, within=500)
    assert done.returncode == 0, done.stdout


@pytest.mark.clients
@pytest.mark.timeout(600)
@pytest.mark.parametrize("expression", ["vector(0) > 1", "vector(1)"], ids=["never", "always"])
def test_every_alert_that_is_broken_is_noticed(tmp_path: Path, expression: str):
    """An alert that never fires, and one that always does, fails a test that names it."""
    copy = tmp_path / "rules"
    shutil.copytree(RULES, copy)
    broken = yaml.safe_load((copy / "alerts.yml").read_text())
    for group in broken["groups"]:
        for rule in group["rules"]:
            rule["expr"] = expression
            rule.pop("for", None)
    (copy / "alerts.yml").write_text(yaml.safe_dump(broken))
    done = promtool("test", "rules", *sorted((copy / "tests").glob("*.yml")), within=500)
    noticed = set(re.findall(r'alertname=\\?"(\w+)', done.stdout))
    assert set(ALERTS) - noticed == set(), done.stdout[-2_000:]
