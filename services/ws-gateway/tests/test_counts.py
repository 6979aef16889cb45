"""What all workers count together is the sum of what each counts, whatever had to be left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_bus.buckets import BUCKETS, GATEWAYS
from ws_gateway.fleet.counts import (
    LONGEST_LABEL,
    MAX_HOLDERS,
    MAX_LABELS,
    OTHER,
    Counts,
    heaviest,
    holder,
    read,
    tell,
    together,
)

SMALL = st.integers(0, 20_000)
COUNTS = st.builds(
    Counts,
    worker=st.text("0123456789abcdef", min_size=8, max_size=8),
    host=st.just("here"),
    since=st.floats(0, 2e9),
    by_label=st.dictionaries(st.text(min_size=1, max_size=2 * LONGEST_LABEL), st.integers(1, 20_000)),
    held=st.dictionaries(st.text(max_size=40).map(holder), st.integers(1, 20_000)),
    connects=SMALL,
    disconnects=SMALL,
    messages=st.integers(0, 2**53),
)


@given(st.lists(COUNTS, max_size=5))
def test_all_together_are_the_sum(workers: list[Counts]):
    """Every number is the sum over the workers, and the oldest says since when."""
    totals = together(workers)

    assert totals.workers == len(workers)
    assert totals.connections == sum(worker.connections for worker in workers)
    assert totals.connects == sum(worker.connects for worker in workers)
    assert totals.disconnects == sum(worker.disconnects for worker in workers)
    assert totals.messages == sum(worker.messages for worker in workers)
    assert totals.since == min((worker.since for worker in workers), default=None)
    for label, count in totals.by_label.items():
        assert count == sum(worker.by_label.get(label, 0) for worker in workers)


@given(st.lists(COUNTS, max_size=5), st.randoms())
def test_the_order_of_the_workers_does_not_matter(workers: list[Counts], chance):
    """Two workers that heard the same tell the same, whom they heard first."""
    shuffled = workers.copy()
    chance.shuffle(shuffled)

    assert together(shuffled) == together(workers)


@given(COUNTS)
def test_what_is_told_is_understood(counts: Counts):
    """Totals, labels with a short name and holders arrive as they were; no connection is lost in the rest."""
    heard = read(tell(counts))

    assert heard.connections == counts.connections
    assert (heard.worker, heard.host, heard.since) == (counts.worker, counts.host, counts.since)
    assert (heard.connects, heard.disconnects, heard.messages) == (
        counts.connects,
        counts.disconnects,
        counts.messages,
    )
    assert heard.held == counts.held
    for label, count in heard.by_label.items():
        assert count == counts.by_label.get(label, 0) or label == OTHER


def test_however_many_labels_and_holders_there_are_the_bucket_takes_it():
    """Those with most connections are told by name, the rest of the labels together; nothing is too large."""
    by_label = {f"{number:05}".ljust(LONGEST_LABEL, '"'): number + 1 for number in range(12_000)}
    held = {holder(f"address:{number}"): number + 1 for number in range(12_000)}
    counts = Counts("0123abcd", "h" * 60, 1.7e9, by_label, held, 2**53, 2**53, 2**53)
    value = tell(counts)
    heard = read(value)

    assert len(value) < BUCKETS[GATEWAYS].max_value - 1024
    assert heard.connections == counts.connections
    assert len(heard.by_label) == MAX_LABELS + 1
    assert len(heard.held) == MAX_HOLDERS
    assert min(heard.held.values()) > 12_000 - MAX_HOLDERS
    assert set(heaviest(held)) == set(heard.held)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'{"worker":1}',
        tell(Counts("a", "b", 0.0)).replace(b"{}", b"[1]"),
    ],
)
def test_what_no_worker_wrote_is_refused(value: bytes):
    """It is one kind of error, whatever stands there."""
    with pytest.raises(ValueError, match="no worker wrote this"):
        read(value)
