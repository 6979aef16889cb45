"""The native reader comes to the same count as the Python one, over a real socket."""

import ctypes
import errno
import select
import socket
import time
from collections.abc import Iterator
from typing import Self

import pytest
from bench import native
from bench.counting import Tally, missing
from bench.handshake import TEXT, server_frame
from bench.tests.test_counting import a_counter, cut, feed, frames
from hypothesis import given
from hypothesis import strategies as st

BEAT = server_frame(TEXT, b'{"op":"heartbeat"}')


class Heard:
    """A client behind a socket, read as the swarm reads its clients."""

    def __init__(
        self,
        library: ctypes.CDLL,
        *,
        strict: bool = False,
        pair: tuple[socket.socket, socket.socket] | None = None,
    ) -> None:
        self.theirs, self.ours = pair or socket.socketpair()
        self.ours.setblocking(False)
        self.epoll = select.epoll()
        self.epoll.register(self.ours, select.EPOLLIN | select.EPOLLET)
        self.counter, self.tally = a_counter(), Tally(strict=strict, timed=True)
        self.reader = native.NativeReader(self.epoll, self.counter, library)

    def hear(self, chunk: bytes) -> Iterator[int | None]:
        """Take *chunk* in; what the reader left to the caller, and how it said so."""
        self.theirs.sendall(chunk)
        for descriptor, got in self.reader.unread(time.monotonic() + 5):
            yield got
            kept = len(self.tally.tail)
            self.counter.buffer[:kept] = self.tally.tail
            new = self.ours.recv_into(self.counter.view[kept:]) if got is None else got
            self.counter.take(self.tally, kept + new, time.monotonic_ns())
            self.reader.know(descriptor, self.tally)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self.theirs, self.ours, self.epoll):
            each.close()


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    """``rows.c``, compiled."""
    cc = native.compiler()
    if cc is None:
        pytest.skip("there is no C compiler here")
    return native.build(cc)


def streams() -> st.SearchStrategy[bytes]:
    """Events in a row, with holes, repeats, longer ones and heartbeats between them."""
    step = st.sampled_from([1, 1, 1, 1, 1, 1, 2, 0])
    size = st.sampled_from([290, 290, 290, 290, 400])

    @st.composite
    def stream(draw: st.DrawFn) -> bytes:
        parts, sequence = [], 0
        for _ in range(draw(st.integers(1, 40))):
            parts.append(frames(sequence, size=draw(size)))
            parts += [BEAT] * draw(st.sampled_from([0, 0, 0, 0, 1]))
            sequence += draw(step)
        return b"".join(parts)

    return stream()


@given(stream=streams(), cuts=st.lists(st.integers(min_value=0), max_size=12), strict=st.booleans())
def test_both_readers_find_the_same(library, stream, cuts, strict):
    """Whatever the stream holds and however it is cut: events, holes, other frames and findings are equal."""
    pieces, counter, tally = cut(stream, cuts), a_counter(), Tally(strict=strict, timed=True)
    feed(counter, tally, *pieces)

    with Heard(library, strict=strict) as heard:
        for piece in pieces:
            list(heard.hear(piece))

        for name in ("events", "first", "last", "others", "tail", "unexpected"):
            assert getattr(heard.tally, name) == getattr(tally, name), name
        assert sum(heard.counter.sample.counts) == sum(counter.sample.counts)


def test_rows_are_counted_without_the_caller(library):
    """Once a client has begun, whole rows in sequence are read, counted and timed natively."""
    with Heard(library) as heard:
        assert list(heard.hear(frames(0))) == [None]

        assert list(heard.hear(frames(*range(1, 40)))) == []

        assert (heard.tally.events, heard.tally.last, heard.reader.reads) == (40, 39, 1)
        # Whether the first read began with a row was not known yet.
        assert sum(heard.counter.oldest.counts) == 1


def test_a_hole_is_left_to_the_caller(library):
    """A row that is not the next one is not counted natively, nor are those that came with it."""
    with Heard(library) as heard:
        list(heard.hear(frames(0)))

        assert list(heard.hear(frames(1, 2, 4, 5))) == [4 * len(frames(1))]

        assert missing(heard.tally, tickers=50) == 1


def test_an_end_and_an_error_are_told(library):
    """The caller learns that a peer has gone, and by which error."""
    with Heard(library) as heard:
        list(heard.hear(frames(0)))
        heard.theirs.close()

        assert [got for _, got in heard.reader.unread(time.monotonic() + 5)] == [0]

    with socket.create_server(("127.0.0.1", 0)) as server, Heard(library, pair=_pair(server)) as heard:
        list(heard.hear(frames(0)))
        heard.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        heard.theirs.close()

        assert [got for _, got in heard.reader.unread(time.monotonic() + 5)] == [-errno.ECONNRESET]


def _pair(server: socket.socket) -> tuple[socket.socket, socket.socket]:
    ours = socket.create_connection(server.getsockname())
    theirs, _ = server.accept()
    return theirs, ours
