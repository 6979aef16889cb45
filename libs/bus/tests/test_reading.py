"""Reading what a stream of a real server keeps."""

import pytest

from baleen_bus import ApiRefused, Publisher, Unreachable, fetch_chunk, fetch_last, fetch_newest, stream_epoch


@pytest.fixture
async def full(bus, signal):
    """300 signals over 30 tickers, in turn."""
    async with Publisher(bus, source="test") as publisher:
        for n in range(300):
            publisher.offer(signal(n, symbol=f"T{n % 30}"))
        assert await publisher.drain(10) == 0
    return bus


@pytest.mark.parametrize(
    ("pattern", "count", "expected"),
    [
        ("signal.>", 5, [296, 297, 298, 299, 300]),
        ("signal.v1.T4", 3, [215, 245, 275]),
        ("signal.v1.T4", 100, list(range(5, 300, 30))),
        ("signal.v1.NONE", 3, []),
        ("signal.>", 0, []),
    ],
)
async def test_the_newest_come_oldest_first(full, pattern, count, expected):
    """However thinly the pattern is spread over the stream."""
    assert [item.seq for item in await fetch_newest(full, "SIGNAL", pattern, count)] == expected


async def test_the_newest_of_a_stream_that_lost_its_beginning(full):
    """Retention moves the first sequence."""
    await full.request_json("$JS.API.STREAM.PURGE.SIGNAL", {"seq": 290})

    assert [item.seq for item in await fetch_newest(full, "SIGNAL", "signal.v1.T20", 5)] == [291]
    assert [item.seq for item in await fetch_newest(full, "SIGNAL", "signal.>", 50)] == list(range(290, 301))


async def test_the_last_of_every_subject_comes_in_stream_order(full):
    """One of each, the newest."""
    assert [item.seq for item in await fetch_last(full, "SIGNAL", "signal.>")] == list(range(271, 301))
    assert [item.subject for item in await fetch_last(full, "SIGNAL", "signal.v1.T7")] == ["signal.v1.T7"]
    assert await fetch_last(full, "SIGNAL", "signal.v1.NONE") == []


async def test_a_chunk_holds_what_follows_of_several_subjects_in_stream_order(full):
    """However many subjects are asked for together; more is fetched from where it ended."""
    topics = ["signal.v1.T4", "signal.v1.T20"]
    every = sorted([*range(5, 300, 30), *range(21, 300, 30)])

    first, more = await fetch_chunk(full, "SIGNAL", topics, 4, 7)
    assert ([item.seq for item in first], more) == (every[:7], True)
    assert [item.subject for item in first[:2]] == topics
    rest, more = await fetch_chunk(full, "SIGNAL", topics, first[-1].seq, 100)
    assert ([item.seq for item in rest], more) == (every[7:], False)
    assert await fetch_chunk(full, "SIGNAL", topics, 300, 7) == ([], False)
    assert (await fetch_chunk(full, "SIGNAL", [f"signal.v1.T{n}" for n in range(30)], 0, 300))[1] is False


async def test_an_epoch_stays_while_the_stream_stays(nats_server, bus):
    """Over a restart too; it differs between streams made at different times."""
    before = await stream_epoch(bus, "SIGNAL")
    assert before == await stream_epoch(bus, "SIGNAL")
    assert before != await stream_epoch(bus, "TAPE")
    assert before.isalnum()


async def test_a_stream_that_is_not_there_is_said_to_be_missing(bus):
    """Never by an empty answer."""
    with pytest.raises(ApiRefused, match="stream not found"):
        await fetch_newest(bus, "NONE", ">", 1)
    with pytest.raises(Unreachable, match="is there such a stream"):
        await fetch_last(bus, "NONE", ">")


async def test_a_reading_that_is_broken_off_is_not_taken_for_the_end(full, monkeypatch):
    """The server forgot the consumer between its making and the reading: there is more than was told."""
    ask = full.request_json

    async def forget_at_once(subject, *given, **more):
        answer = await ask(subject, *given, **more)
        if subject.startswith("$JS.API.CONSUMER.CREATE."):
            await ask(subject.replace(".CREATE.", ".DELETE."))
        return answer

    monkeypatch.setattr(full, "request_json", forget_at_once)
    with pytest.raises(Unreachable):
        await fetch_chunk(full, "SIGNAL", ["signal.v1.*"], 0, 100)
