"""Every rule, asked of a real Prometheus that scrapes the real services while almost all is well."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from observability.promql import metrics_of
from tests.observability.nats_told import exporting
from tests.observability.platform_running import running_platform
from tests.observability.scraping import Prometheus, prometheus

RULES = Path(__file__).resolve().parents[2] / "observability" / "prometheus" / "rules"
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
            assert seen.ask(spelt_out(ALERTS["TargetDown"]).replace("== 0", "== 1"))
