"""`/v1/events` over real sockets: what is asked, told, refused, and how it ends."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlencode

import jwt
import orjson
import pytest

import ws_gateway.bus.reread as reread_module
import ws_gateway.events.station as station_module
from baleen_bus import Gap, GapReason
from ws_gateway.doors.limits import Kind
from ws_gateway.fleet.clients import details_of
from ws_gateway.wire.one_way import UNACKNOWLEDGED_MS

PATIENCE = 5.0


@dataclass
class Block:
    """What stood between two empty lines.

    Attributes:
        name: the event's name, `message` where it has none, empty where nothing is told.
        id: None where there was none.
        comment: whether a comment stood in it.
    """

    name: str = ""
    data: Any = None
    id: str | None = None
    retry: int | None = None
    comment: bool = False

    @property
    def number(self) -> int:
        """The number of a message that a test has said."""
        number: int = self.data["data"]["n"]
        return number


@dataclass
class Listener:
    """One connection whose request was answered."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def transport(self) -> Any:
        """What the socket hangs on."""
        return self.writer.transport

    async def body(self) -> Any:
        """Return the JSON of an answer that has a length."""
        text = await self.reader.readexactly(int(self.headers["content-length"]))
        return orjson.loads(text)

    async def block(self) -> Block:
        """Return the next block."""
        block = Block()
        text = await asyncio.wait_for(self.reader.readuntil(b"\n\n"), PATIENCE)
        for line in text[:-2].decode().split("\n"):
            name, _, value = line.partition(": ")
            if name == ":":
                block.comment = True
            elif name == "event":
                block.name = value
            elif name == "data":
                assert block.data is None, "a second line of data"
                block.data = orjson.loads(value)
                block.name = block.name or "message"
            elif name == "id":
                block.id = value
            else:
                assert name == "retry", line
                block.retry = int(value)
        return block

    async def until(self, name: str) -> list[Block]:
        """Return all blocks up to the first of that name, heartbeats aside."""
        blocks: list[Block] = []
        while not blocks or blocks[-1].name != name:
            block = await self.block()
            if block.name != "heartbeat" and not block.comment:
                blocks.append(block)
        return blocks

    async def messages(self, count: int) -> list[Block]:
        """Return so many messages; nothing else but heartbeats may come."""
        return [(await self.until("message"))[-1] for _ in range(count)]

    async def rest(self) -> list[Block]:
        """Return all blocks up to the end of the answer."""
        blocks: list[Block] = []

        async def read_on() -> None:
            while True:
                blocks.append(await self.block())

        with pytest.raises(asyncio.IncompleteReadError) as ended:
            await read_on()
        assert ended.value.partial == b""
        return blocks


