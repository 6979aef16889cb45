"""Ready frames are what any WebSocket client reads."""

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from ws_gateway.wire.frames import PING, close_frame, text_frame


def parsed(data: bytes) -> Frame:
    """Read one frame the way the websockets library does for a client."""
    reader = StreamReader()
    reader.feed_data(data)
    reading = Frame.parse(reader.read_exact, mask=False, max_size=None)
    try:
        next(reading)
    except StopIteration as end:
        frame: Frame = end.value
        return frame
    raise AssertionError("the frame is not whole")


@given(st.text(min_size=1, max_size=300))
def test_a_text_frame_carries_its_payload(text: str):
    """What is put in comes out, as one final text frame."""
    frame = parsed(text_frame(text.encode()))

    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, text.encode())


def test_the_length_is_right_at_each_border():
    """Lengths of 7, 16 and 64 bits are each used where they must be."""
    for size in (1, 125, 126, 127, 65_535, 65_536, 70_000):
        assert len(parsed(text_frame(b"x" * size)).data) == size


def test_nothing_to_say_is_no_frame():
    """A dialect whose clients cannot read errors says nothing, not an empty text."""
    assert text_frame(b"") == b""


def test_a_close_frame_says_code_and_reason():
    """The code comes first, then the reason, cut to what a control frame holds, never inside a character."""
    assert parsed(close_frame(1013, "slow")).data == (1013).to_bytes(2) + b"slow"

    long = parsed(close_frame(4100, "é" * 100)).data
    assert len(long) <= 125
    assert bytes(long[2:]).decode() == "é" * 61


def test_a_ping_is_a_ping():
    """The shared ping frame is empty and final."""
    assert parsed(PING).opcode is Opcode.PING
