"""Holes: opened, grown, announced once, and closed only by what came after them."""

from datetime import UTC, datetime, timedelta

from baleen_contracts.feed import GapReason
from uw_ingest.feeds.gaps import Holes

START = datetime(2026, 7, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So many seconds after the start."""
    return START + timedelta(seconds=seconds)


def test_a_hole_is_announced_once_when_it_closes():
    """The announcement spans from the last sure moment to the first sure one."""
    holes = Holes()
    holes.open("flow-alerts", at(1), GapReason.RECONNECTED, now=at(2))
    assert holes.by_channel

    (gap,) = holes.flows("flow-alerts", at(5))

    assert (gap.feed, gap.started_at, gap.ended_at, gap.reason) == ("flow_alert", at(1), at(5), "reconnected")
    assert holes.flows("flow-alerts", at(6)) == []
    assert not holes.by_channel


def test_what_was_received_before_a_hole_opened_does_not_close_it():
    """A frame of the old socket that is read late says nothing about the new one."""
    holes = Holes()
    holes.open("news", at(1), GapReason.RECONNECTED, now=at(3))

    assert holes.flows("news", at(2)) == []
    assert holes.flows("news", at(3)) == []
    (gap,) = holes.flows("news", at(4))
    assert (gap.started_at, gap.ended_at) == (at(1), at(4))


def test_each_channel_of_a_feed_has_its_own_hole():
    """One ticker flows again earlier than the other: each is announced with its own end, and named."""
    holes = Holes()
    for channel in ("net_flow:SPY", "net_flow:TSLA"):
        holes.open(channel, at(0), GapReason.RECONNECTED, now=at(0))

    (spy,) = holes.flows("net_flow:SPY", at(1))
    (tsla,) = holes.flows("net_flow:TSLA", at(9))

    assert {spy.feed, tsla.feed} == {"net_flow"}
    assert (spy.ended_at, spy.detail) == (at(1), "net_flow:SPY")
    assert (tsla.ended_at, tsla.detail) == (at(9), "net_flow:TSLA")
    assert spy.message_id != tsla.message_id


def test_an_overflow_counts_what_was_lost():
    """Many dropped frames are one hole with a count, closed by a frame received after the last of them."""
    holes = Holes()
    for second in range(3):
        holes.open("option_trades", at(second), GapReason.OVERFLOW, now=at(second), lost=1)

    assert holes.flows("option_trades", at(1.5)) == []
    (gap,) = holes.flows("option_trades", at(9))
    assert (gap.started_at, gap.ended_at, gap.lost, gap.reason) == (at(0), at(9), 3, "overflow")


def test_an_overflow_ends_when_everything_received_was_read():
    """No frame may follow for hours; an outage of the same channel stays open."""
    holes = Holes()
    holes.open("news", at(0), GapReason.RECONNECTED, now=at(0))
    holes.open("news", at(1), GapReason.OVERFLOW, now=at(1), lost=1)

    (gap,) = holes.drained(at(2), list(holes.by_channel))

    assert (gap.reason, gap.started_at, gap.ended_at) == ("overflow", at(1), at(2))
    assert [gap.reason for gap in holes.flows("news", at(3))] == ["reconnected"]


def test_losses_without_an_end_are_announced_in_pieces():
    """An overflow that goes on for an hour is not kept silent for an hour, nor kept in ever more pieces."""
    holes, told = Holes(), []
    for second in range(3600):
        holes.open("option_trades", at(second), GapReason.OVERFLOW, now=at(second), lost=1)
        told += holes.flows("option_trades", at(second - 5))
        assert len(holes.by_channel["option_trades"]) <= 2
    told += holes.drained(at(3600), list(holes.by_channel))

    assert sum(gap.lost or 0 for gap in told) == 3600
    assert 100 < len(told) < 400
    assert max(gap.ended_at - gap.started_at for gap in told) < timedelta(seconds=30)


def test_refusals_end_when_there_are_no_more_of_them():
    """Frames that flow say nothing about what the bus refuses."""
    holes = Holes()
    holes.open("news", at(0), GapReason.REFUSED, now=at(1), lost=1)
    holes.open("news", at(0.5), GapReason.REFUSED, now=at(2), lost=1)

    assert holes.flows("news", at(9)) == []
    assert holes.quiet(at(2.5)) == []
    (gap,) = holes.quiet(at(3))
    assert (gap.feed, gap.reason, gap.lost) == ("news", "refused", 2)
    assert (gap.started_at, gap.ended_at) == (at(0), at(2))


def test_a_hole_within_a_hole_is_one_hole():
    """A second cut before the first was healed keeps the first reason and the earliest start."""
    holes = Holes()
    holes.open("news", at(2), GapReason.RESTARTED, now=at(2), detail="what the last process held is lost")
    holes.open("news", at(1), GapReason.RECONNECTED, now=at(3))

    (gap,) = holes.flows("news", at(9))

    assert (gap.started_at, gap.reason) == (at(1), "restarted")


def test_a_hole_never_ends_before_it_starts():
    """A stored message may carry an exchange's clock that runs ahead of ours."""
    holes = Holes()
    holes.open("news", at(10), GapReason.RESTARTED, now=at(1))

    (gap,) = holes.flows("news", at(5))

    assert gap.started_at <= gap.ended_at


def test_an_outage_is_told_up_to_now_when_the_channel_is_left_and_an_overflow_stays():
    """Whoever has the channel next may have joined only now."""
    holes = Holes()
    holes.open("news", START, GapReason.RECONNECTED, now=START)
    holes.open("news", START, GapReason.OVERFLOW, now=START, lost=3)

    (outage,) = holes.leave("news", at(5))
    assert (outage.reason, outage.started_at, outage.ended_at) == ("reconnected", START, at(5))
    assert holes.leave("price", at(5)) == []
    assert holes.drained(at(5), ["price"]) == []
    (overflow,) = holes.drained(at(5), ["news"])
    assert (overflow.reason, overflow.lost) == ("overflow", 3)
    assert not holes.by_channel
