"""Latencies from the times that a message carries."""

from datetime import UTC, datetime

from baleen.hops import hops

ARRIVED = datetime(2026, 1, 2, 15, 0, 0, 30_000, tzinfo=UTC)


def test_each_hop_is_the_difference_of_its_two_times():
    """Times of the exchange, of receipt, of the bus (with nanoseconds) and of the client."""
    data = {"occurred_at": "2026-01-02T15:00:00Z", "received_at": "2026-01-02T15:00:00.010Z"}
    one = hops(data, stored="2026-01-02T15:00:00.015000999Z", arrived=ARRIVED)
    assert (one.upstream, one.stored, one.client, one.whole) == (10, 5, 15, 20)


def test_a_date_of_last_month_is_no_start_of_a_hop():
    """A disclosure's date says nothing about latency, so no figure is shown for it."""
    data = {"occurred_at": "2025-12-01T00:00:00Z", "received_at": "2026-01-02T15:00:00.010Z"}
    assert hops(data, stored=None, arrived=ARRIVED).upstream is None


def test_a_missing_or_broken_time_is_no_figure():
    """Nothing is guessed."""
    one = hops({"received_at": "soon"}, stored="", arrived=ARRIVED)
    assert (one.upstream, one.stored, one.client, one.whole) == (None, None, None, None)
