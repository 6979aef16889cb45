"""Every rule, asked of a real Prometheus that scrapes the real services while almost all is well."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from observability.promql import metrics_of
from tests.observability.nats_told import exporting
from tests.observability.platform_running import running_platform
from tests.observability.scraping import Prometheus, prometheus

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "observability" / "prometheus" / "rules"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
PORTS = {"8000": "ws-gateway", "8001": "uw-ingest", "8002": "alert-bridge"}
SETTLED_WITHIN = 150.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

TRUE_HERE = {"DestinationFailing", "AlertsWaiting"}
"""The platform's one destination leads nowhere, and an alert waits for it: sooner or later these say so."""

SILENT_WHILE_WELL = {
    "baleen_gateway_closes_total",
    "baleen_gateway_denials_total",
    "baleen_ingest_dropped_total",
    "baleen_ingest_upstream_failures_total",
    "baleen_alert_bridge_account_dead",
    "baleen_alert_bridge_watch_failures_total",
}
"""What has a sample only once something went wrong; the tests in rules/tests make them speak."""


def _rules() -> list[dict[str, Any]]:
    groups = [
        group for file in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(file.read_text())["groups"]
    ]
    return [rule for group in groups for rule in group["rules"]]


RECORDED = {rule["record"]: rule["expr"] for rule in _rules() if "record" in rule}
ALERTS = {rule["alert"]: rule["expr"] for rule in _rules() if "alert" in rule}


def spelt_out(expression: str) -> str:
    """The expression with what is recorded in place of its name."""
    for name in sorted(RECORDED, key=len, reverse=True):
        expression = re.sub(
            re.escape(name) + r"(\[\w+)?",
            lambda found, name=name: f"({spelt_out(RECORDED[name])})" + (f"{found[1]}:" if found[1] else ""),
            expression,
        )
    return expression


def holding(seen: Prometheus) -> set[str]:
    """The alerts whose expressions hold now."""
    return {name for name, expression in ALERTS.items() if seen.ask(spelt_out(expression))}


def mute(seen: Prometheus) -> set[str]:
    """The metrics of rules that have no sample now."""
    names = {name for rule in _rules() for name in metrics_of(spelt_out(rule["expr"]))}
    return {name for name in names if not seen.ask(f"count({name})")}


def unanswered(urls: Mapping[str, str], text: str) -> list[str]:
    """The paths of services that a text has somebody ask for, and that there are not."""
    paths = set(re.findall(r"localhost:(800\d)(/[^\s'`]*)", text))
    assert paths
    with httpx.Client(trust_env=False, timeout=20) as http:
        return [path for port, path in paths if http.get(urls[PORTS[port]] + path).status_code == 404]


def unspoken(text: str) -> list[str]:
    """The commands that a text has somebody give, and that there are not."""
    found = []
    for command in sorted(set(re.findall(r"`baleen ((?:alerts )?[a-z]+)", text))):
        asked = [sys.executable, "-m", "baleen", *command.split(), "--help"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
        found += [command] if done.returncode else []
    return found


def test_the_runbook_names_commands_that_there_are():
    """Whoever is called at night types what stands there."""
    assert unspoken(RUNBOOK) == []
    assert unspoken("`baleen alerts agian`") == ["alerts agian"]


def test_what_rules_read_is_there_and_nothing_is_reported_while_all_is_well(tmp_path: Path):
    """Every metric has data, or is one that appears with the first fault; no alert is about to fire."""
    with running_platform(tmp_path) as platform, exporting(platform.monitor) as nats:
        targets = {job: url.removeprefix("http://") for job, url in platform.urls.items()} | {"nats": nats}
        with prometheus(targets, tmp_path) as seen:
            deadline = time.monotonic() + SETTLED_WITHIN
            while (
                mute(seen) - SILENT_WHILE_WELL or holding(seen) - TRUE_HERE
            ) and time.monotonic() < deadline:
                time.sleep(2)
            assert mute(seen) - SILENT_WHILE_WELL == set()
            assert holding(seen) - TRUE_HERE == set()
            assert unanswered(platform.urls, RUNBOOK) == []
            assert unanswered(platform.urls, "`curl -s localhost:8001/stauts`") == ["/stauts"]
            assert seen.ask(spelt_out(ALERTS["TargetDown"]).replace("== 0", "== 1"))
