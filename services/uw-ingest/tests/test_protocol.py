"""The conversation with upstream, read as transcripts."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uw_ingest.upstream.protocol import (
    REFUSED_IN_SILENCE,
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
    Wanted,
)

QUICK = Patience(join_pace=1, answer_within=30, answer_at_most=100, unanswered_for=75, mute_after=90)
FULL = "Channel subscription limit of 50 reached"


def join(channel: str) -> SendText:
    """The frame that joins a channel."""
    return SendText(json.dumps({"channel": channel, "msg_type": "join"}, separators=(",", ":")))


def leave(channel: str) -> SendText:
    """The frame that leaves a channel."""
    return SendText(json.dumps({"channel": channel, "msg_type": "leave"}, separators=(",", ":")))


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
    assert not feed.mute_before
    assert feed.handle(TimePassed(at=90, lively=True)) == [Hangup("mute")]
    play(feed, Closed(at=90), Opened(at=100), accepted("price", 100))

    assert feed.mute_before
    assert feed.handle(TimePassed(at=279, lively=True)) == []
    assert feed.handle(TimePassed(at=280, lively=True)) == [Hangup("mute")]
    play(feed, Closed(at=280), Opened(at=300), FramesReceived({"price": 1}, at=301))
    assert not feed.mute_before
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


def test_what_is_newly_wanted_is_joined_and_what_is_not_any_more_is_left():
    """A change leaves first, since that makes room, and keeps the pace; what stays is not touched."""
    feed = FeedProtocol(["news", "price"], QUICK)
    play(feed, Opened(at=0), accepted("news", 0.1), TimePassed(at=1), accepted("price", 1.1))

    assert feed.handle(Wanted(("price", "gex:SPY", "gex:TSLA"), at=10)) == [leave("news")]
    assert feed.handle(TimePassed(at=10.5)) == []
    assert feed.handle(TimePassed(at=11)) == [join("gex:SPY")]
    assert feed.handle(TimePassed(at=12)) == [join("gex:TSLA")]
    assert set(feed.report()) == {"price", "gex:SPY", "gex:TSLA"}
    assert feed.channels == ("price", "gex:SPY", "gex:TSLA")


def test_frames_of_a_channel_that_was_left_are_no_error():
    """Upstream may send a last frame, or echo the leave; neither means anything."""
    feed = FeedProtocol(["news", "price"], QUICK)
    play(feed, Opened(at=0), accepted("news", 0.1), TimePassed(at=1), accepted("price", 1.1))
    feed.handle(Wanted(("price",), at=2))

    assert play(feed, accepted("news", 2.1), FramesReceived({"news": 2}, at=2.2)) == []
    assert feed.accepted == ("price",)


def test_the_echo_of_a_leave_is_not_taken_for_the_answer_to_a_new_join():
    """Wanted again at once, the channel is asked a moment later, and accepted only after that."""
    feed = FeedProtocol(["news"], Patience(join_pace=0.01, settle=1))
    play(feed, Opened(at=0), accepted("news", 0.1), Wanted((), at=5))
    feed.handle(Wanted(("news",), at=5.02))

    assert play(feed, accepted("news", 5.05), FramesReceived({"news": 1}, at=5.06)) == []
    assert feed.report()["news"].joined is Joined.WAITING
    assert feed.wake_at() == 6
    assert feed.handle(TimePassed(at=6)) == [join("news")]
    feed.handle(accepted("news", 6.1))
    assert feed.accepted == ("news",)


def test_a_wish_that_returns_before_the_leave_was_sent_changes_nothing():
    """The leave is forgotten with its cause, and the join stands."""
    feed = FeedProtocol(["news", "price"], QUICK)
    play(feed, Opened(at=0), accepted("news", 0.1), TimePassed(at=1), accepted("price", 1.1))

    assert feed.handle(Wanted((), at=1.5)) == []
    assert feed.handle(Wanted(("news", "price"), at=1.6)) == []
    assert feed.handle(TimePassed(at=10)) == []
    assert feed.accepted == ("news", "price")


def test_a_join_never_sent_needs_no_leave():
    """What was not asked for yet is simply forgotten."""
    feed = FeedProtocol(["news", "price"], QUICK)
    feed.handle(Opened(at=0))

    assert play(feed, Wanted(("news",), at=0.5), TimePassed(at=2)) == []


def test_a_fresh_socket_joins_only_what_is_wanted_now():
    """A change while there is no socket is remembered; nothing is left on a socket that is gone."""
    feed = FeedProtocol(["news"], QUICK)
    play(feed, Opened(at=0), accepted("news", 0.1), Closed(at=1), Wanted(("price",), at=2))

    assert feed.handle(Opened(at=3)) == [join("price")]
    assert feed.handle(TimePassed(at=4)) == []


def test_a_socket_that_wants_nothing_is_not_called_unanswered():
    """Nothing asked, nothing owed; the first join starts the wait."""
    feed = FeedProtocol([], QUICK)
    play(feed, Opened(at=0))

    assert feed.wake_at() is None
    assert feed.handle(TimePassed(at=500)) == []
    assert feed.handle(Wanted(("news",), at=500)) == [join("news")]
    assert feed.handle(TimePassed(at=574)) == [join("news")]
    assert feed.handle(TimePassed(at=575)) == [Hangup("unanswered")]


def test_a_channel_joined_late_is_given_its_time_to_speak():
    """A socket quiet for hours is not mute the moment a steady channel is joined."""
    feed = FeedProtocol(["news"], QUICK)
    play(feed, Opened(at=0), accepted("news", 0.1), TimePassed(at=9000, lively=True))
    play(feed, Wanted(("news", "price"), at=9001), accepted("price", 9002))

    assert feed.handle(TimePassed(at=9091, lively=True)) == []
    assert feed.handle(TimePassed(at=9092, lively=True)) == [Hangup("mute")]


def full_socket(*channels: str) -> FeedProtocol:
    """A socket that accepted all but the last of the channels, and complained about that one."""
    feed = FeedProtocol(channels, QUICK)
    feed.handle(Opened(at=0))
    for at, channel in enumerate(channels[:-1]):
        play(feed, accepted(channel, at + 0.1), TimePassed(at=at + 1))
    assert feed.handle(Complained(FULL, at=len(channels) - 0.9)) == []
    return feed


def test_a_full_socket_is_asked_for_nothing_more():
    """The complaint marks it full at what it accepted; the join waits, and says why."""
    feed = full_socket("a", "b", "c")

    assert feed.full_at == 2
    assert feed.report()["c"].joined is Joined.WAITING
    assert feed.report()["c"].why == FULL
    assert play(feed, Wanted(("a", "b", "c", "d"), at=5), TimePassed(at=500)) == []
    assert feed.wake_at() is None


def test_leaving_a_channel_makes_room_for_one():
    """One left, one asked; the next waits for its own place."""
    feed = full_socket("a", "b", "c")

    assert feed.handle(Wanted(("b", "c", "d"), at=5)) == [leave("a")]
    assert feed.handle(TimePassed(at=6)) == [join("c")]
    assert play(feed, accepted("c", 6.1), TimePassed(at=7)) == []
    assert feed.report()["c"].why == ""
    assert feed.full_at == 2


def test_a_fresh_socket_knows_of_no_limit():
    """What was full is gone with the socket."""
    feed = full_socket("a", "b")
    play(feed, Closed(at=5), Opened(at=6), accepted("a", 6.1))

    assert feed.full_at is None
    assert feed.handle(TimePassed(at=7)) == [join("b")]


def test_an_answer_overtaken_by_the_complaint_still_counts():
    """Joins go out faster than answers come: what was accepted after all makes the socket larger."""
    feed = FeedProtocol(["a", "b", "c", "d"], QUICK)
    play(feed, *(Opened(at=0), TimePassed(at=1), TimePassed(at=2), TimePassed(at=3)))
    play(
        feed, accepted("a", 3.1), Complained(FULL, at=3.2), accepted("c", 3.3), FramesReceived({"b": 1}, 3.4)
    )

    assert feed.full_at == 3
    assert feed.accepted == ("a", "b", "c")
    assert feed.handle(TimePassed(at=500)) == []


def test_a_refusal_in_the_words_of_the_limit_is_the_limit():
    """Whether upstream names the channel or not, a full socket is no lack of rights."""
    feed = FeedProtocol(["a", "b"], QUICK)
    play(feed, Opened(at=0), accepted("a", 0.1), TimePassed(at=1))
    feed.handle(JoinAnswered("b", accepted=False, at=1.1, why=FULL))

    assert feed.full_at == 1
    assert feed.report()["b"].joined is Joined.WAITING


def test_a_silent_loss_is_reported_with_how_often_it_was_asked():
    """Nobody answers, nothing comes: the report says so."""
    feed = FeedProtocol(["price", "weather"], QUICK)
    play(feed, Opened(at=0), accepted("price", 0.1), TimePassed(at=1))
    assert feed.report()["weather"].why == ""
    play(feed, TimePassed(at=31), TimePassed(at=91), TimePassed(at=191))

    assert feed.report()["weather"].asked == 4
    assert feed.report()["weather"].why == "never answered, asked 4 times"


def test_a_second_socket_mute_from_its_start_is_refused_in_silence():
    """Joined and silent for half a minute while the first flows: upstream sells no second socket."""
    feed = FeedProtocol(["option_trades"], QUICK)
    play(feed, Opened(at=0), accepted("option_trades", 1))

    assert feed.handle(TimePassed(at=2, lively=True, siblings_flow=True)) == []
    assert feed.wake_at() == 32
    assert feed.handle(TimePassed(at=31, lively=True, siblings_flow=True)) == []
    assert feed.handle(TimePassed(at=32, lively=True, siblings_flow=True)) == [Hangup(REFUSED_IN_SILENCE)]


def test_a_second_socket_that_once_spoke_is_merely_mute():
    """It was no refusal if data ever came."""
    feed = FeedProtocol(["option_trades"], QUICK)
    play(feed, Opened(at=0), FramesReceived({"option_trades": 1}, at=1))
    feed.handle(TimePassed(at=2, lively=True, siblings_flow=True))

    assert feed.handle(TimePassed(at=91, lively=True, siblings_flow=True)) == []
    assert feed.handle(TimePassed(at=92, lively=True, siblings_flow=True)) == [Hangup("mute")]


def test_a_rarely_traded_ticker_is_given_the_long_patience():
    """Half a minute without a print of one ticker proves nothing; a minute and a half of nothing does."""
    feed = FeedProtocol(["option_trades:IBM"], QUICK)
    play(feed, Opened(at=0), accepted("option_trades:IBM", 1), TimePassed(2, lively=True, siblings_flow=True))

    assert feed.handle(TimePassed(at=91, lively=True, siblings_flow=True)) == []
    assert feed.handle(TimePassed(at=92, lively=True, siblings_flow=True)) == [Hangup(REFUSED_IN_SILENCE)]


def test_a_second_socket_without_any_answer_is_refused_in_silence():
    """The other socket proves that upstream is well."""
    feed = FeedProtocol(["news"], QUICK)
    play(feed, Opened(at=0), TimePassed(at=1, siblings_flow=True), TimePassed(at=30, siblings_flow=True))

    assert feed.handle(TimePassed(at=75, siblings_flow=True)) == [Hangup(REFUSED_IN_SILENCE)]


CHANNELS = [f"price:T{n}" for n in range(8)]
WISHES = st.lists(st.sampled_from(CHANNELS), unique=True).map(tuple)


class Upstream:
    """A pretend upstream that joins up to a limit, loses some frames, and answers late."""

    def __init__(self, limit: int, lost: list[bool]) -> None:
        self.limit, self.lost = limit, lost
        self.joined: set[str] = set()
        self.answers: list[JoinAnswered | Complained] = []
        self.over_limit = 0

    def hear(self, command: Command, at: float) -> None:
        """Take one frame."""
        assert isinstance(command, SendText)
        frame = json.loads(command.text)
        if frame["msg_type"] == "leave":
            self.joined.discard(frame["channel"])
        elif self.lost and self.lost.pop():
            return
        elif len(self.joined) >= self.limit and frame["channel"] not in self.joined:
            self.over_limit += 1
            self.answers.append(Complained(FULL, at))
        else:
            self.joined.add(frame["channel"])
            self.answers.append(accepted(frame["channel"], at))


@given(
    wishes=st.lists(WISHES, min_size=1, max_size=4),
    limit=st.integers(1, 9),
    lost=st.lists(st.booleans(), max_size=3),
    answer_every=st.integers(1, 5),
)
@settings(max_examples=60)
def test_in_the_end_exactly_the_wanted_channels_are_joined_as_far_as_they_fit(
    wishes: list[tuple[str, ...]], limit: int, lost: list[bool], answer_every: int
):
    """Whatever is wanted, lost, late or one too many, the socket ends with what fits, and stops asking."""
    upstream, at = Upstream(limit, lost), 0.0
    feed = FeedProtocol((), Patience())
    feed.handle(Opened(at))
    for wish in wishes:
        for command in feed.handle(Wanted(wish, at)):
            upstream.hear(command, at)
        for step in range(70):
            at += 0.011 if step < 40 else 20.0
            events: list[Event] = []
            if step % answer_every == 0 or step >= 40:
                events += [replace(answer, at=at) for answer in upstream.answers]
                upstream.answers.clear()
            if upstream.joined:  # some data, so that the socket is not mute
                events.append(FramesReceived({}, at))
            events.append(TimePassed(at))
            for event in events:
                for command in feed.handle(event):
                    if isinstance(command, Hangup):  # every join was lost, so that nothing was answered
                        assert not upstream.joined
                        play(feed, Closed(at))
                        (command,) = feed.handle(Opened(at)) or [None]  # noqa: PLW2901 - what is said next
                    if command is not None:
                        upstream.hear(command, at)

    wanted = set(wishes[-1])
    assert upstream.joined <= wanted
    assert len(upstream.joined) == min(len(wanted), limit)
    assert set(feed.accepted) == upstream.joined
    before = upstream.over_limit
    assert all(feed.handle(TimePassed(at + second)) == [] for second in range(300, 3000, 300))
    assert upstream.over_limit == before
