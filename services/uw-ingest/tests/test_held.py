"""What waits while the outbox is full."""

from datetime import UTC, datetime, timedelta

from baleen_contracts.feed import FeedGap, FeedStatus
from baleen_contracts.happenings import News
from uw_ingest.pipeline.held import Held

START = datetime(2026, 7, 1, tzinfo=UTC)


def status(feed: str, number: int) -> FeedStatus:
    """How a feed stands, each number a second later."""
    at = START + timedelta(seconds=number)
    return FeedStatus(occurred_at=at, received_at=at, feed=feed, state="live")


def gap(number: int) -> FeedGap:
    """A gap that ends at this second."""
    at = START + timedelta(seconds=number)
    return FeedGap(
        occurred_at=at, received_at=at, feed="news", started_at=START, ended_at=at, reason="overflow"
    )


def news(number: int) -> News:
    """Something of which each matters."""
    at = START + timedelta(seconds=number)
    return News(occurred_at=at, received_at=at, headline=f"number {number}", source="test")


def test_of_what_only_the_newest_counts_only_the_newest_is_held():
    """A day of statuses of two feeds is two messages."""
    held = Held(10)
    for number in range(86_400):
        assert held.keep((status("news", number), None))
        assert held.keep((status("price", number), None))

    assert len(held) == 2
    assert held.first()[0].occurred_at == START + timedelta(seconds=86_399)


def test_what_matters_each_is_bounded_and_leaves_in_order():
    """Gaps have room of their own; the oldest is offered first and kept until it is done."""
    held = Held(2)
    assert [held.keep((news(number), None)) for number in range(3)] == [True, True, False]
    assert [held.keep((gap(number), None)) for number in range(3)] == [True, True, False]
    held.keep((status("news", 1), None))
    left = []
    while held:
        left.append(held.first()[0])
        assert held.first()[0] is left[-1]
        held.done()

    assert left == [news(0), news(1), gap(0), gap(1), status("news", 1)]
