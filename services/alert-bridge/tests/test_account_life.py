"""The life of an alert at a destination, from what is written of it and how far the destination has come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_bridge.account.life import NOT_TRIED, Fate, life_of
from alert_bridge.deliver.counts import Counts
from alert_bridge.deliver.ends import FINAL, Record, State

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
COUNTS = Counts("e", since=10, through=20, open={15: None})


def life(seq, record=None, *, counts=COUNTS, kept_since=None, acked=0):
    """The only chapter there is."""
    records = {} if record is None else {"desk": record}
    accounts = {} if counts is None else {"desk": counts}
    served = {} if acked is None else {"desk": acked}
    chapters = life_of(seq, records, accounts, acked=served, stored_at=NOW, kept_since=kept_since)
    assert [chapter.destination for chapter in chapters] == ["desk"]
    return chapters[0]


@pytest.mark.parametrize(
    ("seq", "fate", "reason"),
    [
        (10, Fate.NOT_SERVED, None),
        (11, Fate.SUPPRESSED, "not_routed"),
        (15, Fate.IN_FLIGHT, NOT_TRIED),
        (20, Fate.SUPPRESSED, "not_routed"),
        (21, Fate.IN_FLIGHT, NOT_TRIED),
    ],
)
def test_without_a_record_the_number_tells(seq, fate, reason):
    """Before the start it is none of its alerts, beyond its place it waits, in between nothing led there."""
    chapter = life(seq)

    assert (chapter.fate, chapter.reason) == (fate, reason)


@pytest.mark.parametrize(
    ("state", "written", "fate", "reason"),
    [
        (State.DELIVERED, None, Fate.DELIVERED, None),
        (State.SUPPRESSED, "cooldown", Fate.SUPPRESSED, "cooldown"),
        (State.DEAD, "too_old", Fate.DEAD, "too_old"),
        (State.WAITING, "rate_limited", Fate.IN_FLIGHT, "rate_limited"),
        (State.SENDING, None, Fate.IN_FLIGHT, "sending"),
    ],
)
def test_what_is_written_counts(state, written, fate, reason):
    """A record says it, wherever the destination stands."""
    chapter = life(5, Record(state, NOW, "e", written))

    assert (chapter.fate, chapter.reason) == (fate, reason)


def test_what_is_acknowledged_is_done_although_the_account_was_not_written_since():
    """An account is up to a second old; the bus knows at once."""
    assert life(25, acked=24).fate is Fate.IN_FLIGHT
    assert life(25, acked=25).fate is Fate.SUPPRESSED
    assert life(15, acked=25).fate is Fate.SUPPRESSED
    assert life(5, acked=25).fate is Fate.NOT_SERVED


def test_a_destination_that_was_never_served_has_no_part_in_it():
    """A destination of the rules that nobody has served yet."""
    assert life(5, counts=None).fate is Fate.NOT_SERVED


def test_of_a_destination_that_left_the_rules_only_what_is_written_is_told():
    """Its place moves no more, and nothing waits for it."""
    assert life_of(30, {}, {"gone": COUNTS}, acked={}, stored_at=NOW, kept_since=None) == []
    assert life(5, Record(State.DEAD, NOW, "e", "rejected"), acked=None).fate is Fate.DEAD


def test_what_may_have_been_let_go_is_not_called_unrouted():
    """A full ledger forgets its oldest records: nobody knows any more how these ended."""
    later, earlier = NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)

    assert life(12, kept_since=later).fate is Fate.FORGOTTEN
    assert life(12, kept_since=earlier).fate is Fate.SUPPRESSED
    assert life(25, kept_since=later).fate is Fate.IN_FLIGHT


@given(st.lists(st.sampled_from([*sorted(FINAL), None]), min_size=1, max_size=30), st.integers(0, 30))
def test_the_lives_of_all_alerts_add_up_to_the_account(ends, taken):
    """However alerts end, the chapters counted by fate are what the account counts."""
    counts, records = Counts("e", since=0, through=0), {}
    for seq, end in enumerate(ends[:taken], 1):
        counts.took(seq)
        if end is not None:
            reason = None if end is State.DELIVERED else "not_routed"
            counts.end(seq, end, reason)
            if end is not State.SUPPRESSED:
                records[seq] = Record(end, NOW, "e", reason)
    told = [life(seq, records.get(seq), counts=counts).fate for seq in range(1, len(ends) + 1)]

    assert told.count(Fate.DELIVERED) == counts.delivered
    assert told.count(Fate.SUPPRESSED) == counts.suppressed.total()
    assert told.count(Fate.DEAD) == counts.dead.total()
    assert told.count(Fate.IN_FLIGHT) == len(ends) - counts.ended
