"""The checker of the drills is itself checked: by books that it must reject."""

from hypothesis import given
from hypothesis import strategies as st
from tests.chaos.ledger import Announced, Said, audit


def trade(number: int, feed: str = "option_trade") -> Said:
    """The message said at the second of its number."""
    return Said(float(number), feed, f"{feed}:{number}")


SAID = [trade(number) for number in range(10)]
IDS = [said.message_id for said in SAID]


def gap(first: float, last: float, feed: str = "option_trade", reason: str = "reconnected") -> Announced:
    """A gap between two seconds."""
    return Announced(feed, first, last, reason)


def test_everything_once_is_whole() -> None:
    """Nothing missing, nothing twice: no findings, and strangers in the stream do no harm."""
    found = audit(SAID, [*IDS, "option_trade:earlier"], [])

    assert found.whole
    assert (found.said, found.unheard_of, found.false_alarms) == (10, 1, ())


def test_a_doubled_id_is_found() -> None:
    """One id stored twice spoils the books."""
    found = audit(SAID, [*IDS, IDS[3]], [])

    assert (found.whole, found.doubled) == (False, (IDS[3],))


def test_a_hole_nobody_announced_is_found() -> None:
    """A missing message without a gap is lost."""
    found = audit(SAID, [each for each in IDS if each != IDS[4]], [])

    assert (found.whole, found.lost) == (False, (SAID[4],))
    assert "lost 4.000 option_trade:4 said to -" in found.summary()


def test_a_gap_of_another_feed_covers_nothing() -> None:
    """A gap excuses its own feed alone, and is a false alarm where nothing of it is missing."""
    found = audit(SAID, IDS[1:], [gap(-1, 1, feed="dark_pool")])

    assert found.lost == (SAID[0],)
    assert len(found.false_alarms) == 1


def test_a_gap_covers_what_lies_inside_it() -> None:
    """Missing inside a gap is counted apart; just outside of it is lost."""
    found = audit(SAID, IDS[:3] + IDS[7:], [gap(2.9, 5.1)])

    assert found.covered == tuple(SAID[3:6])
    assert found.lost == (SAID[6],)


def test_a_gap_that_is_off_by_the_way_between_still_covers() -> None:
    """A message said just before the gap began may be missing because of it."""
    assert audit(SAID, IDS[1:], [gap(0.2, 1.5)]).whole
    assert not audit(SAID, IDS[1:], [gap(0.3, 1.5)]).whole


def test_a_backfilled_gap_excuses_nothing_any_more() -> None:
    """Who says that a gap was filled must have filled it."""
    gaps = [gap(2, 4), gap(2, 4, reason="backfilled")]

    assert audit(SAID, IDS, gaps).false_alarms == ()
    assert audit(SAID, IDS[:3] + IDS[4:], gaps).lost == (SAID[3],)


def test_the_same_message_said_twice_is_one() -> None:
    """Two sockets that hear one message expect it once."""
    assert audit([*SAID, *SAID], IDS, []).whole


@given(st.sets(st.integers(0, 99)), st.lists(st.tuples(st.integers(0, 99), st.integers(0, 9))))
def test_every_missing_message_is_either_lost_or_covered(
    missing: set[int], spans: list[tuple[int, int]]
) -> None:
    """No missing message escapes, and none that is there is called missing."""
    said = [trade(number) for number in range(100)]
    stored = [each.message_id for number, each in enumerate(said) if number not in missing]
    found = audit(said, stored, [gap(first, first + wide) for first, wide in spans], slack=0)

    inside = {number for number in missing if any(a <= number <= a + wide for a, wide in spans)}
    assert {int(each.at) for each in found.covered} == inside
    assert {int(each.at) for each in found.lost} == missing - inside
