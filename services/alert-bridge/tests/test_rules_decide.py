"""Who is told, when, and why not: each step of the road, and what repeating an alert does."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_bridge.reasons import Suppressed, Wait
from alert_bridge.rules.decide import Hold, Send, Suppress, decide, memory_span
from alert_bridge.rules.memory import Memory
from alert_bridge.rules.model import Group, Match, Mute, Once, Quiet, Route, Rules
from baleen_contracts.alert import Alert, Severity
from baleen_filters import compile_filter, fields_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")
NIGHT = Quiet(NEW_YORK, time(22), time(6))
IN_THE_NIGHT = datetime(2026, 11, 20, 5, tzinfo=UTC)
FIELDS = fields_of([Alert])


def alert(number: int = 1, *, at: datetime = NOON, **said: Any) -> Alert:
    """An alert with an id of its own."""
    fields = {"alert_type": "flow", "source": "bot", "symbol": "SPY", "title": "SPY breaks 571.20"}
    return Alert(**{"id": f"a{number}", "occurred_at": at, "received_at": at, **fields, **said})


def one_route(**said: Any) -> Rules:
    """Rules of one route to the desk that means everything."""
    return Rules(routes=(Route(**{"name": "all", "match": Match(), "to": frozenset({"desk"}), **said}),))


def told(rules: Rules, *alerts: Alert, memory: Memory | None = None, desk: str = "desk") -> list[Any]:
    """What is decided of each, in this order; the reason alone where it is suppressed."""
    known = memory or Memory()
    decisions = [decide(rules, desk, one, known, now=one.received_at) for one in alerts]
    return [found.reason if isinstance(found, Suppress) else type(found) for found in decisions]


def after(seconds: float, number: int = 2, **said: Any) -> Alert:
    """Another alert, so many seconds after noon."""
    return alert(number, at=NOON + timedelta(seconds=seconds), **said)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Match(), True),
        (Match(types=("FLOW",)), True),
        (Match(types=("dark_pool", "fl*")), True),
        (Match(types=("low",)), False),
        (Match(types=("f?ow",)), False),
        (Match(types=("[f]low",)), False),
        (Match(sources=("b*t",)), True),
        (Match(sources=("robot",)), False),
        (Match(symbols=("spy", "qqq")), True),
        (Match(symbols=("*",)), True),
        (Match(symbols=("QQQ",)), False),
        (Match(severity=Severity.INFO), True),
        (Match(severity=Severity.WARNING), False),
        (Match(where=compile_filter('title contains "breaks"', FIELDS)), True),
        (Match(types=("flow",), where=compile_filter('labels.desk == "x"', FIELDS)), False),
    ],
)
def test_a_route_means_an_alert_that_fits_all_of_its_conditions(match: Match, fits: bool):
    """Names are compared without case, with only the star special; an absent severity is ``info``."""
    assert told(one_route(match=match), alert()) == [Send if fits else Suppressed.NOT_ROUTED]