def request(
    query: dict[str, Any] | str = "",
    *,
    method: str = "GET",
    version: str = "1.1",
    headers: Sequence[str] = ("host: localhost",),
) -> bytes:
    """Return the bytes of a request for events."""
    text = query if isinstance(query, str) else urlencode(query, doseq=True)
    lines = [f"{method} /v1/events?{text} HTTP/{version}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@asynccontextmanager
async def listening(live: Any, query: dict[str, Any] | str = "", **more: Any) -> AsyncIterator[Listener]:
    """Ask for events, and leave in the end."""
    async with asking(live, request(query, **more)) as listener:
        yield listener


@asynccontextmanager
async def asking(live: Any, data: bytes) -> AsyncIterator[Listener]:
    """Send bytes, read the head of the answer, and leave in the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port, limit=1 << 24)
    try:
        writer.write(data)
        yield await answered(reader, writer)
    finally:
        writer.transport.abort()


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Listener:
    """Read the head of an answer."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return Listener(reader, writer, int(first.split()[1]), headers)


# What is told.


async def test_an_answer_begins_with_what_a_listener_needs_to_know(live: Any):
    """Proxies and caches are kept from touching events; the first block greets and says when to return."""
    async with listening(live, {"topics": "signal.v1.*"}) as listener:
        assert listener.status == 200
        assert listener.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert listener.headers["cache-control"] == "no-store"
        assert listener.headers["x-accel-buffering"] == "no"
        assert listener.headers["connection"] == "close"
        assert "date" in listener.headers
        assert not {"content-length", "transfer-encoding"} & listener.headers.keys()
        welcome = await listener.block()
        (wire,) = live.gateway.hub.wires
        assert (welcome.name, welcome.data["client"]) == ("welcome", wire.id)
        assert welcome.data["heartbeat_seconds"] == 25
        assert 500 <= (welcome.retry or 0) < 2_000


async def test_the_present_then_what_comes(live: Any):
    """Snapshot events have no id; the end of the snapshot and every message say where all streams stand."""
    live.say("signal.v1.SPY")
    live.say("agent.v1.nova")
    async with listening(live, "topics=signal.v1.*,agent.v1.>") as listener:
        blocks = await listener.until("snapshot_end")
        assert [block.name for block in blocks] == ["welcome", "snapshot", "snapshot", "snapshot_end"]
        assert [block.id for block in blocks] == [None, None, None, "AGENT.e.2,SIGNAL.e.1"]
        assert blocks[-1].data == {"count": 2}
        event = live.say("signal.v1.QQQ")
        (message,) = await listener.messages(1)
        assert message.data == {
            "topic": "signal.v1.QQQ",
            "at": "SIGNAL.e.3",
            "time": event.time,
            "data": {"n": 3},
        }
        assert message.id == "AGENT.e.2,SIGNAL.e.3"


async def test_topics_come_in_one_parameter_or_several_and_the_snapshot_may_be_left_out(live: Any):
    """Each message comes once, whatever number of topics means it."""
    live.say("signal.v1.SPY")
    query = "topics=signal.v1.SPY,signal.v1.*&topics=price.v1.nothing&topics=&snapshot=false&more=of+it"
    async with listening(live, query) as listener:
        assert [block.name for block in await listener.until("snapshot_end")] == ["welcome", "snapshot_end"]
        live.say("signal.v1.SPY")
        live.say("agent.v1.nova")
        live.say("signal.v1.QQQ")
        assert [block.number for block in await listener.messages(2)] == [2, 4]


async def test_a_filter_holds_for_snapshot_resume_and_what_comes(live: Any):
    """Only what fits is told."""
    for premium in (1, 200, 3):
        live.say("uw.v1.option_trade.SPY", premium=premium)
    query = {"topics": "uw.v1.option_trade.*", "filter": "premium >= 100"}
    async with listening(live, query) as listener:
        blocks = await listener.until("snapshot_end")
        assert [block.number for block in blocks if block.name == "snapshot"] == [2]
        for premium in (4, 500):
            live.say("uw.v1.option_trade.QQQ", premium=premium)
        assert [block.number for block in await listener.messages(1)] == [5]
    async with listening(live, {**query, "last_event_id": "TAPE.e.1"}) as listener:
        blocks = await listener.until("snapshot_end")
        assert [block.number for block in blocks if block.name == "message"] == [2, 5]


async def test_data_is_one_line_whatever_the_publisher_wrote(live: Any):
    """Line ends between the tokens of a body would end the event."""
    async with listening(live, "topics=signal.v1.*") as listener:
        await listener.until("snapshot_end")
        event = live.say("signal.v1.SPY")
        event.body = b'{\r\n "n": 7,\n\n "text": "a\\nb" }'
        event.frames.clear()
        live.gateway.hub.publish(event)
        first, second = await listener.messages(2)
        assert (first.number, second.data["data"]) == (1, {"n": 7, "text": "a\nb"})


async def test_garbage_on_the_bus_is_counted_and_told_to_nobody(live: Any):
    """A body that is no JSON object makes no event, live or resumed."""
    async with listening(live, "topics=signal.v1.*") as listener:
        await listener.until("snapshot_end")
        event = live.say("signal.v1.SPY")
        event.body = b"[1]"
        event.__dict__.pop("data", None)
        event.frames.clear()
        live.gateway.hub.publish(event)
        live.say("signal.v1.QQQ")
        assert [block.number for block in await listener.messages(2)] == [1, 2]
    assert 'dropped_total{reason="unsayable"} 1.0' in live.metrics()
    async with listening(live, "topics=signal.v1.*&last_event_id=SIGNAL.e.0") as listener:
        blocks = await listener.until("snapshot_end")
        assert [block.number for block in blocks if block.name == "message"] == [2]


# Going on.


async def test_who_comes_back_is_told_what_came_meanwhile(live: Any):
    """The header counts before the parameter, which an address keeps that is asked under again."""
    numbers = [live.say(f"signal.v1.{symbol}").seq for symbol in "ABCDE"]
    query = "topics=signal.v1.*&last_event_id=SIGNAL.e.1"
    headers = ("host: localhost", "last-event-id: SIGNAL.e.3")
    for more, after in (({}, 1), ({"headers": headers}, 3)):
        async with listening(live, query, **more) as listener:
            blocks = await listener.until("snapshot_end")
            told = [block for block in blocks if block.name == "message"]
            assert [block.number for block in told] == numbers[after:]
            assert [block.id for block in told] == [f"SIGNAL.e.{number}" for number in numbers[after:]]
            assert blocks[-1].data == {"count": len(told), "recovered": True}
    assert live.gateway.resumed["from_memory"] == 2


async def test_from_every_id_the_rest_follows_and_nothing_else(live: Any):
    """Of several streams, told one after the other: what follows an event's id was not told before it."""
    subjects = ("signal.v1.A", "agent.v1.nova", "uw.v1.option_trade.SPY", "signal.v1.B", "narrative.v1._")
    for turn in range(4):
        for subject in subjects:
            live.say(subject, turn=turn)
    query = {"topics": "signal.v1.*,agent.v1.*,uw.v1.option_trade.*,narrative.v1.*"}
    start = "SIGNAL.e.0,AGENT.e.0,TAPE.e.0,NARRATIVE.e.0"
    async with listening(live, {**query, "last_event_id": start}) as listener:
        blocks = await listener.until("snapshot_end")
        for subject in subjects:
            live.say(subject)
        blocks += await listener.messages(len(subjects))
    messages = [block for block in blocks if block.name == "message"]
    everything = {block.number for block in messages}
    assert len(messages) == len(everything) == 25
    for place, block in enumerate(blocks):
        if block.id is None:
            continue
        before = {one.number for one in blocks[: place + 1] if one.name == "message"}
        async with listening(live, {**query, "last_event_id": block.id}) as listener:
            after = [one.number for one in await listener.until("snapshot_end") if one.name == "message"]
        assert len(after) == len(set(after))
        assert before | set(after) == everything
        assert not before & set(after)


async def test_at_whatever_byte_an_answer_ends_a_browser_keeps_what_was_told(live: Any):
    """As the standard reads ids: they count with their whole block, and an event without changes nothing."""
    for turn in range(3):
        for subject in ("signal.v1.A", "agent.v1.nova"):
            live.say(subject, turn=turn)
    query = "topics=signal.v1.*,agent.v1.*&last_event_id=SIGNAL.e.2,AGENT.e.0"
    async with listening(live, query) as listener:
        text = bytearray()
        while b"event: snapshot_end\n" not in text or not text.endswith(b"\n\n"):
            text += await asyncio.wait_for(listener.reader.read(65_536), PATIENCE)
        live.say("agent.v1.nova")
        while text.count(b"nova") < 4:
            text += await asyncio.wait_for(listener.reader.read(65_536), PATIENCE)
    owed = {"SIGNAL": {3, 5}, "AGENT": {2, 4, 6, 7}}
    for cut in range(len(text) + 1):
        kept, told = as_a_browser_reads(bytes(text[:cut]))
        for position in filter(None, kept.split(",")):
            stream, _, number = position.split(".")
            assert {n for n in owed[stream] if n <= int(number)} <= told[stream], (cut, kept)
    assert told == owed
    assert kept == "AGENT.e.7,SIGNAL.e.5"


def as_a_browser_reads(text: bytes) -> tuple[str, dict[str, set[int]]]:
    """Return the last event id that a browser has kept, and the messages that its page was told."""
    kept = buffer = name = data = ""
    told: dict[str, set[int]] = {"SIGNAL": set(), "AGENT": set()}
    for line in text.decode().split("\n")[:-1]:
        label, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            kept = buffer
            if data and not name:
                stream, _, number = orjson.loads(data)["at"].split(".")
                told[stream].add(int(number))
            name = data = ""
        elif label == "id":
            buffer = value
        elif label == "event":
            name = value
        elif label == "data":
            data += value
    return kept, told


async def test_a_stream_made_anew_is_announced_and_shown(live: Any):
    """So is a position of the future; a stream that is not named begins with the present."""
    live.say("signal.v1.SPY")
    live.say("agent.v1.nova")
    for lost in ("SIGNAL.0ff.1", "SIGNAL.e.99"):
        query = f"topics=signal.v1.*,agent.v1.*&last_event_id={lost}"
        async with listening(live, query) as listener:
            _, gap, *shown, end = await listener.until("snapshot_end")
            assert (gap.name, gap.data["reason"], gap.data["from"]) == ("gap", "stream_recreated", None)
            assert (gap.id, [block.name for block in shown]) == (None, ["snapshot", "snapshot"])
            assert end.data["recovered"] is False


async def test_a_stream_that_nobody_knows_is_passed_over(live: Any):
    """An id of a later gateway may name it."""
    live.say("signal.v1.SPY")
    async with listening(live, "topics=signal.v1.*&last_event_id=LATER.e.5,SIGNAL.e.0") as listener:
        blocks = await listener.until("snapshot_end")
        assert [block.name for block in blocks] == ["welcome", "message", "snapshot_end"]
        assert blocks[1].id == "SIGNAL.e.1"
        assert blocks[-1].data["recovered"] is True


async def test_a_stream_whose_present_is_shown_is_named_when_all_of_it_was(live: Any):
    """Whoever comes back before that is shown it again, and told the rest of the others."""
    for subject in ("signal.v1.A", "agent.v1.nova", "signal.v1.B"):
        live.say(subject)
    async with listening(live, "topics=signal.v1.*,agent.v1.*&last_event_id=SIGNAL.e.0") as listener:
        blocks = await listener.until("snapshot_end")
        assert {block.id for block in blocks if block.name == "snapshot"} == {None}
        assert [block.id for block in blocks if block.name == "message"] == ["SIGNAL.e.1", "SIGNAL.e.3"]
        assert blocks[-1].id == "AGENT.e.2,SIGNAL.e.3"


async def test_many_different_sets_of_streams_share_one_kind_of_ids_in_the_end(live: Any):
    """Ids then name all streams; what they mean is the same."""
    streams = ("signal.v1.*", "agent.v1.*", "narrative.v1.*", "alert.v1.>", "market.v1.*", "session.v1.>")
    sets = [f"topics={one},{two}" for place, one in enumerate(streams) for two in streams[:place]]
    ids = []
    for query in sets:
        async with listening(live, query) as listener:
            ids.append((await listener.until("snapshot_end"))[-1].id or "")
    counts = [len(text.split(",")) for text in ids]
    assert counts[: station_module.MAX_SETS] == [2] * station_module.MAX_SETS
    assert set(counts[station_module.MAX_SETS :]) == {len(live.gateway.past.streams)}
    event = live.say("signal.v1.SPY")
    async with listening(live, f"{sets[-1]},signal.v1.*&last_event_id={ids[-1]}") as listener:
        told = [block.number for block in await listener.until("snapshot_end") if block.name == "message"]
        assert told == [event.seq]


# Refusals.

BAD_REQUESTS = {
    "": "bad_request",
    "topics=": "bad_request",
    "topics=a..b": "bad_topic",
    "topics=signal.v1.*.x.y.z.*": "bad_topic",
    "topics=" + ",".join(f"signal.v1.T{number}" for number in range(1_001)): "too_many_topics",
    "topics=" + ",".join(f"uw.v1.gex.T{number}.*" for number in range(65)): "too_many_topics",
    "topics=signal.v1.*&snapshot=perhaps": "bad_request",
    "topics=signal.v1.*&filter=": "bad_filter",
    "topics=signal.v1.*&filter=" + quote("nothing == 1"): "bad_filter",
    "topics=signal.v1.*&filter=" + quote("confidence >"): "bad_filter",
    "topics=signal.v1.*&filter=" + "x" * 1_001: "bad_filter",
    "topics=signal.v1.*&last_event_id=1204": "bad_position",
    "topics=signal.v1.*&last_event_id=SIGNAL.e.1,": "bad_position",
    "topics=signal.v1.*&last_event_id=SIGNAL.e.1,SIGNAL.e.2": "bad_position",
    "topics=signal.v1.*&last_event_id=" + ",".join(f"S{'X' * n}.e.1" for n in range(65)): "bad_position",
    "topics=signal.v1.*&last_event_id=" + "x" * 9_000: "bad_position",
}


@pytest.mark.parametrize(("query", "code"), BAD_REQUESTS.items(), ids=lambda text: text[:40])
async def test_what_cannot_be_told_is_refused_in_native_words(live: Any, query: str, code: str):
    """The same mistake on the native protocol gets the same code and message; ids are this protocol's own."""
    async with listening(live, query) as listener:
        refused = await listener.body()
        assert (listener.status, refused["code"]) == (400, code)
        assert listener.headers["cache-control"] == "no-store"
    assert f'refusals_total{{reason="{code}"}} 1.0' in live.metrics()
    if code == "bad_position":
        assert refused["message"] == "Last-Event-ID is no id that the gateway gave"
        return
    said: dict[str, Any] = {"topics": []}
    for name, _, value in (part.partition("=") for part in query.split("&") if part):
        said |= {"topics": value.split(",") if value else []} if name == "topics" else {name: unquote(value)}
    async with live.connect() as client:
        await live.hear(client)
        answer = await live.ask(client, op="subscribe", **said)
        assert (answer["code"], answer["message"]) == (refused["code"], refused["message"])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
async def test_another_method_is_refused(live: Any, method: str):
    """Nothing can be sent here."""
    headers = ("host: localhost", "content-length: 0")
    async with listening(live, "topics=signal.v1.*", method=method, headers=headers) as listener:
        assert listener.status == 405
        assert len(live.gateway.hub) == 0


async def test_a_full_gateway_says_when_to_come_back(serve_with: Any):
    """Listeners and WebSockets share the places; who leaves makes room."""
    async with serve_with(max_connections=1) as live:
        async with listening(live, "topics=signal.v1.*") as first:
            await first.until("snapshot_end")
            async with listening(live, "topics=signal.v1.*") as second:
                assert (second.status, (await second.body())["code"]) == (503, "busy")
                assert 2 <= int(second.headers["retry-after"]) <= 5
            client = await live.connect()
            assert "busy" in await client.recv()
        await live.until(lambda: not live.gateway.hub.wires)
        async with listening(live, "topics=signal.v1.*") as third:
            assert third.status == 200


async def test_who_comes_too_often_is_told_when_to_come(serve_with: Any):
    """The rate of handshakes holds for requests for events too."""
    async with serve_with(handshakes_per_second=1) as live:
        statuses = []
        for _ in range(4):
            async with listening(live, "topics=signal.v1.*") as listener:
                statuses.append(listener.status)
        assert statuses == [200, 200, 503, 503]
        assert int(listener.headers["retry-after"]) >= 1


async def test_an_address_has_so_many_connections_and_no_more(serve_with: Any):
    """Behind a trusted proxy the client's address counts; a place is free again when its client has left."""
    async with serve_with(max_connections_per_address=1, trusted_proxies=("127.0.0.1",)) as live:
        headers = ("host: localhost", "x-forwarded-for: 203.0.113.7")
        async with listening(live, "topics=signal.v1.*", headers=headers) as first:
            await first.until("snapshot_end")
            async with listening(live, "topics=signal.v1.*", headers=headers) as second:
                assert (second.status, (await second.body())["code"]) == (429, "too_many_connections")
                assert "retry-after" in second.headers
            assert live.gateway.entry.limits.counts()[Kind.ADDRESS] == {"203.0.113.7": 1}
        await live.until(lambda: live.gateway.entry.limits.counts()[Kind.ADDRESS] == {})
    assert live.gateway.entry._guests == {}


async def test_a_gateway_that_has_just_begun_waits_for_its_streams(
    live: Any, monkeypatch: pytest.MonkeyPatch
):
    """An id would not be understood before: the request waits, and if that takes too long it is refused."""
    monkeypatch.setattr(station_module, "_KNOWN_WITHIN", 0.2)
    live.gateway.settled.clear()
    live.gateway.settle("AGENT")
    async with listening(live, "topics=signal.v1.*") as listener:
        assert (listener.status, (await listener.body())["code"]) == (503, "busy")
    async with listening(live, "topics=agent.v1.*") as listener:
        assert listener.status == 200
    monkeypatch.setattr(station_module, "_KNOWN_WITHIN", PATIENCE)
    asyncio.get_running_loop().call_later(0.2, live.gateway.settle, "SIGNAL")
    live.say("signal.v1.SPY")
    async with listening(live, "topics=signal.v1.*&last_event_id=SIGNAL.e.0") as listener:
        blocks = await listener.until("snapshot_end")
        assert [block.number for block in blocks if block.name == "message"] == [1]


# Who may.

SECRET = "a secret of more than thirty-two bytes, for tests alone"
WITH_TOKENS: dict[str, Any] = {"auth": "jwt", "auth_key": SECRET}


def token(*patterns: str, lasts: float = 600) -> str:
    """Make a token that allows to hear *patterns*."""
    said = {"sub": "alice", "aud": "baleen", "exp": time.time() + lasts}
    return jwt.encode({**said, "baleen": {"subscribe": list(patterns)}}, SECRET, "HS256")


async def test_a_token_opens_its_topics_and_no_others(serve_with: Any):
    """In the header or in the address; each topic must be allowed whole."""
    async with serve_with(**WITH_TOKENS) as live:
        async with listening(live, "topics=signal.v1.*") as listener:
            assert listener.status == 401
            assert "www-authenticate" in listener.headers
        headers = ("host: localhost", f"authorization: Bearer {token('signal.v1.*')}")
        async with listening(live, "topics=signal.v1.*", headers=headers) as listener:
            assert (await listener.until("snapshot_end"))[0].name == "welcome"
        in_address = f"token={token('signal.v1.SPY')}"
        async with listening(live, f"topics=signal.v1.SPY&{in_address}") as listener:
            assert listener.status == 200
            assert listener.headers["referrer-policy"] == "no-referrer"
        async with listening(live, f"topics=signal.v1.SPY,signal.v1.*&{in_address}") as listener:
            refused = await listener.body()
            assert (listener.status, refused["code"]) == (403, "forbidden")
            assert "'signal.v1.*'" in refused["message"]


async def test_a_subject_has_so_many_connections_and_no_more(serve_with: Any):
    """Listeners count as its WebSockets do."""
    async with serve_with(**WITH_TOKENS, max_connections_per_subject=1) as live:
        query = f"topics=signal.v1.*&token={token('>')}"
        async with listening(live, query) as first:
            await first.until("snapshot_end")
            async with listening(live, query) as second:
                assert (second.status, (await second.body())["code"]) == (429, "too_many_connections")
        await live.until(lambda: live.gateway.entry.limits.counts()[Kind.SUBJECT] == {})


async def test_an_answer_ends_with_its_token(serve_with: Any):
    """The listener is warned, told why, and the answer ends."""
    async with serve_with(**WITH_TOKENS, auth_warn_seconds=1.0) as live:
        end = time.time() + 2.5
        async with listening(live, f"topics=signal.v1.*&token={token('>', lasts=2.5)}") as listener:
            await listener.until("snapshot_end")
            told = [block for block in await listener.rest() if block.name != "heartbeat"]
        assert time.time() <= end + 0.3
        assert [block.name for block in told] == ["token_expiring", "error"]
        assert 0 < told[0].data["in_ms"] <= 2_000
        assert told[1].data["code"] == "token_expired"


async def test_pages_of_other_origins_are_kept_out_or_may_read(live: Any):
    """A browser shows a page the answer only if it is told to; a stranger's page gets none."""
    strange, ours = "https://evil.example", "http://localhost:5173"
    headers = ("host: localhost", f"origin: {strange}")
    async with listening(live, "topics=signal.v1.*", headers=headers) as listener:
        assert (listener.status, (await listener.body())["code"]) == (403, "origin")
        assert "access-control-allow-origin" not in listener.headers
    headers = ("host: localhost", f"origin: {ours}")
    for query, status in (("topics=signal.v1.*", 200), ("topics=", 400)):
        async with listening(live, query, headers=headers) as listener:
            assert listener.status == status
            assert listener.headers["access-control-allow-origin"] == ours
            assert listener.headers["vary"] == "origin"
    async with listening(live, "topics=signal.v1.*", headers=("host: evil.example",)) as listener:
        assert listener.status == 421


async def test_a_page_may_ask_first_which_headers_it_may_send(live: Any):
    """A fetch with a token or an id asks beforehand, without either."""
    for origin, status in (("http://localhost:5173", 204), ("https://evil.example", 403)):
        headers = ("host: localhost", f"origin: {origin}", "access-control-request-method: GET")
        async with listening(live, method="OPTIONS", headers=headers) as listener:
            assert listener.status == status
            allowed = listener.headers.get("access-control-allow-headers", "")
            assert ("authorization" in allowed and "last-event-id" in allowed) is (status == 204)


# Slow, silent, leaving.

FILLING = "x" * 6_000


async def test_a_silent_time_has_signs_of_life_that_say_where_the_listener_stands(live: Any):
    """A listener cannot answer, and is not ended for it."""
    async with listening(live, "topics=signal.v1.A,agent.v1.*") as listener:
        await listener.until("snapshot_end")
        live.say("signal.v1.B")
        for _ in range(100):
            live.gateway.rounds.visit()
        for _ in range(5):
            block = await listener.block()
            assert (block.name, block.id) == ("heartbeat", "AGENT.e.0,SIGNAL.e.1")
        assert len(live.gateway.hub) == 1


async def test_a_heartbeat_never_says_more_than_was_told(live: Any):
    """While something waits for the listener, in its pen or its backlog, a heartbeat is a comment."""
    async with listening(live, "topics=signal.v1.*") as listener:
        await listener.until("snapshot_end")
        (wire,) = live.gateway.hub.wires
        live.say("signal.v1.A")
        live.say("signal.v1.B")  # in one turn of the loop: it waits for the sweep
        assert wire.pen.pending
        for _ in range(20):
            live.gateway.rounds.visit()
        assert (await listener.block()).comment
        assert [block.number for block in await listener.messages(2)] == [1, 2]
        wire.pause_writing()
        live.say("signal.v1.C")
        await live.until(lambda: wire.backlog.live > 0)
        for _ in range(20):
            live.gateway.rounds.visit()
        wire.resume_writing()
        assert [block.number for block in await listener.messages(1)] == [3]
        assert (await listener.block()).comment


async def test_a_client_that_vanishes_without_a_word_is_found_out_by_the_kernel(live: Any):
    """It cannot be pinged: what it does not confirm ends its connection."""
    async with listening(live, "topics=signal.v1.*") as listener:
        await listener.until("snapshot_end")
        (wire,) = live.gateway.hub.wires
        sock = wire.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNACKNOWLEDGED_MS


async def test_a_listener_that_stops_reading_catches_up_and_harms_nobody(serve_with: Any):
    """What waits for it is bounded; when it reads on it is told everything, once; others notice nothing."""
    async with serve_with(client_buffer_bytes=65_536) as live:
        query = "topics=signal.v1.*"
        async with listening(live, query) as slow, listening(live, query) as other:
            await slow.until("snapshot_end")
            await other.until("snapshot_end")
            wire = next(w for w in live.gateway.hub.wires if peer_of(w) == port_of(slow))
            slow.transport.pause_reading()
            count = 0
            while not wire.behind:
                live.say("signal.v1.SPY", filling=FILLING)
                count += 1
                assert wire.backlog.live < 65_536 + 2 * len(FILLING)
                await asyncio.sleep(0.001)
            for _ in range(50):
                live.say("signal.v1.SPY", filling=FILLING)
                count += 1
            assert [block.number for block in await other.messages(count)] == list(range(1, count + 1))
            slow.transport.resume_reading()
            told = await slow.messages(count)
            assert [block.number for block in told] == list(range(1, count + 1))
            assert [block.id for block in told] == [f"SIGNAL.e.{n}" for n in range(1, count + 1)]
            live.say("signal.v1.SPY")
            assert [block.number for block in await slow.messages(1)] == [count + 1]
        assert live.gateway.resumed["caught_up"] == 1


def port_of(listener: Listener) -> int:
    """The listener's own port."""
    port: int = listener.writer.get_extra_info("sockname")[1]
    return port


def peer_of(wire: Any) -> int:
    """The port of the client of a wire."""
    port: int = wire.transport.get_extra_info("peername")[1]
    return port


async def test_a_slow_listener_is_spared_what_a_newer_message_replaces_and_told_so(live: Any):
    """Where only the newest of a subject counts, it is told how many it was spared."""
    async with listening(live, "topics=uw.v1.price.*") as listener:
        await listener.until("snapshot_end")
        (wire,) = live.gateway.hub.wires
        wire.pause_writing()
        for _ in range(5):
            live.say("uw.v1.price.SPY")
        await live.until(lambda: wire.backlog.conflated == 4)
        wire.resume_writing()
        conflated, message = await listener.until("message")
        assert (conflated.name, conflated.data) == ("conflated", {"topic": "uw.v1.price.SPY", "count": 4})
        assert (conflated.id, message.id) == (None, "LATEST.e.5")


async def test_a_listener_that_takes_nothing_any_more_is_ended(serve_with: Any):
    """It is told why, and when to come back, if it ever reads again."""
    async with serve_with(client_stuck_seconds=1.0) as live:
        async with listening(live, "topics=signal.v1.*") as listener:
            await listener.until("snapshot_end")
            (wire,) = live.gateway.hub.wires
            listener.transport.pause_reading()
            while not wire.lagging:
                live.say("signal.v1.SPY", filling=FILLING)
                await asyncio.sleep(0.001)
            await live.until(lambda: wire.closing)
            listener.transport.resume_reading()
            *_, last = await listener.rest()
            assert (last.name, last.data["code"]) == ("error", "too_slow")
            assert (last.retry or 0) >= 2_000
            await live.until(lambda: not live.gateway.hub.wires)
        assert 'closes_total{code="4100",reason="too_slow"} 1.0' in live.metrics()


async def test_leaving_tells_every_listener_when_to_return(live: Any):
    """What was said before is told, then drain, then the end; who comes now is told to come later."""
    async with listening(live, "topics=signal.v1.*") as listener:
        await listener.until("snapshot_end")
        live.say("signal.v1.LAST")
        leaving = asyncio.create_task(live.gateway.leave(3.0))
        message, drain = await listener.rest()
        assert (message.number, drain.name) == (1, "drain")
        assert drain.retry == drain.data["reconnect_in_ms"]
        assert 2_000 <= drain.retry < 5_000
        await leaving
        async with listening(live, "topics=signal.v1.*") as late:
            assert (late.status, (await late.body())["code"]) == (503, "leaving")
            assert "retry-after" in late.headers


async def test_nothing_is_read_for_a_listener_that_is_gone(live: Any, monkeypatch: pytest.MonkeyPatch):
    """It gives up its place among those for whom a stream is read, though it is still waiting for it."""
    monkeypatch.setattr(reread_module, "_AT_ONCE", 0)  # so that nobody's turn comes
    live.gateway.rereader = reread_module.Rereader(None, live.gateway.past)
    live.gateway.past.streams["SIGNAL"].tail.lift(5, 10)
    async with listening(live, "topics=signal.v1.*&last_event_id=SIGNAL.e.1") as listener:
        assert listener.status == 200
        await live.until(lambda: len(works()) == 1)
    await live.until(lambda: not works())
    assert not live.gateway.hub.wires


def works() -> list[str]:
    """Return the names of the tasks that work for listeners."""
    return [name for task in asyncio.all_tasks() if (name := task.get_name()).startswith("events-")]


async def test_a_gap_is_announced_in_its_place(live: Any):
    """Whoever is told of a stream with a hole hears of it, between the messages around it."""
    async with (
        listening(live, "topics=signal.v1.A,signal.v1.B") as listener,
        listening(live, "topics=agent.v1.*") as stranger,
    ):
        await listener.until("snapshot_end")
        await stranger.until("snapshot_end")
        live.say("signal.v1.A")
        live.gateway.lose(Gap("SIGNAL", 2, 4, GapReason.EXPIRED))
        live.number = 4
        live.say("signal.v1.B")
        live.say("agent.v1.nova")
        before, gap, after = [await listener.block() for _ in range(3)]
        assert [block.name for block in (before, gap, after)] == ["message", "gap", "message"]
        assert gap.data == {
            "topic": "signal.v1.>",
            "from": "SIGNAL.e.2",
            "to": "SIGNAL.e.4",
            "reason": "expired",
        }
        assert [block.number for block in await stranger.messages(1)] == [6]


async def test_a_lost_bus_is_told_to_listeners_too(live: Any):
    """Who is here, and who comes meanwhile, hears that nothing new can arrive."""
    async with listening(live, "topics=signal.v1.*") as listener:
        await listener.until("snapshot_end")
        live.gateway.mind_bus(None)
        live.gateway.mind_bus("disconnected")
        assert (await listener.block()).data["state"] == "stale"
        async with listening(live, "topics=signal.v1.*") as late:
            blocks = await late.until("snapshot_end")
            assert [block.name for block in blocks] == ["welcome", "status", "snapshot_end"]
            live.gateway.mind_bus(None)
            assert [(await one.block()).data["state"] for one in (listener, late)] == ["live", "live"]


async def test_operators_see_listeners_as_they_see_others(live: Any):
    """What it hears, and that it hears events."""
    query = {"topics": "signal.v1.*", "filter": "symbol == 'SPY'"}
    async with listening(live, query) as listener:
        await listener.until("snapshot_end")
        (wire,) = live.gateway.hub.wires
        details = details_of(live.gateway.hub, wire)
        assert (details["label"], details["dialect"]) == ("events", "events")
        assert details["topics"] == [{"topic": "signal.v1.*", "filter": 'symbol == "SPY"'}]
