"""The index of the newest alerts: the same as a plain list of them, but quick and bounded."""

from __future__ import annotations

import gc

from hypothesis import given
from hypothesis import strategies as st

from alert_bridge.account.index import Index
from alert_bridge.account.wanted import Filters, Kind

BOT: Kind = ("flow", "bot", "spy", "")
DESK: Kind = ("flow", "desk", "", "error")
ALL = Filters()


def filled(*ids: str, most: int = 100) -> Index:
    """An index of alerts numbered from 1."""
    index = Index(most)
    index.begin(0)
    for seq, alert_id in enumerate(ids, 1):
        index.add(seq, seq * 10, alert_id, seq + 1_000, BOT)
    return index


def test_an_id_has_every_number_under_which_it_was_stored():
    """Two sources may count alike; both alerts are told."""
    index = filled("a", "b", "a")

    assert index.seqs_of("a") == [1, 3]
    assert index.seqs_of("b") == [2]
    assert index.seqs_of("c") == []


def test_the_oldest_gives_way():
    """No more than the bound is known, and the floor says from where on."""
    index = filled("a", "b", "a", "c", most=2)

    assert len(index) == 2
    assert index.seqs_of("a") == [3]
    assert index.seqs_of("b") == []
    assert index.seq_of_message("1002") is None
    assert index.floor == 2
    assert index.reaches_back_to == 30


def test_a_message_id_is_found_as_minted_and_as_the_alerts_own_id():
    """A sender without a key was answered the alert's own id."""
    index = filled("123456789012345678")

    assert index.seq_of_message("1001") == 1
    assert index.seq_of_message("123456789012345678") == 1
    assert index.seq_of_message("½") is None
    assert index.seq_of_message("9" * 5_000) is None


def test_a_message_of_somebody_else_is_not_found():
    """An alert may carry an id that another source's sender was told."""
    index = filled("123456789012345678")
    index.add(2, 20, "123456789012345678", 7, DESK)

    assert index.seq_of_message("123456789012345678", "bot") == 1
    assert index.seq_of_message("123456789012345678", "Desk") == 2
    assert index.seq_of_message("123456789012345678", "nobody") is None


def test_numbers_given_again_belong_to_the_new_alerts():
    """A stream that lost its end numbers other alerts alike."""
    index = filled("a", "b", "a")
    index.cut(2)
    index.add(2, 25, "c", 9, DESK)

    assert (index.seqs_of("a"), index.seqs_of("b"), index.seqs_of("c")) == ([1], [], [2])


def test_a_stream_made_anew_begins_empty():
    """Nothing of the old one is found."""
    index = filled("a", "b")
    index.begin(0)
    index.add(1, 5, "c", 3, BOT)

    assert index.seqs_of("a") == []
    assert index.seq_of_message("1001") is None
    assert index.onwards(1, ALL, 10) == ([1], None)


def test_alerts_are_chosen_by_place_and_kind():
    """From a number or a moment on, or backwards; at most as many as asked for."""
    index = filled("a", "b", "c")
    index.add(4, 40, "d", 4, DESK)

    assert index.onwards(2, ALL, 10) == ([2, 3, 4], None)
    assert index.onwards(2, ALL, 2) == ([2, 3], 4)
    assert index.backwards(9, ALL, 2) == ([4, 3], 2)
    assert index.backwards(3, ALL, 2) == ([3, 2], 1)
    assert index.backwards(4, Filters(sources=frozenset({"bot"})), 5) == ([3, 2, 1], None)
    assert (index.first_from(30), index.first_from(31), index.first_from(41)) == (3, 4, 5)


def test_a_look_at_many_rows_is_taken_in_parts(monkeypatch):
    """Nobody else waits for long; where the part ended is told."""
    monkeypatch.setattr("alert_bridge.account.index._LOOKED_AT", 2)
    index = filled("a", "b", "c")

    assert index.onwards(1, Filters(sources=frozenset({"desk"})), 5) == ([], 3)
    assert index.onwards(3, Filters(sources=frozenset({"desk"})), 5) == ([], None)


def test_the_garbage_collector_need_not_look_at_what_is_known():
    """A hundred thousand rows do not make every collection slower."""
    index = filled("a", "b")
    gc.collect()
    gc.collect()

    assert not any(gc.is_tracked(row) for row in index._rows)


@given(
    st.integers(1, 12),
    st.lists(st.one_of(st.sampled_from("abcd"), st.integers(1, 12).map(lambda back: -back)), max_size=40),
)
def test_whatever_comes_it_says_what_a_list_would(most, told):
    """Alerts, and now and then numbers given again: every answer is that of the newest so many in a list."""
    index, plain, seq = Index(most), [], 0
    index.begin(0)
    for one in told:
        if isinstance(one, int):
            seq = max(0, seq + one)
            index.cut(seq + 1)
            plain = [row for row in plain if row[0] <= seq]
            seq = max(seq, index.newest)
        else:
            seq += 1
            index.add(seq, seq, one, ord(one), BOT)
            plain = [*plain, (seq, one)][-most:]
        for name in "abcd":
            assert index.seqs_of(name) == [number for number, known in plain if known == name]
            if index.seqs_of(name) and index.seq_of_message(str(ord(name))) is not None:
                assert index.seq_of_message(str(ord(name))) == index.seqs_of(name)[-1]
        assert index.onwards(0, ALL, 100) == ([number for number, _ in plain], None)
        assert index.backwards(99, ALL, 100) == ([number for number, _ in reversed(plain)], None)
