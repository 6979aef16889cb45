"""What is derived from a message is made once, and is the same in whatever order it is asked for."""

from __future__ import annotations

import pytest

from ws_gateway.event import Event

TIME = "2026-01-02T03:04:05.678Z"


def event(body: bytes, time: str | None = None) -> Event:
    """A message with *body*."""
    return Event("signal.v1.SPY", "signal", "SIGNAL", 7, "SIGNAL.e.7", time, body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"occurred_at":"%b","symbol":"SPY"}' % TIME.encode(), TIME),
        (b'{"signal":{"occurred_at":"never"},"occurred_at":"%b"}' % TIME.encode(), TIME),
        (b'{"occurred_at":"about noon"}', "about noon"),
        (b'{"occurred_at":1767323045}', ""),
        (b'{"symbol":"SPY"}', ""),
        (b'["occurred_at"]', ""),
        (b"null", ""),
    ],
)
def test_the_time_is_the_same_whether_the_body_was_read_before_or_not(body: bytes, said: str):
    """A dialect that reads the body and one that does not say the same time."""
    unread, read = event(body), event(body)
    _ = read.data

    assert (unread.occurred_at, read.occurred_at) == (said, said)


def test_a_body_that_is_no_json_has_no_time_and_says_what_is_wrong_each_time_it_is_read():
    """A mistake is not remembered as a value."""
    broken = event(b"{occurred_at")

    assert broken.occurred_at == ""
    for _ in range(2):
        with pytest.raises(ValueError, match=r"JSON|unexpected"):
            _ = broken.data


def test_a_body_is_read_once_and_again_after_it_was_forgotten_with_the_time_kept():
    """All dialects share what was read; a message that is only kept lets go of it."""
    one = event(b'{"occurred_at":"%b"}' % TIME.encode())
    first = one.data
    assert one.data is first
    one.frames.update({"native": b"n", "flowmind": b"f", "bridge": None})
    one.slim()

    assert one.time == TIME
    assert one.frames == {"native": b"n", "bridge": None}
    assert one.data is not first
    assert one.data == first
