"""The conversation with upstream, read as transcripts."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uw_ingest.protocol import (
    Closed,
    Command,
    Complained,
    Event,
    FeedProtocol,
    FramesReceived,
    Hangup,
    JoinAnswered,
    Joined,
    Opened,
    Patience,
    SendText,
    TimePassed,
)

QUICK = Patience(join_pace=1, answer_within=30, answer_at_most=100, unanswered_for=75, mute_after=90)


def join(channel: str) -> SendText:
    """The frame that joins a channel."""
    return SendText(json.dumps({"channel": channel, "msg_type": "join"}, separators=(",", ":")))


def accepted(channel: str, at: float) -> JoinAnswered:
    """Upstream's ok."""
    return JoinAnswered(channel, accepted=True, at=at)


def play(feed: FeedProtocol, *events: Event) -> list[Command]:
    """Everything that was said to these events."""
    return [command for event in events for command in feed.handle(event)]


def test_every_channel_is_joined_once_at_a_pace():
    """Joins follow each other at the pace, and an accepted one is not repeated."""
    feed = FeedProtocol(["news", "price"], QUICK)

    assert feed.handle(Opened(at=0)) == [join("news")]
    assert feed.handle(TimePassed(at=0.5)) == []
    assert feed.handle(TimePassed(at=1)) == [join("price")]
    assert play(feed, accepted("news", 1.1), accepted("price", 1.2), TimePassed(at=60)) == []


def test_a_join_is_a_json_text_with_the_names_that_upstream_wants():
    """The frame's words are exactly those that upstream understands."""
    (said,) = FeedProtocol(["gex:SPY"]).handle(Opened(at=0))

    assert said == SendText('{"channel":"gex:SPY","msg_type":"join"}')


def test_a_lost_join_is_sent_again_until_it_is_answered():
    """No answer in 30 s repeats the join; the interval doubles up to its limit."""
    feed = FeedProtocol(["news", "price"], QUICK)
    play(feed, Opened(at=0), TimePassed(at=1), accepted("price", 1.1))

    assert feed.handle(TimePassed(at=29)) == []
    assert feed.handle(TimePassed(at=30)) == [join("news")]
    assert feed.handle(TimePassed(at=89)) == []
    assert feed.handle(TimePassed(at=90)) == [join("news")]
    assert feed.report()["news"].asked == 3
    assert feed.handle(accepted("news", 91)) == []
    assert feed.handle(TimePassed(at=1000)) == []


def test_data_proves_a_join_whose_answer_was_lost():
    """A channel that speaks is joined, whatever became of the answer."""
    feed = FeedProtocol(["news"], QUICK)
    play(feed, Opened(at=0), FramesReceived({"news": 3}, at=2))

    assert feed.report()["news"].joined is Joined.ACCEPTED
    assert feed.handle(TimePassed(at=31)) == []


def test_after_a_reconnect_everything_is_joined_anew():
    """Upstream forgets joins with the socket."""
    feed = FeedProtocol(["news"], QUICK)
    play(feed, Opened(at=0), accepted("news", 0.1), Closed(at=5))

    assert feed.handle(TimePassed(at=6)) == []
    assert feed.handle(Opened(at=7)) == [join("news")]


def test_a_refused_channel_is_asked_again_much_later():
    """A refusal is remembered with its words and not argued with."""
    feed = FeedProtocol(["futures:ESU6"], QUICK)
    play(feed, Opened(at=0), JoinAnswered("futures:ESU6", accepted=False, at=1, why="add-on"))

    assert feed.report()["futures:ESU6"].why == "add-on"
    assert feed.handle(TimePassed(at=100)) == []
    assert feed.handle(TimePassed(at=101)) == [join("futures:ESU6")]


def test_a_join_unanswered_for_a_week_is_still_asked():
    """The repeats double up to their limit and go on, while the rest of the socket lives."""
    feed, at, asked = FeedProtocol(["price", "weather"], Patience()), 0.0, 0
    feed.handle(Opened(at=0))
    while at < 7 * 86_400:
        asked += len(play(feed, accepted("price", at), TimePassed(at=at)))
        at = max(at + 1, feed.wake_at() or 0.0)

    assert asked == pytest.approx(7 * 86_400 / 300, rel=0.01)


def test_a_complaint_counts_as_an_answer_of_the_socket():
    """The limit on joins is an error without a channel: the socket lives, the join is asked again."""
    feed = FeedProtocol(["news"], QUICK)
    play(feed, Opened(at=0), Complained("Channel subscription limit of 50 reached", at=1))

    assert feed.handle(TimePassed(at=76)) == [join("news")]


def test_a_socket_that_never_answers_is_hung_up():
    """An accepted socket without a single answer or frame is one too many upstream: try another."""
    feed = FeedProtocol(["news"], QUICK)
    play(feed, Opened(at=0), TimePassed(at=30))

    assert feed.handle(TimePassed(at=75)) == [Hangup("unanswered")]
    assert feed.handle(TimePassed(at=80)) == []


