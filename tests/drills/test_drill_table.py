"""Drills, rules and runbook tell one story; and what a run of drills changes of the rules."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.drills.drills import ROUNDS, Drill
from tests.drills.runbook import TEXT, at_home, confirmations, needs_containers
from tests.drills.site import ROOT, Site, steady_ports
from tests.drills.watching import (
    OBSERVABILITY,
    RULES,
    SHORTER,
    alerting_rules,
    configured,
    rules_in,
    seconds_of,
)

from baleen.up import local_plan

DRILLS = [drill for drills in ROUNDS for drill in drills]


def unlike(drill: Drill, said: dict[str, list[str]]) -> set[str]:
    """The commands that only one of a drill and the runbook's entries has."""
    wrong: set[str] = set()
    for each in drill.expected:
        theirs = {command for command in said[each.alert] if not needs_containers(command)}
        wrong |= theirs ^ {sight.command for sight in each.sights}
    return wrong


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_a_drill_confirms_by_every_command_of_the_runbook(drill: Drill):
    """And by no other; only what asks a container engine is left out."""
    assert {each.alert for each in drill.expected} | drill.also <= set(alerting_rules())
    assert unlike(drill, confirmations()) == set()
    assert unlike(drill, {name: ["curl -s localhost:8001/other"] for name in confirmations()}) != set()


def test_the_runbook_lists_the_drills():
    """With the alerts that must fire."""
    rows = [f"| {d.name} | {', '.join(dict.fromkeys(e.alert for e in d.expected))} |" for d in DRILLS]
    assert [row for row in rows if row not in TEXT] == []
    assert TEXT.partition("## Drills")[2].count("\n|") == len(rows) + 2


def test_rules_are_judged_as_they_are_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Unless somebody asks for a shorter `for`, which a copy gets and nothing else of it."""
    monkeypatch.delenv(SHORTER, raising=False)
    shipped = alerting_rules()
    assert rules_in(tmp_path / "none") == OBSERVABILITY / "rules"
    assert seconds_of(shipped["TargetDown"]) == 60
    assert seconds_of(shipped["RestTokenRefused"]) == 0
    monkeypatch.setenv(SHORTER, "5s")
    copies = sorted(rules_in(tmp_path / "copy").glob("*.yml"))
    assert [copy.name for copy in copies] == [file.name for file in RULES]
    assert seconds_of(shipped["TargetDown"]) == 5
    for copy, file in zip(copies, RULES, strict=True):
        assert _without_for(copy) == _without_for(file)


def _without_for(file: Path) -> list[dict[str, str]]:
    groups = yaml.safe_load(file.read_text())["groups"]
    rules = [{**rule} for group in groups for rule in group["rules"]]
    for rule in rules:
        rule.pop("for", None)
    return rules


def test_prometheus_is_given_the_shipped_jobs():
    """Under their names, on this machine; a job that nobody has a target for is not passed over."""
    jobs = ["uw-ingest", "ws-gateway", "alert-bridge", "prometheus", "nats"]
    targets = {job: f"127.0.0.1:{number}" for number, job in enumerate(jobs, 20_000)}
    config = configured(targets, OBSERVABILITY / "rules")
    assert {job["job_name"]: job["static_configs"] for job in config["scrape_configs"]} == {
        job: [{"targets": [at]}] for job, at in targets.items()
    }
    del targets["nats"]
    with pytest.raises(KeyError, match="nats"):
        configured(targets, OBSERVABILITY / "rules")


def test_only_addresses_of_a_command_are_changed(tmp_path: Path):
    """The runbook's words, asked of the platform at hand."""
    site = Site(local_plan({}, root=ROOT, folder=tmp_path, ports=steady_ports()), tmp_path)
    ports = site.plan.ports
    asked = at_home("curl -s localhost:8002/readyz", site)
    assert asked.endswith(f" localhost:{ports.bridge}/readyz")
    assert f"--ingest http://localhost:{ports.ingest}" in at_home("baleen explain budget", site)
    assert str(site.rules) in at_home("alert-bridge rules check FILE", site)
