"""Whether a channel that changes its socket was covered all the time."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from uw_ingest.slots.handover import Doubt, Handovers, Sight, bearer_of

AT = datetime(2026, 11, 20, 15, tzinfo=UTC)
DOUBT = Doubt("news", slot=1, epoch=7, since=AT, at=AT)
NEWS = frozenset({"news"})


def verdict(sight: Sight | None) -> tuple[bool, bool]:
    """Whether the doubt turned out badly, and whether it stays open."""
    handovers = Handovers([DOUBT])
    bad = handovers.look({} if sight is None else {1: sight})
    return bool(bad), bool(handovers.doubts)


def test_a_handover_stays_in_doubt_while_the_old_holder_has_the_channel():
    """Or owes its last frames: it may still die with some that it did not publish."""
    assert verdict(Sight(7, owes=NEWS)) == (False, True)
    assert verdict(Sight(7, brings=NEWS)) == (False, True)


def test_a_handover_is_settled_when_the_old_holder_has_said_all():
    """It left the channel and owes nothing any more."""
    assert verdict(Sight(7)) == (False, False)


def test_a_released_slot_settles_the_handover():
    """Whether the release is still to be seen, or somebody has the slot anew and saw it."""
    assert verdict(Sight(clean=True)) == (False, False)
    assert verdict(Sight(9, brings=NEWS, clean=True)) == (False, False)


def test_a_slot_that_expired_is_a_hole():
    """Gone without a word, or taken by somebody who found it so."""
    assert verdict(None) == (True, False)
    assert verdict(Sight()) == (True, False)
    assert verdict(Sight(9, brings=NEWS)) == (True, False)


@given(
    sights=st.lists(
        st.builds(
            Sight,
            epoch=st.integers(0, 9),
            brings=st.sampled_from([NEWS, frozenset()]),
            owes=st.sampled_from([NEWS, frozenset()]),
            clean=st.booleans(),
        ),
        max_size=6,
    )
)
def test_a_doubt_ends_once_and_never_in_silence_after_an_expiry(sights: list[Sight]):
    """Whatever is seen one after the other: badly once if the slot first ends uncleanly, else never."""
    handovers = Handovers([DOUBT])
    bad = [len(handovers.look({1: sight})) for sight in sights]

    assert sum(bad) <= 1
    ended = next((s for s in sights if s.epoch != 7 or "news" not in s.brings | s.owes), None)
    if ended is not None:
        assert sum(bad) == int(ended.epoch != 7 and not ended.clean)


def test_a_socket_that_was_closed_with_the_channel_open_is_a_hole():
    """It had not left the channel, so nobody waited for our join."""
    assert verdict(Sight(7, owes=NEWS, dropped=NEWS)) == (True, False)


def test_a_channel_is_borne_by_a_socket_that_brings_it_now():
    """Not by one that only owes its last frames; rather by one of ours than by what a lease says."""
    slots = {1: Sight(1, brings=NEWS), 2: Sight(2, owes=NEWS), 3: Sight(3, brings=NEWS, ours=True)}
    assert bearer_of("news", slots) == 3
    assert bearer_of("news", {1: slots[1], 2: slots[2]}) == 1
    assert bearer_of("news", {2: slots[2]}) is None
