"""The counter is believed only because it finds every loss, repeat and garble that is put into a stream."""

from itertools import pairwise

import pytest
from bench.counting import Counter, NatsCounter, Tally, missing
from bench.handshake import CLOSE, PING, TEXT, server_frame
from bench.pump import message
from bench.stamp import stamp
from hypothesis import given
from hypothesis import strategies as st

NOW = 5_000_000_000


def a_counter(kind: type[Counter] = Counter, *, wanted: int = 50, replies: list | None = None) -> Counter:
    """A counter that notes in *replies* what it would send."""
    noted: list = [] if replies is None else replies
    return kind(tickers=50, wanted=wanted, reply=lambda _, opcode, payload: noted.append((opcode, payload)))


def feed(counter: Counter, tally: Tally, *chunks: bytes) -> None:
    """Let *tally*'s client receive *chunks*, one read each."""
    for chunk in chunks:
        received = tally.tail + chunk
        counter.buffer[: len(received)] = received
        counter.take(tally, len(received), NOW)


def frames(*sequences: int, size: int = 290) -> bytes:
    """Event frames of these sequence numbers."""
    return b"".join(server_frame(TEXT, message(n, NOW - n, tickers=50, size=size)) for n in sequences)


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    """*stream* in pieces, cut wherever *cuts* say."""
    places = sorted({0, len(stream), *(c % len(stream) for c in cuts)})
    return [stream[a:b] for a, b in pairwise(places)]


@given(cuts=st.lists(st.integers(min_value=0), max_size=12), strict=st.booleans())
def test_cuts_do_not_change_the_count(cuts, strict):
    """However the network cuts the stream, every event is counted once, on the quick and the strict way."""
    counter, tally = a_counter(), Tally(strict=strict)

    feed(counter, tally, *cut(frames(*range(40)), cuts))

    assert (tally.events, tally.first, tally.last, tally.tail) == (40, 0, 39, b"")
    assert tally.unexpected == []
    assert missing(tally, tickers=50) == 0


@given(cuts=st.lists(st.integers(min_value=0), max_size=12))
def test_frames_of_other_lengths_are_walked(cuts):
    """Heartbeats and longer events between events of one length are told apart."""
    counter, tally = a_counter(), Tally(strict=False)
    beat = server_frame(TEXT, b'{"op":"heartbeat"}')

    feed(counter, tally, *cut(frames(*range(10)) + beat + frames(10, 11, size=400) + beat + frames(12), cuts))

    assert (tally.events, tally.others, tally.last) == (13, 2, 12)


@pytest.mark.parametrize("strict", [True, False])
def test_a_missing_event_is_found(strict):
    """A hole counts as one missing; the strict reading also says where."""
    counter, tally = a_counter(), Tally(strict=strict)

    feed(counter, tally, frames(*range(5)), frames(6, 7), frames(8))

    assert missing(tally, tickers=50) == 1
    assert tally.unexpected == (["message 6 follows 4"] if strict else [])


def test_a_doubled_event_is_found():
    """A repeat shows as minus one."""
    counter, tally = a_counter(), Tally(strict=False)

    feed(counter, tally, frames(0, 1, 2, 2, 3))

    assert missing(tally, tickers=50) == -1


def test_a_garbled_event_is_found():
    """The strict reading parses every payload."""
    counter, tally = a_counter(), Tally(strict=True)

    feed(counter, tally, frames(0).replace(b'"symbol":', b'"symbol";'))

    assert tally.unexpected == ["message 0 is no JSON"]


def test_a_watch_list_knows_what_it_should_hear():
    """A client of every fifth ticker misses nothing when it hears exactly those."""
    counter, tally = a_counter(wanted=10), Tally(strict=True)

    feed(counter, tally, frames(*range(3, 200, 5)))

    assert missing(tally, tickers=50, hears=lambda n: n % 5 == 3) == 0
    assert tally.unexpected == []
    feed(counter, tally, frames(208))
    assert missing(tally, tickers=50, hears=lambda n: n % 5 == 3) == 1


def test_control_frames_are_answered_and_remembered():
    """A ping is replied to, and the code of a close is kept."""
    replies: list[tuple[int, bytes]] = []
    counter, tally = a_counter(replies=replies), Tally(strict=False)

    feed(counter, tally, server_frame(PING, b"hi") + server_frame(CLOSE, (1013).to_bytes(2, "big") + b"slow"))

    assert replies == [(PING, b"hi")]
    assert tally.close_code == 1013


@given(
    cuts=st.lists(st.integers(min_value=0), max_size=12),
    frame_cuts=st.lists(st.integers(min_value=0), max_size=8),
    strict=st.booleans(),
)
def test_the_nats_protocol_may_be_cut_anywhere(cuts, frame_cuts, strict):
    """Neither the frames around the protocol nor the reads of the socket change the count of messages."""
    body = [f'{{"note":"{stamp(n, NOW - n)}"}}'.encode() for n in range(20)]
    protocol = b"".join(b"MSG signal.v1.T0001 1 %d\r\n%s\r\n" % (len(text), text) for text in body)
    stream = b"".join(server_frame(2, piece) for piece in cut(protocol, frame_cuts))
    counter, tally = a_counter(NatsCounter), Tally(strict=strict)

    feed(counter, tally, *cut(stream, cuts))

    assert (tally.events, tally.first, tally.last) == (20, 0, 19)


def test_the_nats_servers_ping_is_answered():
    """Without a PONG the server would hang up."""
    replies: list[tuple[int, bytes]] = []
    counter, tally = a_counter(NatsCounter, replies=replies), Tally(strict=False)

    feed(counter, tally, server_frame(2, b"PING\r\n"))

    assert replies == [(2, b"PONG\r\n")]
