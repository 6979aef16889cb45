"""Holes: opened, grown, announced once."""

from datetime import UTC, datetime, timedelta

from baleen_contracts.feed import GapReason
from uw_ingest.gaps import Holes

START = datetime(2026, 7, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So many seconds after the start."""
    return START + timedelta(seconds=seconds)


def test_a_hole_is_announced_once_when_it_closes():
    """The announcement spans from the last sure moment to the first sure one."""
    holes = Holes()
    holes.open("flow_alert", at(1), GapReason.RECONNECTED)
    assert holes.by_feed

    gap = holes.close("flow_alert", at(5))

    assert gap is not None
    assert (gap.feed, gap.started_at, gap.ended_at, gap.reason) == ("flow_alert", at(1), at(5), "reconnected")
    assert holes.close("flow_alert", at(6)) is None
    assert not holes.by_feed


def test_an_overflow_counts_what_was_lost():
    """Many dropped frames are one hole with a count."""
    holes = Holes()
    for second in range(3):
        holes.open("option_trade", at(second), GapReason.OVERFLOW, lost=1)

    gap = holes.close("option_trade", at(9))

    assert gap is not None
    assert (gap.started_at, gap.lost, gap.reason) == (at(0), 3, "overflow")


def test_a_hole_within_a_hole_is_one_hole():
    """A second cut before the first was healed keeps the first reason and the earliest start."""
    holes = Holes()
    holes.open("news", at(2), GapReason.RESTARTED, detail="what the last process held is lost")
    holes.open("news", at(1), GapReason.RECONNECTED)

    gap = holes.close("news", at(9))

    assert gap is not None
    assert (gap.started_at, gap.reason) == (at(1), "restarted")


def test_a_hole_never_ends_before_it_starts():
    """A stored message may carry an exchange's clock that runs ahead of ours."""
    holes = Holes()
    holes.open("news", at(10), GapReason.RESTARTED)

    gap = holes.close("news", at(5))

    assert gap is not None
    assert gap.started_at <= gap.ended_at
