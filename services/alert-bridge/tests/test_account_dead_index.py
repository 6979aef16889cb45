"""Dead letters by number: whose, from where on, and which may be sent again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alert_bridge.account.dead_index import Chosen, DeadIndex, hear
from baleen_bus import Delivered
from baleen_contracts.dead_letter import DeadLetter, Redelivery

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def letter(
    destination: str,
    alert_id: str,
    replays: int = 0,
    model: type[DeadLetter] = DeadLetter,
    *,
    whole: bool = True,
) -> DeadLetter:
    """A letter, or one that is sent again."""
    return model(
        occurred_at=NOW, received_at=NOW, destination=destination, alert_id=alert_id, reason="rejected",
        attempts=1, replays=replays, alert={"alert_type": "flow"} if whole else {}, seq=7,
    )  # fmt: skip


def index_of(*letters: DeadLetter, most: int = 100) -> DeadIndex:
    """An index that heard these, from number 1 on, ten microseconds apart."""
    index = DeadIndex(most)
    index.begin(0)
    for seq, one in enumerate(letters, 1):
        headers = {"Nats-Msg-Id": one.message_id.replace("%", "%25")}
        hear(index, Delivered(one.subject, "DEAD", seq, headers, one.to_json()), seq * 10)
    return index


def test_letters_come_by_destination_and_place():
    """From a number on, or the newest; with it where to go on."""
    index = index_of(letter("desk", "a"), letter("Bot 7", "a"), letter("desk", "b"), letter("desk", "c"))

    assert index.page(None, None, 2) == ([3, 4], None)
    assert index.page(1, "desk", 2) == ([1, 3], 4)
    assert index.page(2, "desk", 2) == ([3, 4], None)
    assert index.page(None, "bot 7", 5) == ([2], None)
    assert index.page(datetime.fromtimestamp(0.00003, UTC), None, 5) == ([3, 4], None)


def test_a_letter_is_sent_again_once():
    """One that was is not among all, and by name it is refused with the reason."""
    index = index_of(
        letter("desk", "a|b%"), letter("desk", "b"), letter("desk", "a|b%", 1, Redelivery), letter("bot", "c")
    )

    assert index.was_sent_again(1)
    assert not index.was_sent_again(2)
    assert index.choose("desk", None, 10) == Chosen([2], 0, {})
    chosen = index.choose("desk", [1, 2, 4, 99], 10)
    assert chosen.seqs == [2]
    assert chosen.refused[1] == "it was sent again already"
    assert chosen.refused[4] == "it was to bot"
    assert "no dead letter" in chosen.refused[99]


def test_one_that_died_again_may_be_sent_again():
    """The second death is a letter of its own."""
    index = index_of(letter("desk", "a"), letter("desk", "a", 1, Redelivery), letter("desk", "a", 1))

    assert index.choose("desk", None, 10).seqs == [3]


def test_a_letter_without_its_alert_keeps_no_other_from_going():
    """It cannot be sent, however often all are asked for."""
    index = index_of(letter("desk", "a", whole=False), letter("desk", "b"))

    assert index.choose("desk", None, 1) == Chosen([2], 0, {})
    assert index.choose("desk", [1], 1).refused == {1: "it holds no alert that could be sent"}


def test_no_more_than_so_many_at_a_time():
    """The oldest first, and how many are left."""
    index = index_of(*(letter("desk", f"a{n}") for n in range(5)))

    assert index.choose("desk", None, 2) == Chosen([1, 2], 3, {})
    assert index.choose("desk", [5, 4, 4, 3], 2) == Chosen([3, 4], 1, {})


def test_marks_of_letters_that_are_gone_do_not_crowd_out_new_ones():
    """A replica that starts late hears of letters sent again that it never heard of."""
    gone = (letter("desk", f"gone{n}", 1, Redelivery) for n in range(10))
    index = index_of(*gone, letter("desk", "a"), letter("desk", "a", 1, Redelivery), most=3)

    assert index.was_sent_again(11)


@pytest.mark.parametrize("count", [4, 50])
def test_the_oldest_letters_give_way(count):
    """No more than the bound is known."""
    index = index_of(*(letter("desk", f"a{n}") for n in range(count)), most=3)

    assert len(index) == 3
    assert index.page(None, None, 100)[0] == [count - 2, count - 1, count]


def test_numbers_given_again_belong_to_new_letters():
    """A stream that lost its end, and one made anew."""
    index = index_of(letter("desk", "a"), letter("desk", "b"))
    index.cut(2)
    assert index.page(None, None, 9)[0] == [1]
    index.begin(0)
    assert len(index) == 0
