"""What waits for a client comes out whole and in order, and only live frames count against it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.wire.backlog import Backlog

FRAMES = st.lists(st.binary(min_size=1, max_size=9), max_size=6)


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=9), FRAMES), max_size=12), st.integers(1, 20))
def test_everything_comes_out_in_order_in_pieces(said: list[bytes | list[bytes]], size: int):
    """Live frames and snapshots keep their order; a piece is no larger than asked for and one frame."""
    backlog, expected, live = Backlog(), b"", 0
    for item in said:
        if isinstance(item, bytes):
            backlog.add(item)
            expected += item
            live += len(item)
        else:
            backlog.show(item)
            expected += b"".join(item)
    assert backlog.live == live

    taken = b""
    while backlog:
        piece = backlog.take(size)
        assert len(piece) < size + 9
        taken += piece

    assert taken == expected
    assert (backlog.live, backlog.showing) == (0, False)


def test_a_snapshot_waits_by_reference_and_does_not_count():
    """Frames shared by all are not copied for one client."""
    backlog, frame = Backlog(), b"x" * 1_000
    backlog.show([frame] * 1_000)
    assert (backlog.live, backlog.showing) == (0, True)
    assert backlog.take(1) is frame
