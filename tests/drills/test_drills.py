"""Drills: break a platform for real, see the alert fire within its time, and confirm it as the runbook says.

`make drill` runs them, several platforms at a time. Rules are those that are shipped, with their own `for`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.drills.drills import MARGIN, ROUNDS, Drill, Expected, Sight
from tests.drills.grounds import Grounds
from tests.drills.runbook import carried_out
from tests.drills.site import Site, can_have_a_small_disk, until
from tests.drills.watching import Watcher, alerting_rules, seconds_of

RULES = alerting_rules()
DRILLED = {each.alert for drills in ROUNDS for drill in drills for each in drill.expected}

pytestmark = [pytest.mark.drill, pytest.mark.timeout(1_200)]


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    """Platforms, one at a time."""
    kept = Grounds(tmp_path_factory.mktemp("drills"), DRILLED)
    yield kept
    kept.close()


def test_nothing_is_reported_while_all_is_well(grounds: Grounds):
    """For longer than any drilled alert waits; and the look for one that does not fire fails."""
    _, watcher = grounds.calm()
    ends = time.monotonic() + max(seconds_of(RULES[name]) for name in DRILLED) + MARGIN
    while time.monotonic() < ends:
        assert not DRILLED & watcher.firing(), watcher.told()
        time.sleep(1)
    assert not any(watcher.fires(name, {}) for name in DRILLED)
    with pytest.raises(AssertionError, match="RulesBroken fires"):
        _until_it_fires(Expected("RulesBroken", ()), watcher, within=1)
    grounds.in_order = True


def _rounds() -> list[object]:
    return [
        pytest.param(
            drills,
            id=", ".join(drill.name for drill in drills),
            marks=[pytest.mark.quick] if all(drill.quick for drill in drills) else [],
        )
        for drills in ROUNDS
    ]


@pytest.mark.parametrize("drills", _rounds())
def test_the_alert_fires_and_the_runbook_confirms_it(
    drills: tuple[Drill, ...], grounds: Grounds, record_property: pytest.RecordProperty
):
    """In its time, with nothing critical of another cause; and it is over when the fault is undone."""
    small_disk = any(drill.small_disk for drill in drills)
    if small_disk and not can_have_a_small_disk():
        pytest.skip("this machine lets nobody mount a file system of his own")
    site, watcher = grounds.calm(small_disk=small_disk)
    expected = [(drill, each) for drill in drills for each in drill.expected]
    sights = [sight for _, each in expected for sight in each.sights]
    seen = [sight.command for sight in sights if _shows(sight, site, watcher)]
    assert seen == [], "these show a fault before there is one"
    with ExitStack() as closing:
        struck = {}
        for drill in drills:
            drill.strike(site, closing)
            struck[drill.name] = time.monotonic()
        for drill, each in sorted(expected, key=lambda pair: struck[pair[0].name] + _within(pair[1])):
            took = _until_it_fires(each, watcher, within=_within(each), since=struck[drill.name])
            _confirm(each, site, watcher)
            record_property("drill", (drill.name, each.alert, took, [s.command for s in each.sights]))
        named = {each.alert for _, each in expected}
        assert watcher.firing("critical") <= named.union(*(drill.also for drill in drills)), watcher.told()
    for drill in drills:
        drill.mend(site)
    for drill in drills:
        if drill.over_within is not None:
            over = {(each.alert, tuple(each.labels.items())) for each in drill.expected}
            until(lambda over=over: _are_over(over, watcher), watcher.told, drill.over_within)
    grounds.in_order = all(drill.over_within is not None for drill in drills)


def _until_it_fires(each: Expected, watcher: Watcher, *, within: float, since: float | None = None) -> float:
    """Return the seconds it took since the blow."""
    since = time.monotonic() if since is None else since
    until(
        lambda: watcher.fires(each.alert, each.labels),
        lambda: f"{each.alert} fires\n{watcher.told()}",
        max(since + within - time.monotonic(), 0.0),
    )
    return time.monotonic() - since


def _confirm(each: Expected, site: Site, watcher: Watcher) -> None:
    for sight in each.sights:
        said = carried_out(sight.command, site, watcher, port=sight.port)
        assert sight.shows(said), f"{each.alert} fires, yet `{sight.command}` shows:\n{said[-3_000:]}"


def _within(each: Expected) -> float:
    """Seconds from the blow within which it must fire."""
    return each.holds_after + seconds_of(RULES[each.alert]) + MARGIN


def _shows(sight: Sight, site: Site, watcher: Watcher) -> bool:
    return sight.shows(carried_out(sight.command, site, watcher, port=sight.port))


def _are_over(alerts: set[tuple[str, tuple[tuple[str, str], ...]]], watcher: Watcher) -> bool:
    return not any(watcher.fires(name, dict(labels)) for name, labels in alerts)
