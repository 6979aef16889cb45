"""What waits for a client comes out whole and in order, what is obsolete does not; the books are right."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.event import Event
from ws_gateway.wire.backlog import Backlog
from ws_gateway.wire.parcel import Books, Parcel

FRAMES = st.lists(st.binary(min_size=1, max_size=9), max_size=6)
MESSAGES = st.tuples(st.sampled_from(["every", "latest"]), st.sampled_from("AB"))


def untold(_subject: str, _count: int) -> bytes:
    """Say nothing of what was passed over."""
    return b""


def counted(subject: str, count: int) -> bytes:
    """Say what was passed over."""
    return f"{count} of {subject};".encode()


def message(kind: str, key: str, number: int) -> Parcel:
    """A message that says its number, of one stream for each kind."""
    event = Event(f"{kind}.{key}", kind, kind, number, "", None, b"")
    return Parcel.of(event, f"{number};".encode(), float(number), latest=kind == "latest")


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=9), FRAMES), max_size=12), st.integers(1, 20))
def test_everything_comes_out_in_order_in_pieces(said: list[bytes | list[bytes]], size: int):
    """Answers and snapshots keep their order; a piece is no larger than asked for and one frame."""
    books = Books()
    backlog, expected, live = Backlog(books), b"", 0
    for item in said:
        if isinstance(item, bytes):
            backlog.add(item)
            expected += item
            live += len(item)
        else:
            backlog.show(item)
            expected += b"".join(item)
    assert backlog.live == books.held == live

    taken = b""
    while backlog:
        piece = backlog.take(size, untold)
        assert len(piece) < size + 9
        taken += piece

    assert taken == expected
    assert (backlog.live, backlog.showing, books.held) == (0, False, 0)


@given(st.lists(MESSAGES, max_size=20), st.integers(1, 20), st.integers(0, 20))
def test_what_is_left_stands_in_the_published_order(said: list[tuple[str, str]], size: int, taken: int):
    """The newest of each subject and all the others come out as they were published, and the rest is told."""
    backlog = Backlog(Books())
    parcels = [message(kind, key, number) for number, (kind, key) in enumerate(said, 1)]
    backlog.put(parcels[:taken])
    first = backlog.take(size, untold) if backlog else b""
    backlog.put(parcels[taken:])
    rest = b""
    while backlog:
        rest += backlog.take(size, untold)

    numbers = [int(number) for number in (first + rest).split(b";")[:-1]]
    gone = set(range(1, len(said) + 1)) - set(numbers)
    assert numbers == sorted(set(numbers))
    assert all(said[number - 1][0] == "latest" for number in gone)
    assert all(said[number - 1] in said[number:] for number in gone)
    assert backlog.conflated == len(gone)


def test_what_was_passed_over_is_told_in_front_of_what_came_instead():
    """The count stands once, before the newest."""
    backlog = Backlog(Books())
    backlog.put([message("latest", "A", 1), message("every", "A", 2), message("latest", "A", 3)])
    backlog.put([message("latest", "A", 4)])
    assert backlog.take(1_000, counted) == b"2;2 of latest.A;4;"


@given(st.lists(MESSAGES, min_size=1, max_size=20))
def test_what_is_dropped_is_named_and_what_is_no_message_stays(said: list[tuple[str, str]]):
    """Of each stream the place is told before which all was given; answers and counts are still said."""
    books = Books()
    backlog, other = Backlog(books), Backlog(books)
    parcels = [message(kind, key, number) for number, (kind, key) in enumerate(said, 1)]
    backlog.add(b"answer;")
    backlog.put(parcels)
    other.put(parcels)
    assert books.held == other.live + len(b"answer;")
    backlog.put([Parcel(b"announced;")])
    kept = [p for n, p in enumerate(parcels, 1) if not (p.latest and said[n - 1] in said[n:])]

    since = backlog.skip(counted)

    assert since == {
        stream: min(parcel.seq for parcel in kept if parcel.stream == stream) - 1
        for stream in {parcel.stream for parcel in kept}
    }
    assert backlog.skipped == len(kept)
    assert books.held == other.live + backlog.live
    left = backlog.take(1_000, untold)
    assert left.startswith(b"answer;announced;")
    gone = {parcel.subject for parcel in parcels if parcel not in kept and parcel.seq <= since[parcel.stream]}
    assert left.count(b" of ") == len(gone)
    other.clear()
    assert books.held == 0


def test_a_snapshot_waits_by_reference_and_does_not_count():
    """Frames shared by all are not copied for one client."""
    backlog, frame = Backlog(Books()), b"x" * 1_000
    backlog.show([frame] * 1_000)
    assert (backlog.live, backlog.showing) == (0, True)
    assert backlog.take(1, untold) is frame


def test_an_answer_is_never_dropped_though_it_is_a_message():
    """What a conversation says by itself is its own, even if it is a frame that others share."""
    backlog = Backlog(Books())
    backlog.add(message("every", "A", 1))
    assert backlog.skip(untold) == {}
    assert backlog.take(1_000, untold) == b"1;"


def test_ages_are_those_of_the_oldest_message_and_of_the_oldest_that_counts():
    """A price that waits long is still the newest; a trade that does is late."""
    backlog = Backlog(Books())
    assert (backlog.oldest(), backlog.oldest_of_every()) == (None, None)
    backlog.add(b"answer;")
    backlog.put([message("latest", "A", 1), message("every", "A", 2)])
    assert (backlog.oldest(), backlog.oldest_of_every()) == (1.0, 2.0)
