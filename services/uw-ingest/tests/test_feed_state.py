"""What is said about a feed, and why."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_contracts.feed import FeedState
from uw_ingest.channels import Hours, Rhythm
from uw_ingest.feeds.feed_state import PollFacts, SocketFacts, judge, judge_poll
from uw_ingest.feeds.market_hours import Phase

SPEAKING = SocketFacts(
    rhythm=Rhythm.STEADY,
    hours=Hours.REGULAR,
    phase=Phase.REGULAR,
    connected=True,
    connection="",
    joined=True,
    connected_for=1000,
    heard_ago=1,
    siblings_heard_ago=1,
)


def but(**changes: Any) -> SocketFacts:
    """A healthy steady feed in market hours, but for this."""
    return dataclasses.replace(SPEAKING, **changes)


@pytest.mark.parametrize(
    ("facts", "state", "why"),
    [
        (SPEAKING, FeedState.LIVE, ""),
        (but(disabled=True), FeedState.DISABLED, "no upstream is configured"),
        (but(entitled=False, connected=False, connection="no scope"), FeedState.NOT_ENTITLED, "no scope"),
        (but(connected=False, connection="lost"), FeedState.RECONNECTING, "lost"),
        (but(joined=False, heard_ago=None, connected_for=1), FeedState.RECONNECTING, "joining"),
        (but(joined=False, heard_ago=None, unjoined="limit of 50"), FeedState.STALE, "limit of 50"),
        (but(backfilling=True), FeedState.BACKFILLING, "what was missed is being asked for over REST"),
        (but(joined=False, heard_ago=None), FeedState.STALE, "the join was never answered"),
        (
            but(joined=False, heard_ago=None, refused="add-on"),
            FeedState.NOT_ENTITLED,
            "upstream refused the channel: add-on",
        ),
        (but(heard_ago=46), FeedState.STALE, "silent while its siblings speak"),
        (but(heard_ago=46, siblings_heard_ago=46), FeedState.STALE, "silent, like everything on its socket"),
        (but(heard_ago=None, connected_for=10), FeedState.QUIET, "just joined"),
        (
            but(heard_ago=99, siblings_heard_ago=99, connected_for=1, mute_before=True),
            FeedState.STALE,
            "silent, like everything on its socket",
        ),
        (but(heard_ago=1, connected_for=1, mute_before=True), FeedState.LIVE, ""),
        (but(heard_ago=46, phase=Phase.CLOSED), FeedState.QUIET, "the market is closed"),
        (but(heard_ago=46, phase=Phase.EXTENDED), FeedState.QUIET, "the market is closed"),
        (
            but(heard_ago=46, phase=Phase.EXTENDED, hours=Hours.EXTENDED),
            FeedState.STALE,
            "silent while its siblings speak",
        ),
        (but(heard_ago=46, phase=Phase.UNKNOWN), FeedState.QUIET, "the market is closed"),
        (but(heard_ago=290, rhythm=Rhythm.EVENTFUL), FeedState.LIVE, ""),
        (but(heard_ago=4000, rhythm=Rhythm.EVENTFUL), FeedState.QUIET, "nothing happened"),
        (but(heard_ago=1, phase=Phase.CLOSED), FeedState.LIVE, ""),
    ],
)
def test_each_situation_has_its_state_and_its_reason(facts: SocketFacts, state: FeedState, why: str):
    """Silence is judged by hours, rhythm and siblings; speech is always live."""
    assert (judge(facts).state, judge(facts).why) == (state, why)


@given(
    st.sampled_from(Rhythm),
    st.sampled_from(Hours),
    st.floats(0, 1e6),
    st.none() | st.floats(0, 1e6),
)
def test_outside_market_hours_no_silence_is_stale(
    rhythm: Rhythm, hours: Hours, connected_for: float, heard_ago: float | None
):
    """A joined feed is never called stale at night."""
    night = but(
        rhythm=rhythm, hours=hours, phase=Phase.CLOSED, connected_for=connected_for, heard_ago=heard_ago
    )

    assert judge(night).state in (FeedState.LIVE, FeedState.QUIET)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (PollFacts(every=30, answered_ago=89), FeedState.LIVE),
        (PollFacts(every=30, answered_ago=91, failing="status 502"), FeedState.STALE),
        (PollFacts(every=30, started_ago=1), FeedState.RECONNECTING),
        (PollFacts(every=30, started_ago=91), FeedState.STALE),
        (PollFacts(every=30, refused="status 403"), FeedState.NOT_ENTITLED),
        (PollFacts(every=30, disabled=True), FeedState.DISABLED),
    ],
)
def test_a_polled_feed_is_judged_by_its_answers(facts: PollFacts, state: FeedState):
    """Three missed answers make it stale, a refusal not entitled."""
    assert judge_poll(facts).state is state
