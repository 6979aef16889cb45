"""Drills: break a platform for real, see the alert fire within its time, and confirm it as the runbook says.

`make drill` runs them, several platforms at a time. Rules are those that are shipped, with their own `for`.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.drills.drills import DRILLS, MARGIN, Drill, Expected, Sight
from tests.drills.runbook import carried_out
from tests.drills.site import Site, can_have_a_small_disk, running_site, until
from tests.drills.watching import Watcher, alerting_rules, seconds_of, watching

RULES = alerting_rules()

pytestmark = [pytest.mark.drill, pytest.mark.timeout(900)]


def _params() -> list[object]:
    return [
        pytest.param(drill, id=drill.name, marks=[pytest.mark.quick] if drill.quick else [])
        for drill in DRILLS
    ]


@pytest.mark.parametrize("drill", _params())
def test_the_alert_fires_and_the_runbook_confirms_it(
    drill: Drill, tmp_path: Path, record_property: pytest.RecordProperty
):
    """In its time, with nothing critical of another cause; and it is over when the fault is undone."""
    if drill.small_disk and not can_have_a_small_disk():
        pytest.skip("this machine lets nobody mount a file system of his own")
    with (
        running_site(tmp_path / "site", small_disk=drill.small_disk) as site,
        watching(site) as watcher,
        ExitStack() as closing,
    ):
        watcher.until_calm()
        sights = [sight for each in drill.expected for sight in each.sights]
        seen = [sight.command for sight in sights if _shows(sight, site, watcher)]
        assert seen == [], "these show a fault before there is one"
        drill.strike(site, closing)
        began = time.monotonic()
        for each in sorted(drill.expected, key=_within):
            row = _fires_and_is_confirmed(each, site, watcher, began)
            record_property("drill", (drill.name, *row))
        named = {each.alert for each in drill.expected}
        assert watcher.firing("critical") <= named | drill.also, watcher.told()
        closing.close()
        drill.mend(site)
        if drill.over_within is not None:
            until(lambda: not named & watcher.firing(), watcher.told, drill.over_within)


def _fires_and_is_confirmed(
    each: Expected, site: Site, watcher: Watcher, began: float
) -> tuple[str, float, str]:
    """Return what the report says of it."""
    left = began + _within(each) - time.monotonic()
    until(
        lambda: watcher.fires(each.alert, each.labels),
        lambda: f"{each.alert} fires\n{watcher.told()}",
        max(left, 0.0),
    )
    took = time.monotonic() - began
    for sight in each.sights:
        said = carried_out(sight.command, site, watcher, port=sight.port)
        assert sight.shows(said), f"{each.alert} fires, yet `{sight.command}` shows:\n{said[-3_000:]}"
    return each.alert, took, ", ".join(f"`{sight.command}`" for sight in each.sights)


def _within(each: Expected) -> float:
    """Seconds from the blow within which it must fire."""
    return each.holds_after + seconds_of(RULES[each.alert]) + MARGIN


def _shows(sight: Sight, site: Site, watcher: Watcher) -> bool:
    return sight.shows(carried_out(sight.command, site, watcher, port=sight.port))
