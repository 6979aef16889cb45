"""Who is told, when, and why not: each step of the road, and what repeating an alert does."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_bridge.reasons import Suppressed, Wait
from alert_bridge.rules.decide import Hold, Send, Suppress, decide, memory_span, remember
from alert_bridge.rules.memory import Memory
from alert_bridge.rules.model import Group, Match, Mute, Once, Quiet, Route, Rules
from alert_bridge.rules.names import Names
from alert_bridge.rules.seen import Seen, headline
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
    known = Memory() if memory is None else memory
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


@given(st.text("ab*?[]", min_size=1, max_size=6), st.text("ab?[]", max_size=6))
def test_a_pattern_means_what_its_stars_stand_for(pattern: str, name: str):
    """Only the star is special; compared with the plainest way of matching."""
    assert (name in Names([pattern])) == _means(pattern, name)


def _means(pattern: str, name: str) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(_means(pattern[1:], name[cut:]) for cut in range(len(name) + 1))
    return name[:1] == pattern[0] and _means(pattern[1:], name[1:])


def test_a_pattern_of_many_stars_is_no_trap():
    """What a hostile source name could cost is bounded."""
    began = perf_counter()

    assert "a" * 199 + "!" not in Names(["*a" * 40 + "b"])
    assert perf_counter() - began < 1


def test_an_alert_without_a_symbol_fits_no_symbol():
    """Not even the star, which asks for one."""
    assert told(one_route(match=Match(symbols=("*",))), alert(symbol=None)) == [Suppressed.NOT_ROUTED]


@pytest.mark.parametrize(
    ("severity", "told_at_warning"),
    [("critical", True), ("WARNING", True), ("info", False), (None, False), ("page-me", False)],
)
def test_severity_is_the_least_that_fits(severity: str | None, told_at_warning: bool):
    """An absent or unknown severity counts as ``info``."""
    found = told(one_route(match=Match(severity=Severity.WARNING)), alert(severity=severity))

    assert found == [Send if told_at_warning else Suppressed.NOT_ROUTED]


@given(st.builds(dict, title=st.none() | st.text(max_size=9), symbol=st.none() | st.sampled_from("AB"),
                 labels=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
                 embed=st.none() | st.just({"title": "t", "fields": [{"name": "n"}]}),
                 more_embeds=st.lists(st.just({"a": 1}), max_size=2)))  # fmt: skip
def test_a_filter_sees_an_alert_as_its_json_reads(said: dict[str, Any]):
    """The quick way of making the fields gives what the JSON of the stream gives."""
    one = alert(**said)
    plain = Seen(one).plain
    read = json.loads(one.to_json())

    for name in ("occurred_at", "received_at"):
        assert datetime.fromisoformat(plain[name]) == datetime.fromisoformat(read.pop(name))
        del plain[name]
    assert {name: value for name, value in plain.items() if value is not None} == read


def test_the_first_route_that_leads_there_decides():
    """A route that fits ends the search, unless it goes on."""
    first = Route("first", Match(types=("flow",)), frozenset({"ops"}))
    rest = Route("rest", Match(), frozenset({"desk"}))

    assert told(Rules(routes=(first, rest)), alert()) == [Suppressed.NOT_ROUTED]
    assert told(Rules(routes=(replace(first, goes_on=True), rest)), alert()) == [Send]
    assert told(Rules(routes=(first, rest)), alert(alert_type="news")) == [Send]
    assert told(Rules(routes=(first, rest)), alert(), desk="ops") == [Send]
    assert told(Rules(), alert()) == [Suppressed.NOT_ROUTED]


def test_a_mute_keeps_an_alert_away_until_it_ends():
    """It may be for some destinations only, and what no route leads to is not muted but not routed."""
    mute = Mute("works", Match(sources=("bot",)), until=NOON + timedelta(hours=1), to=frozenset({"desk"}))
    rules = replace(one_route(to=frozenset({"desk", "ops"})), mutes=(mute,))

    assert told(rules, alert()) == [Suppressed.MUTED]
    assert told(rules, after(3_600)) == [Send]
    assert told(rules, alert(), desk="ops") == [Send]
    assert told(rules, alert(), desk="nowhere") == [Suppressed.NOT_ROUTED]
    assert decide(rules, "desk", alert(), Memory(), now=NOON) == Suppress(
        Suppressed.MUTED, "all", 'by the mute "works"'
    )


def test_an_alert_of_equal_keys_is_a_duplicate_within_the_time():
    """From the first on, not from the last: a steady stream of them is let through now and then."""
    rules = one_route(dedupe=Once(("symbol", "headline"), 300))

    assert told(rules, alert(), after(200), after(299), after(301), after(400)) == [
        Send, Suppressed.DUPLICATE, Suppressed.DUPLICATE, Send, Suppressed.DUPLICATE,
    ]  # fmt: skip
    assert told(rules, alert(), after(1, symbol="QQQ"), after(2, title="SPY breaks 999, down 3%")) == [
        Send, Send, Send,
    ]  # fmt: skip


def test_a_price_that_ticks_is_the_same_headline():
    """Digits and ``$ . , %`` do not count, nor does case; the words do."""
    rules = one_route(dedupe=Once(("headline",), 300))

    assert told(rules, alert(), after(1, title="Spy breaks $572.05"), after(2, title="SPY holds 571.20")) == [
        Send, Suppressed.DUPLICATE, Send,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"title": "SPY $571.20, up 3%"}, "spy up"),
        ({"title": None, "content": "\n Gamma flip \nat 5,710"}, "gamma flip"),
        ({"title": None, "embed": {"description": "Squeeze 7\nmore"}}, "squeeze"),
        ({"title": None, "embed": {"description": 7}}, None),
        ({"title": "571.20"}, None),
        ({"title": None}, None),
    ],
)
def test_a_headline_is_the_first_line_that_there_is(said: dict[str, Any], expected: str | None):
    """Alerts without a title are not all alike."""
    assert headline(alert(**said)) == expected


def test_what_has_none_of_the_keys_is_like_no_other():
    """Nothing says that two alerts without a symbol are about the same."""
    bare = {"symbol": None, "labels": {}}

    for once in ({"dedupe": Once(("symbol", "labels.trade"), 300)}, {"cooldown": Once(("symbol",), 300)}):
        assert told(one_route(**once), alert(**bare), after(1, **bare)) == [Send, Send]


def test_a_cooldown_lets_one_through_in_each_stretch():
    """What it suppressed does not make it longer; without keys it is for all alerts together."""
    rules = one_route(cooldown=Once((), 60))

    assert told(rules, alert(), after(30, symbol="QQQ"), after(59), after(61), after(62)) == [
        Send, Suppressed.COOLDOWN, Suppressed.COOLDOWN, Send, Suppressed.COOLDOWN,
    ]  # fmt: skip


def test_who_was_not_told_of_one_is_told_of_the_next_like_it():
    """What cooldown or quiet hours suppressed hides nothing: dedupe notes only what is let through."""
    rules = one_route(dedupe=Once(("title",), 3_600), cooldown=Once(("symbol",), 60))
    news = {"title": "another"}
    assert told(rules, alert(), after(30, **news), after(61, **news)) == [Send, Suppressed.COOLDOWN, Send]

    at_dawn = datetime(2026, 11, 20, 10, 59, tzinfo=UTC)
    rules = one_route(dedupe=Once(("title",), 3_600), quiet=NIGHT)
    assert told(rules, alert(at=at_dawn), alert(2, at=at_dawn + timedelta(minutes=2))) == [
        Suppressed.QUIET_HOURS, Send,
    ]  # fmt: skip


def test_each_destination_and_each_route_has_its_own_times():
    """One memory may serve several destinations."""
    rules = one_route(dedupe=Once(("symbol",), 300), to=frozenset({"desk", "ops"}))
    memory = Memory()

    assert told(rules, alert(), memory=memory) == [Send]
    assert told(rules, after(1), memory=memory, desk="ops") == [Send]
    assert told(rules, after(2), memory=memory) == [Suppressed.DUPLICATE]
    assert told(one_route(name="other", dedupe=Once(("symbol",), 300)), after(2), memory=memory) == [Send]


def test_an_alert_is_no_duplicate_of_itself():
    """The stream brings it again after a restart; the same id sent anew later is another alert."""
    rules = one_route(dedupe=Once(("id",), 300))

    assert told(rules, alert(), alert(), alert()) == [Send, Send, Send]
    assert told(rules, alert(), alert(at=NOON + timedelta(seconds=9))) == [Send, Suppressed.DUPLICATE]
    unnamed = [alert(id=None), alert(id=None), alert(id=None, url="http://x.test")]
    assert told(one_route(dedupe=Once(("symbol",), 300)), *unnamed) == [Send, Send, Suppressed.DUPLICATE]


def test_an_alert_that_died_on_the_way_hides_nothing():
    """Nobody was told, so the next like it is let through; a later note is not taken back."""
    rules = one_route(dedupe=Once(("symbol",), 300))
    memory = Memory()
    first = decide(rules, "desk", alert(), memory, now=NOON)
    memory.forget(first.notes)

    assert told(rules, after(1), memory=memory) == [Send]
    memory.forget(first.notes)
    assert told(rules, after(2, 3), memory=memory) == [Suppressed.DUPLICATE]


def test_an_alert_that_was_received_earlier_and_stored_later_is_a_repeat_too():
    """A spool may bring it late; one received long before is told."""
    rules = one_route(dedupe=Once(("symbol",), 300))

    assert told(rules, alert(), after(-200), after(-400)) == [Send, Suppressed.DUPLICATE, Send]


def test_one_wild_time_does_not_switch_a_rule_off():
    """The newest that was let through counts, whatever time it claims."""
    rules = one_route(cooldown=Once(("symbol",), 60))
    mad = alert(2, at=datetime(9999, 12, 31, 23, 59, tzinfo=UTC))

    assert told(rules, alert(), mad, after(10, 3), after(20, 4)) == [Send, Send, Send, Suppressed.COOLDOWN]


@pytest.mark.parametrize("at", [datetime.min, datetime.max])  # noqa: DTZ901 - the zone follows
@pytest.mark.parametrize("quiet", [None, NIGHT])
def test_the_first_and_the_last_time_of_the_calendar_are_decided_too(at: datetime, quiet: Quiet | None):
    """A publisher may say any time; nothing is raised."""
    rules = one_route(quiet=quiet, group=Group((), 60, 5), dedupe=Once(("symbol",), 60))

    assert told(rules, alert(at=at.replace(tzinfo=UTC)))


def test_quiet_hours_drop_or_hold_what_is_not_urgent():
    """A held alert waits for their end, under one key for the night."""
    at = {"at": IN_THE_NIGHT}
    assert told(one_route(quiet=NIGHT), alert(**at)) == [Suppressed.QUIET_HOURS]
    assert told(one_route(quiet=replace(NIGHT, unless=Severity.ERROR)), alert(severity="critical", **at)) == [
        Send
    ]

    held = one_route(quiet=replace(NIGHT, hold=True))
    memory = Memory()
    first = decide(held, "desk", alert(**at), memory, now=IN_THE_NIGHT)
    second = decide(held, "desk", alert(2, symbol="QQQ"), memory, now=IN_THE_NIGHT + timedelta(hours=3))
    next_night = decide(held, "desk", alert(3), memory, now=IN_THE_NIGHT + timedelta(days=1))
    assert (first.why, first.until, first.most) == (
        Wait.QUIET_HOURS, datetime(2026, 11, 20, 11, tzinfo=UTC), None,
    )  # fmt: skip
    assert first.key == second.key != next_night.key


def test_a_group_holds_alerts_of_equal_keys_for_a_digest():
    """How long depends on the alert alone, so a replay groups the same way."""
    rules = one_route(group=Group(("symbol",), 30, 5))
    found = [
        decide(rules, "desk", one, Memory(), now=one.received_at)
        for one in (alert(), after(20), after(20, symbol="QQQ"), after(20, symbol=None))
    ]

    assert [one.until - NOON for one in found] == [timedelta(seconds=s) for s in (30, 50, 50, 50)]
    assert {(one.why, one.most, one.route) for one in found} == {(Wait.GROUPED, 5, "all")}
    assert found[0].key == found[1].key
    assert len({one.key for one in found}) == 3


def test_held_alerts_count_as_told():
    """The digest will say the first; the second like it is a duplicate."""
    rules = one_route(group=Group((), 30, 5), dedupe=Once(("symbol",), 300))

    assert told(rules, alert(), after(1)) == [Hold, Suppressed.DUPLICATE]


def test_edits_and_deletions_pass_dedupe_cooldown_and_group():
    """They change what was said; a deletion makes no sound, so the night is no reason either."""
    rules = one_route(
        dedupe=Once(("symbol",), 300), cooldown=Once((), 300), group=Group((), 30, 5), quiet=NIGHT
    )
    edit, deletion = {"labels": {"discord.edits": "1"}}, {"labels": {"discord.deletes": "1"}}

    assert told(rules, alert(), after(1, **edit), after(2, **edit), after(3, **deletion)) == [
        Hold, Send, Send, Send,
    ]  # fmt: skip
    assert told(rules, alert(at=IN_THE_NIGHT, **edit)) == [Suppressed.QUIET_HOURS]
    assert told(rules, alert(at=IN_THE_NIGHT, **deletion)) == [Send]
    muted = replace(rules, mutes=(Mute("all", Match()),))
    assert told(muted, alert(**edit), alert(**deletion)) == [Suppressed.MUTED, Suppressed.MUTED]


def test_long_keys_are_kept_short():
    """A memory of many notes holds no bodies of alerts; what differs at the end differs still."""
    one, other = (Seen(alert(content="x" * 19_000 + end)).key(("content", "embed")) for end in "ab")

    assert one != other
    assert max(len(part) for part in one if part) <= 64


def test_the_span_is_that_of_the_longest_rule():
    """So far back a memory must be rebuilt."""
    assert memory_span(Rules()) == 0
    assert memory_span(one_route(dedupe=Once(("symbol",), 300), cooldown=Once((), 900))) == 900


@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from("abc"), st.sampled_from("xy")), max_size=40),
    st.integers(0, 40),
)
def test_a_memory_that_was_rebuilt_decides_the_same(said: list[tuple[int, str, str]], cut: int):
    """What was let through within the span before a point is all that counts after it."""
    rules = one_route(dedupe=Once(("title",), 20), cooldown=Once(("symbol",), 10))
    seconds, alerts = 0, []
    for number, (wait, title, symbol) in enumerate(said):
        seconds += wait
        alerts.append(after(seconds, number, title=title, symbol=symbol))
    whole = told(rules, *alerts)
    rebuilt = Memory()
    for one, end in zip(alerts[:cut], whole[:cut], strict=True):
        if end is Send and alerts[cut:] and _apart(one, alerts[cut]) <= memory_span(rules):
            remember(rules, "desk", one, rebuilt, now=one.received_at)

    assert told(rules, *alerts[cut:], memory=rebuilt) == whole[cut:]


def _apart(one: Alert, other: Alert) -> float:
    return (other.received_at - one.received_at).total_seconds()
