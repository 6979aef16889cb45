"""What a run of drills says at its end: how long each alert took, and what confirmed it."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line for each alert of each drill that was seen."""
    reports = [report for outcome in terminalreporter.stats.values() for report in outcome]
    rows = [
        value
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == "drill"
    ]
    if rows:
        terminalreporter.section("drills")
    for drill, alert, took, confirmed in rows:
        terminalreporter.line(f"{drill:24} {alert:28} {took:6.1f} s   {', '.join(confirmed)}")
