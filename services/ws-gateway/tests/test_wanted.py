"""What is wished for is what some client wants, or wanted a moment ago, and never too much."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as chosen
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ws_gateway.fleet.wanted import LeftOut, Wanted, flaw_of

TOPICS = [f"uw.v1.gex.{name}" for name in "ABCDEFG"]
MOST, LINGER = 3, 5.0


@pytest.mark.parametrize(
    ("topic", "flaw"),
    [
        ("uw.v1.gex.SPY", None),
        ("uw.v1.gex.*", None),
        ("uw.v1.gex_strike.SPY.>", None),
        ("uw.v1.flow_alert.*", None),
        ("alert.v1.entry.SPY", LeftOut.NOT_UPSTREAM),
        ("alert.v1.>", LeftOut.NOT_UPSTREAM),
        ("uw", LeftOut.NOT_UPSTREAM),
        ("uw.v1", LeftOut.NOT_UPSTREAM),
        (">", LeftOut.TOO_WIDE),
        ("uw.>", LeftOut.TOO_WIDE),
        ("uw.v1.>", LeftOut.TOO_WIDE),
        ("uw.v1.*.SPY", LeftOut.TOO_WIDE),
        ("*.*.gex.SPY", LeftOut.TOO_WIDE),
        ("uw.v1.gex." + "x" * 300, LeftOut.MALFORMED),
        ("uw.v1.gex.é", LeftOut.MALFORMED),
    ],
)
def test_only_upstream_topics_that_name_a_kind_are_wished_for(topic: str, flaw: LeftOut | None):
    """Who listens to everything hears what flows anyway; it does not have everything opened."""
    assert flaw_of(topic) is flaw


def test_a_page_that_is_loaded_again_changes_nothing():
    """A topic lingers after the last lane that wanted it, and is dropped only then."""
    wanted = Wanted(linger=5.0)
    wanted.change(TOPICS[:1], (), now=0.0)
    assert wanted.settle(0.0) == {TOPICS[0]}
    wanted.change((), TOPICS[:1], now=1.0)
    assert wanted.settle(2.0) == {TOPICS[0]}
    assert wanted.due == 6.0
    wanted.change(TOPICS[:1], (), now=3.0)
    assert wanted.due is None
    assert wanted.settle(100.0) == {TOPICS[0]}
    wanted.change((), TOPICS[:1], now=100.0)
    assert wanted.settle(104.9) == {TOPICS[0]}
    assert wanted.settle(105.0) == frozenset()


def test_a_topic_is_wanted_until_the_last_lane_is_gone():
    """Two lanes that want the same count twice."""
    wanted = Wanted(linger=0.0)
    wanted.change(TOPICS[:2], (), now=0.0)
    assert not wanted.change(TOPICS[:1], (), now=0.0)
    assert not wanted.change((), TOPICS[:1], now=0.0)
    assert wanted.settle(1.0) == set(TOPICS[:2])
    assert wanted.change((), TOPICS[:1], now=1.0)
    assert wanted.settle(1.0) == {TOPICS[1]}


def test_what_is_over_the_bound_waits_and_the_reason_is_told():
    """First come, first served; a topic that only lingers gives its place up."""
    wanted = Wanted(most=2, linger=5.0)
    wanted.change(TOPICS[:3], (), now=0.0)
    assert len(wanted.settle(0.0)) == 2
    (late,) = set(TOPICS[:3]) - wanted.settle(0.0)
    assert wanted.left_out == 1
    assert wanted.why_not(late) is LeftOut.TOO_MANY
    (gone, _) = wanted.settle(0.0)
    wanted.change((), [gone], now=1.0)
    assert late in wanted.settle(1.0)
    assert gone not in wanted.settle(1.0)
    assert (wanted.left_out, wanted.why_not(late)) == (0, None)


class Coming(RuleBasedStateMachine):
    """Lanes come and go, time passes, and what is wished for is settled now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = Wanted(most=MOST, linger=LINGER)
        self.lanes: list[frozenset[str]] = []
        self.now = 0.0
        self.gone_at: dict[str, float] = {}

    @rule(topics=st.frozensets(st.sampled_from(TOPICS), max_size=4))
    def come(self, topics: frozenset[str]) -> None:
        """A lane appears."""
        self.lanes.append(topics)
        self.wanted.change(topics, (), self.now)

    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        """A lane disappears."""
        if self.lanes:
            lane = self.lanes.pop(data.draw(st.integers(0, len(self.lanes) - 1)))
            self.wanted.change((), lane, self.now)
            self.gone_at |= dict.fromkeys(lane, self.now)

    @rule(seconds=st.floats(0.1, 7.0))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @invariant()
    def what_is_wished_for_is_wanted_or_lingers(self) -> None:
        """Never too many, never what nobody wants, and no place is left while something waits."""
        wished = self.wanted.settle(self.now)
        counts = Counter(topic for lane in self.lanes for topic in lane)
        assert len(wished) <= MOST
        for topic in wished - set(counts):
            assert self.now - self.gone_at[topic] < LINGER
        unserved = set(counts) - wished
        assert self.wanted.left_out == len(unserved)
        if unserved:
            assert len(wished) == MOST
            assert wished <= set(counts)


Coming.TestCase.settings = chosen(max_examples=150, stateful_step_count=30)
TestComing = Coming.TestCase


@given(st.lists(st.frozensets(st.sampled_from(TOPICS)), max_size=20))
def test_when_all_have_left_nothing_is_kept(lanes: list[frozenset[str]]):
    """No count, no wish and no memory stays of clients that are gone."""
    wanted = Wanted(most=MOST, linger=LINGER)
    for lane in lanes:
        wanted.change(lane, (), 0.0)
        wanted.settle(0.0)
    for lane in lanes:
        wanted.change((), lane, 1.0)
    assert wanted.settle(1.0 + LINGER) == frozenset()
    assert (wanted.wished, wanted.left_out, wanted.due) == (0, 0, None)