def test_a_mute_socket_is_hung_up_in_market_hours():
    """Joined, answered, pinged, and silent: when steady channels should speak, the socket is given up."""
    feed = FeedProtocol(["option_trades"], QUICK)
    play(feed, Opened(at=0), accepted("option_trades", 1), FramesReceived({"option_trades": 1}, at=10))

    assert feed.handle(TimePassed(at=11, lively=True)) == []
    assert feed.handle(TimePassed(at=100, lively=True)) == []
    assert feed.handle(TimePassed(at=101, lively=True)) == [Hangup("mute")]


def test_silence_is_healthy_while_the_market_is_closed():
    """Nothing at all for a day is no reason to leave."""
    feed = FeedProtocol(["option_trades"], QUICK)
    play(feed, Opened(at=0), accepted("option_trades", 1))

    assert feed.handle(TimePassed(at=86_400)) == []


def test_the_open_of_the_market_starts_the_patience():
    """A silent night is not held against the first minute of the day."""
    feed = FeedProtocol(["option_trades"], QUICK)
    play(feed, Opened(at=0), accepted("option_trades", 1), TimePassed(at=50_000, lively=True))

    assert feed.handle(TimePassed(at=50_089, lively=True)) == []
    assert feed.handle(TimePassed(at=50_090, lively=True)) == [Hangup("mute")]


def test_eventful_channels_alone_are_never_called_mute():
    """News and halts may be silent all day."""
    feed = FeedProtocol(["news", "trading_halts"], QUICK)
    play(feed, Opened(at=0), TimePassed(at=1, lively=True), accepted("news", 2), accepted("trading_halts", 2))

    assert feed.handle(TimePassed(at=10_000, lively=True)) == []


def test_one_speaking_sibling_keeps_the_socket():
    """Any frame on the socket proves that it is not mute."""
    feed = FeedProtocol(["option_trades", "news"], QUICK)
    play(feed, Opened(at=0), accepted("option_trades", 1), TimePassed(at=2, lively=True), accepted("news", 2))

    assert play(feed, FramesReceived({"news": 1}, at=80), TimePassed(at=100, lively=True)) == []


def test_patience_doubles_with_each_mute_socket_and_returns_with_data():
    """A key whose sockets are all mute is not asked every 90 seconds for ever."""
    feed = FeedProtocol(["price"], QUICK)
    play(feed, Opened(at=0), accepted("price", 0), TimePassed(at=0, lively=True))
    assert feed.handle(TimePassed(at=90, lively=True)) == [Hangup("mute")]
    play(feed, Closed(at=90), Opened(at=100), accepted("price", 100))

    assert feed.handle(TimePassed(at=279, lively=True)) == []
    assert feed.handle(TimePassed(at=280, lively=True)) == [Hangup("mute")]
    play(feed, Closed(at=280), Opened(at=300), FramesReceived({"price": 1}, at=301))
    assert feed.handle(TimePassed(at=391, lively=True)) == [Hangup("mute")]


@pytest.mark.parametrize("strange", ["weather", "gex:SPY"])
def test_an_answer_to_a_question_never_asked_is_harmless(strange: str):
    """Upstream may answer what it likes."""
    feed = FeedProtocol(["news"], QUICK)
    feed.handle(Opened(at=0))

    assert feed.handle(accepted(strange, 0.5)) == []


@given(
    channels=st.lists(st.sampled_from([f"price:T{n}" for n in range(30)]), unique=True, min_size=1),
    steps=st.lists(st.floats(0.001, 2.0), max_size=60),
)
def test_joins_never_come_faster_than_the_pace(channels: list[str], steps: list[float]):
    """However often time is told, two joins are at least a pace apart."""
    feed = FeedProtocol(channels, Patience(join_pace=0.5))
    now, sent = 0.0, []
    for event in [Opened(at=0.0), *steps]:
        if isinstance(event, float):
            now += event
            event = TimePassed(at=now)  # noqa: PLW2901 - a step becomes the event it stands for
        sent += [now for command in feed.handle(event) if isinstance(command, SendText)]

    assert all(later - earlier >= 0.5 - 1e-9 for earlier, later in pairwise(sent))


def test_waking_when_told_is_enough():
    """A shell that only wakes when asked joins everything and repeats on time."""
    feed = FeedProtocol(["news", "price", "gex"], QUICK)
    feed.handle(Opened(at=0))
    joined = []
    for _ in range(4):
        at = feed.wake_at()
        assert at is not None
        joined += [(at, command) for command in feed.handle(TimePassed(at=at))]

    assert joined == [(1, join("price")), (2, join("gex")), (30, join("news")), (31, join("price"))]


def test_there_is_nothing_to_wait_for_without_a_socket():
    """Before the first socket and after the last, time means nothing."""
    feed = FeedProtocol(["news"], QUICK)
    assert feed.wake_at() is None
    play(feed, Opened(at=0), Closed(at=1))

    assert feed.wake_at() is None
