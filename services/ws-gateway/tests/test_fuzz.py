"""Whatever clients say: every text is answered or the connection closed with a code, and nobody else notices.

Conversations are made from a seed. Most of their frames are sound WebSocket frames with rubbish in them; each
counts what it must be answered with. Some clients deflate what they say. Some end by breaking the WebSocket
protocol, some by leaving rudely.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import logging
import os
import random
import resource
import struct
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest
import structlog
from structlog.testing import capture_logs

from baleen_bus import open_bus
from ws_gateway.errors import Refusal
from ws_gateway.native.commanding import AT_ONCE as AT_ONCE_COMMANDED
from ws_gateway.native.conversation import Conversation
from ws_gateway.wire import wire as wire_module

NATIVE = "/v1/stream"
SEEDS = ("/api/v1/ws/unified", "/api/v1/ws/market/SPY", "/api/stream/ws/flow", "/ws")
SESSIONS = ("/ws/backtest/none", "/ws/forward/%00%0a")
CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
CONTROLS = (CLOSE, PING, PONG)
DEFLATED, TAIL = 0x40, b"\x00\x00\xff\xff"
ANSWERS = {"subscribed", "unsubscribed", "pong", "error", "authenticated", "command_ack"}
CODES_OF_BROKEN = {1002, 1007, 1009}
BAD_FRAME = 4400
UNASKED = {Refusal.FORBIDDEN, Refusal.NOT_DONE, Refusal.UNAUTHENTICATED, Refusal.TOO_OFTEN, Refusal.BUSY}
"""Refusals that need tokens, or more frames or commands at once than these clients say."""
LAST_WORDS = b"last words"
PATIENCE = 20.0
AT_ONCE = 16
LONGEST = 60_000
LARGEST = 65_536
MEMORY = 32 << 20
"""Bytes by which the process may grow: what is remembered of filters, and what the test itself holds."""


@dataclass(frozen=True)
class Said:
    """What a client says at once.

    Attributes:
        data: bytes on the wire.
        answers: how many frames of the native protocol must answer it.
        pongs: the payloads that must come back.
        breaks: whether the connection must end by it, with a code.
        goodbye: the close code that must be answered with itself.
        frames: how many frames it is.
    """

    data: bytes
    answers: int = 0
    pongs: tuple[bytes, ...] = ()
    breaks: bool = False
    goodbye: int | None = None
    frames: int = 1


@dataclass
class Findings:
    """What a run has shown."""

    frames: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    codes: Counter[int | None] = field(default_factory=Counter)
    ops: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@pytest.fixture(autouse=True)
def _short_goodbyes(monkeypatch: Any) -> None:
    """Who broke the protocol is not read any more: let its connection stay for a second only."""
    monkeypatch.setattr(wire_module, "_CLOSE_WITHIN", 1.0)


# What is said.


def frame(
    rng: random.Random, opcode: int, data: bytes, *, fin: bool = True, reserved: int = 0, masked: bool = True
) -> bytes:
    """A client's frame."""
    size, mask = len(data), 0x80 if masked else 0
    head = bytes(((0x80 if fin else 0) | reserved | opcode,))
    if size < 126:
        head += bytes((mask | size,))
    elif size < 65_536:
        head += struct.pack(">BH", mask | 126, size)
    else:
        head += struct.pack(">BQ", mask | 127, size)
    if not masked:
        return head + data
    key = rng.randbytes(4)
    padded = key * (size // 4 + 1)
    whole = int.from_bytes(data) ^ int.from_bytes(padded[:size])
    return head + key + whole.to_bytes(size)


REQUESTS: Final[tuple[dict[str, Any], ...]] = (
    {"op": "subscribe", "topics": ["uw.v1.price.*"], "snapshot": False, "id": 1},
    {"op": "subscribe", "topics": ["uw.v1.price.SPY", "signal.v1.>"], "id": "a"},
    {"op": "subscribe", "topics": ["uw.v1.option_trade.*"], "filter": "premium >= 1", "id": 2},
    {"op": "subscribe", "topics": ["uw.v1.price.*"], "since": ["LATEST.e.1"], "id": 3},
    {"op": "unsubscribe", "topics": ["uw.v1.price.*"], "id": 4},
    {"op": "ping", "id": 5},
    {"op": "auth", "token": "a.b.c", "id": 6},
    {"op": "command", "subject": "command.v1.session.bt-7", "action": "pause", "data": {"n": 2}, "id": 7},
    {"type": "subscribe", "channels": ["state"]},
    {"type": "ping"},
)
FIELDS: Final = ("id", "topics", "filter", "since", "data", "op", "\x00")
WORDS: Final = (
    *"()[],.'\\5 ",
    "premium",
    "side",
    "and",
    "or",
    "not",
    ">=",
    "==",
    "in",
    '"ask"',
    "is",
    "null",
)
OPENINGS: Final = ("[", '{"a":', '{"op":"ping","id":[', '{"op":"command","data":{"a":', "[{},")


def weird(rng: random.Random) -> Any:
    """A value that nobody expects."""
    many = rng.randrange(20_000)
    nested: Any = 1
    for _ in range(many % 200):
        nested = [nested] if rng.random() < 0.5 else {"a": nested}
    numbers = (-1, 0.5, 2**53, 2**53 + 1, -(2**63), 10 ** (many % 400), 1e308)
    texts = ("", "\x00", "\ud83d", "é" * many, "x" * many, ">", "*", "uw.v1.>", "uw..v1", "TAPE.e.0")
    lists = (
        [],
        [["a"]] * 50,
        [f"uw.v1.price.T{n}" for n in range(1_100)],
        [f"uw.*.a.{n}" for n in range(70)],
    )
    places = (
        f"LATEST.e.{10 ** (many % 30)}",
        [f"LATEST.e.{many}"],
        ["LATEST.e.1", "LATEST.e.2"],
        ["LATEST.ff.1"],
    )
    return rng.choice((None, True, {}, nested, nested, *numbers, *texts, *lists, *places))


def a_text(rng: random.Random) -> tuple[str, bytes]:
    """A kind of text, and one of it."""
    kind = rng.choice(("sound", "changed", "changed", "scratched", "rubbish", "deep", "filter", "id"))
    request = dict(rng.choice(REQUESTS))
    if kind == "changed":
        for key in rng.choices((*request, *FIELDS), k=rng.randrange(1, 4)):
            request.pop(key, None)
            if rng.random() < 0.8:
                request[key] = weird(rng)
    elif kind == "filter":
        request = dict(REQUESTS[2], filter=" ".join(rng.choices(WORDS, k=rng.randrange(1, 40))))
    elif kind == "id":
        long = rng.randrange(1, 3_000)
        request["id"] = rng.choice((10**long, "9" * long * 15, [1], {}, -1e300))
    text = json.dumps(request, ensure_ascii=rng.random() < 0.5).encode(errors="replace")
    if kind == "scratched":
        scratched = bytearray(text)
        for _ in range(rng.randrange(1, 6)):
            scratched[rng.randrange(len(scratched))] = rng.randrange(128)
        text = bytes(scratched)
    elif kind == "rubbish":
        text = "".join(
            map(chr, rng.choices((*range(128), 0xE9, 0xD7FF, 0x10FFFF), k=rng.randrange(300)))
        ).encode()
    elif kind == "deep":
        text = (rng.choice(OPENINGS) * rng.randrange(1, 9_000)).encode()
    return kind, text[:LONGEST].decode(errors="ignore").encode()


def deflated(data: bytes) -> bytes:
    """The payload of a deflated frame (RFC 7692)."""
    packing = zlib.compressobj(wbits=-15)
    return (packing.compress(data) + packing.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def texts_and_controls(rng: random.Random, *, deflates: bool) -> tuple[str, Said]:
    """Something sound to a WebSocket server, however silly, that leaves the connection as it is."""
    number = rng.randrange(10)
    if number == 0:
        payload = rng.randbytes(rng.randrange(126))
        return "ping", Said(frame(rng, PING, payload), pongs=(payload,))
    if number == 1:
        return "pong", Said(frame(rng, PONG, rng.randbytes(rng.randrange(126))))
    kind, data = ("binary", rng.randbytes(rng.randrange(2_000))) if number == 2 else a_text(rng)
    packed = DEFLATED if deflates and rng.random() < 0.6 else 0
    data = deflated(data) if packed else data
    if number in {3, 4}:
        return "pieces", _in_pieces(rng, data, packed)
    return kind, Said(frame(rng, BINARY if kind == "binary" else TEXT, data, reserved=packed), answers=1)


def _in_pieces(rng: random.Random, text: bytes, packed: int) -> Said:
    """A text in pieces cut anywhere, also within a character, with control frames and nothing in between."""
    cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(1, 6)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    data, pongs, frames = b"", [], len(parts)
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        data += frame(rng, CONTINUED if number else TEXT, part, fin=last, reserved=0 if number else packed)
        if not last and rng.random() < 0.3:
            pongs.append(rng.randbytes(3))
            data += frame(rng, PING, pongs[-1])
            frames += 1
    return Said(data, answers=1, pongs=tuple(pongs), frames=frames)


def an_end(rng: random.Random, *, deflates: bool) -> tuple[str, Said]:
    """Something after which a connection cannot go on."""
    breaking = BREAKING | BREAKING_DEFLATED if deflates else BREAKING
    kind = rng.choice((*breaking, "goodbye", "goodbye"))
    if kind == "goodbye":
        code = rng.choice((1000, 1001, 1003, 1008, 1011, 3000, 4999))
        return kind, Said(frame(rng, CLOSE, struct.pack(">H", code) + b"bye"), goodbye=code)
    data = breaking[kind](rng)
    return kind, Said(data, breaks=True, frames=2 if kind == "text within text" else 1)


SOUND: Final = b'{"op":"ping"}'
BOMB: Final = deflated(b"[" * 10_000_000)
BREAKING: Final[dict[str, Callable[[random.Random], bytes]]] = {
    "not utf-8": lambda rng: frame(
        rng, TEXT, SOUND + rng.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xe2\x82"))
    ),
    "not masked": lambda rng: frame(rng, TEXT, SOUND, masked=False),
    "reserved bits": lambda rng: frame(rng, TEXT, SOUND, reserved=rng.choice((0x10, 0x20, 0x30, 0x70))),
    "reserved opcode": lambda rng: frame(rng, rng.choice((3, 4, 5, 6, 7, 11, 15)), SOUND),
    "long control": lambda rng: frame(rng, rng.choice(CONTROLS), b"x" * rng.randrange(126, 500)),
    "control in pieces": lambda rng: frame(rng, rng.choice(CONTROLS), b"", fin=False),
    "nothing to continue": lambda rng: frame(rng, CONTINUED, SOUND, fin=rng.random() < 0.5),
    "text within text": lambda rng: (
        frame(rng, TEXT, b"{", fin=False) + frame(rng, rng.choice((TEXT, BINARY)), SOUND)
    ),
    "too large": lambda rng: frame(rng, rng.choice((TEXT, BINARY)), b"x" * (LARGEST + 1)),
    "endless": lambda rng: struct.pack(">BBQ", 0x81, 0xFF, rng.choice((2**63 - 1, 2**63, 2**64 - 1, 2**40))),
    "bad goodbye": lambda rng: frame(
        rng, CLOSE, rng.choice((b"\x03", b"\0\0", b"\x03\xed", b"\x03\xe8\xff", b"\x27\x10"))
    ),
    "too many pieces": lambda rng: (
        frame(rng, TEXT, b"", fin=False) + frame(rng, CONTINUED, b"", fin=False) * 300
    ),
}
BREAKING_DEFLATED: Final[dict[str, Callable[[random.Random], bytes]]] = {
    "not deflated": lambda rng: frame(rng, TEXT, b"\x07" + SOUND, reserved=DEFLATED),
    "bomb": lambda rng: frame(rng, TEXT, BOMB, reserved=DEFLATED),
    "bomb in pieces": lambda rng: (
        frame(rng, TEXT, BOMB[:5_000], fin=False, reserved=DEFLATED) + frame(rng, CONTINUED, BOMB[5_000:])
    ),
    "deflated in the middle": lambda rng: (
        frame(rng, TEXT, b"{", fin=False) + frame(rng, CONTINUED, deflated(b"}"), reserved=DEFLATED)
    ),
    "deflated, not utf-8": lambda rng: frame(rng, TEXT, deflated(SOUND + b"\xff"), reserved=DEFLATED),
    "deflated ping": lambda rng: frame(rng, PING, deflated(SOUND), reserved=DEFLATED),
}


@dataclass(frozen=True)
class Script:
    """One client: where it connects, what it says, and how it leaves.

    Attributes:
        leaves: `politely` with a last ping and a goodbye, `rudely` without a word, `halfway` by closing its
            side only, `rubbish` likewise after bytes that are no frames; empty where what it said ended it.
        cuts: a seed that says in which pieces the bytes are written.
        deflates: whether it offers to deflate, and does.
    """

    path: str
    said: tuple[tuple[str, Said], ...]
    leaves: str
    cuts: int
    deflates: bool

    @property
    def frames(self) -> int:
        """How many frames it says."""
        return sum(said.frames for _, said in self.said)


def script(seed: int, longest: int) -> Script:
    """The client of this number."""
    rng = random.Random(seed)  # noqa: S311 - a run must be told again
    path = NATIVE if rng.random() < 0.7 else rng.choice(SEEDS + SESSIONS)
    deflates = rng.random() < 0.4
    said = [texts_and_controls(rng, deflates=deflates) for _ in range(rng.randrange(longest))]
    leaves = rng.choice(("politely", "politely", "rudely", "halfway", "rubbish", "", "", ""))
    if not leaves:
        said.append(an_end(rng, deflates=deflates))
    elif leaves == "rubbish":
        said.append(("bytes", Said(rng.randbytes(rng.randrange(1, 3_000)))))
    return Script(path, tuple(said), leaves, rng.randrange(1 << 30), deflates)


# Who says it.


class Heard:
    """What one client was told."""

    def __init__(self) -> None:
        self.ops: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.pongs: list[bytes] = []
        self.code: int | None = None
        self.ended = False

    @property
    def answers(self) -> int:
        """How many answers of the native protocol came."""
        return sum(count for op, count in self.ops.items() if op in ANSWERS)

    async def listen(self, reader: asyncio.StreamReader, *, until: Callable[[], bool]) -> None:
        """Read frames until *until*, the close frame or the end."""
        try:
            while not until():
                first, size = await reader.readexactly(2)
                if size > 125:
                    size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8))
                data = await reader.readexactly(size)
                if first & DEFLATED:
                    first, data = first & ~DEFLATED, zlib.decompressobj(wbits=-15).decompress(data + TAIL)
                self._take(first, data)
                if self.code is not None:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended = True

    def _take(self, first: int, data: bytes) -> None:
        match first:
            case 0x81:
                told = json.loads(data)
                assert isinstance(told, dict)
                self.ops[told.get("op", "")] += 1
                if told.get("op") == "error":
                    self.refusals[told["code"]] += 1
            case 0x88:
                self.code = int.from_bytes(data[:2]) if data else 1005
                data[2:].decode()
            case 0x8A:
                self.pongs.append(data)
            case 0x89:
                pass
            case _:
                raise AssertionError(f"the gateway said a frame that begins with {first:#x}")


async def shake_hands(
    port: int, path: str, *, deflates: bool
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that was upgraded."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(os.urandom(16)).decode()
    head = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        + ("Sec-WebSocket-Extensions: permessage-deflate\r\n" if deflates else "")
        + "\r\n"
    )
    writer.write(head.encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    assert (b"permessage-deflate" in answer) is deflates, answer
    return reader, writer


async def act(port: int, played: Script, patience: float = PATIENCE) -> Heard:
    """Play one client to its end."""
    rng = random.Random(played.cuts)  # noqa: S311 - the same
    reader, writer = await shake_hands(port, played.path, deflates=played.deflates)
    heard = Heard()
    data = b"".join(said.data for _, said in played.said)
    if played.leaves == "politely":
        data += frame(rng, PING, LAST_WORDS)
    wanted = sum(said.answers for _, said in played.said)

    def answered() -> bool:
        enough = played.path != NATIVE or heard.answers >= wanted
        return enough and LAST_WORDS in heard.pongs

    async def say() -> None:
        with suppress(ConnectionError):
            place = 0
            while place < len(data):
                step = rng.choice((1, 2, 7, 300, 70_000, 1 << 20))
                writer.write(data[place : place + step])
                await writer.drain()
                place += step
                if step < 300:
                    await asyncio.sleep(0)  # so that they do not leave in one piece
            if played.leaves in {"halfway", "rubbish"}:
                writer.write_eof()

    saying = asyncio.create_task(say(), name="say")
    try:
        async with asyncio.timeout(patience):
            if played.leaves == "rudely":
                await saying
                writer.transport.abort()
                return heard
            await heard.listen(reader, until=answered)
            if played.leaves == "politely" and heard.code is None and not heard.ended:
                await saying
                writer.write(frame(rng, CLOSE, struct.pack(">H", 1000)))
                await heard.listen(reader, until=lambda: False)
    finally:
        saying.cancel()
        with suppress(asyncio.CancelledError):
            await saying
        writer.transport.abort()
    return heard


# What must hold.


def flaws(played: Script, heard: Heard) -> Iterator[str]:
    """What was wrong with how a client was answered."""
    ends = played.said[-1][1] if played.said else Said(b"")
    if heard.code not in codes_allowed(played, ends):
        yield f"closed with {heard.code}"
    if heard.code is None and not heard.ended and played.leaves != "rudely":
        yield "neither closed nor ended"
    if played.path not in SESSIONS and (played.leaves == "politely" or ends.breaks):
        yield from answers_amiss(played, heard, broken=ends.breaks)


def codes_allowed(played: Script, ends: Said) -> set[int | None]:
    """With which codes the gateway may have closed; None for a connection that the client ended."""
    broken = {BAD_FRAME} if played.path == NATIVE else CODES_OF_BROKEN
    if played.path in SESSIONS:
        return {None, ends.goodbye, 1000, 1008, *broken}
    if ends.breaks:
        return {*broken}
    if ends.goodbye is not None or played.leaves == "politely":
        return {ends.goodbye or 1000}
    return {None, *broken} if played.leaves == "rubbish" else {None}


def answers_amiss(played: Script, heard: Heard, *, broken: bool) -> Iterator[str]:
    """What was not answered, or answered though it was not said.

    Once the protocol is broken, pings are not answered any more, nor are commands that were passed on; there
    is one refusal more.
    """
    answers = sum(said.answers for _, said in played.said)
    least, most = (answers + 1 - AT_ONCE_COMMANDED, answers + 1) if broken else (answers, answers)
    if played.path == NATIVE and not least <= heard.answers <= most:
        yield f"{most} answers were due, {heard.answers} came: {dict(heard.ops)}"
    pongs = [pong for _, said in played.said for pong in said.pongs]
    due = pongs[: len(heard.pongs)] if broken else [*pongs, LAST_WORDS]
    if heard.pongs != due:
        yield f"{len(due)} pongs were due, {len(heard.pongs)} came, or others"


class Neighbour:
    """A client that does nothing wrong, beside all the others."""

    def __init__(self, running: Any) -> None:
        self._running = running
        self.said: list[int] = []
        self.heard: list[int] = []
        self.slowest = 0.0

    async def live(self) -> None:
        """Hear what is said every few milliseconds, until cancelled."""
        loop = asyncio.get_running_loop()
        async with self._running.connect() as client:
            await self._running.subscribed(client, "uw.v1.price.NEIGHBOUR")
            while True:
                before = loop.time()
                self.said.append(self._running.say("uw.v1.price.NEIGHBOUR").seq)
                self._running.say("uw.v1.price.SPY")
                self._running.say("uw.v1.option_trade.SPY", premium=5, side="ask")
                self.heard.append((await self._running.hear(client))["data"]["n"])
                self.slowest = max(self.slowest, loop.time() - before)
                await asyncio.sleep(0.01)


@asynccontextmanager
async def watched(findings: Findings, caplog: Any) -> AsyncIterator[None]:
    """Whatever is said at error level, by whichever way, is found."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: findings.wrong.append(f"loop: {context}"))
    structlog.reset_defaults()
    with caplog.at_level(logging.WARNING), capture_logs() as lines:
        yield
    findings.wrong += [f"log: {line}" for line in lines if line["log_level"] in {"error", "critical"}]
    findings.wrong += [
        f"log: {record.getMessage()}" for record in caplog.records if record.levelno >= logging.ERROR
    ]


async def fuzz(
    running: Any, caplog: Any, *, frames: int, seed: int, longest: int = 60, patience: float = PATIENCE
) -> Findings:
    """Let clients of *seed* and the following numbers say *frames* frames in all."""
    findings = Findings()
    seeds = iter(range(seed, seed + frames))

    async def go_on() -> None:
        while findings.frames < frames:
            number = next(seeds)
            played = script(number, longest)
            findings.frames += played.frames
            findings.kinds.update(kind for kind, _ in played.said)
            try:
                heard = await act(running.port, played, patience)
            except TimeoutError:
                findings.wrong.append(
                    f"{number}: {played.path} was not answered: {[k for k, _ in played.said]}"
                )
                continue
            findings.codes[heard.code] += 1
            findings.ops += heard.ops
            findings.refusals += heard.refusals
            findings.wrong += [
                f"{number}: {played.path} {flaw}; {[kind for kind, _ in played.said]}"
                for flaw in flaws(played, heard)
            ]

    async with watched(findings, caplog):
        neighbour = Neighbour(running)
        beside = asyncio.create_task(neighbour.live(), name="neighbour")
        await asyncio.gather(*(asyncio.create_task(go_on(), name="fuzz") for _ in range(AT_ONCE)))
        served = len(neighbour.heard)
        await running.until(lambda: beside.done() or len(neighbour.heard) > served)
        beside.cancel()
        with suppress(asyncio.CancelledError):
            await beside
    if neighbour.heard != neighbour.said[: len(neighbour.heard)]:
        findings.wrong.append("the neighbour missed something")
    if neighbour.slowest > 2:
        findings.wrong.append(f"the neighbour waited for {neighbour.slowest:.1f} s")
    return findings


def left_behind(running: Any, tasks: set[asyncio.Task[Any]]) -> dict[str, Any]:
    """What is still there though all clients are gone."""
    gateway = running.gateway
    kept = {
        "wires": len(gateway.hub.wires),
        "lanes": len(gateway.hub.lanes),
        "labels": dict(gateway.hub.by_label),
        "bytes": gateway.hub.books.held,
        "guests": len(gateway.entry._guests),
        "unidentified": gateway.entry.unidentified,
        "tasks": sorted(task.get_name() for task in asyncio.all_tasks() - tasks),
    }
    return {name: count for name, count in kept.items() if count}


async def all_gone(running: Any, tasks: set[asyncio.Task[Any]]) -> None:
    """Wait until nothing is left behind; who broke the protocol is not read, and only ended after a while."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while left_behind(running, tasks):  # noqa: ASYNC110 - it may depend on anything
                await asyncio.sleep(0.02)
    assert left_behind(running, tasks) == {}


@asynccontextmanager
async def with_bus(serve_with: Any, nats_server: Any, **chosen: Any) -> AsyncIterator[Any]:
    """A gateway that can pass commands on; nobody answers them."""
    async with (
        serve_with(handshakes_per_second=0, **chosen) as running,
        open_bus(url=nats_server.url, name="fuzz", connect_within=10) as bus,
    ):
        running.gateway.bus = bus
        yield running


def resident() -> int:
    """Bytes of memory that this process has."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no disk is behind it
        return int(file.read().split()[1]) * resource.getpagesize()


async def test_rubbish_is_answered_and_leaves_nothing_behind(serve_with: Any, nats_server: Any, caplog: Any):
    """Some thousand frames of every kind, beside a client that goes on being served."""
    async with with_bus(serve_with, nats_server) as running:
        tasks = asyncio.all_tasks()

        found = await fuzz(running, caplog, frames=3_000, seed=1, longest=16)

        assert found.wrong == []
        await all_gone(running, tasks)
        assert {"changed", "deep", "pieces", "binary", "goodbye"} <= found.kinds.keys()
        assert {BAD_FRAME, 1000, 1002} <= found.codes.keys()
        assert {*ANSWERS, "event", "snapshot_end"} <= found.ops.keys()


@pytest.mark.parametrize("path", [NATIVE, SEEDS[0]])
async def test_every_way_to_break_the_protocol_ends_with_a_code(path: str, live: Any):
    """What was said before is answered; then comes a refusal, and the code that the dialect has for it."""
    rng = random.Random(1)  # noqa: S311 - the same each time
    sound = Said(frame(rng, TEXT, SOUND), answers=1)
    for kind, breaking in (BREAKING | BREAKING_DEFLATED).items():
        broken = Said(breaking(rng), breaks=True)
        played = Script(path, (("sound", sound), (kind, broken)), "", 0, deflates=kind in BREAKING_DEFLATED)

        heard = await act(live.port, played)

        assert [f"{kind}: {flaw}" for flaw in flaws(played, heard)] == []
        assert path != NATIVE or heard.ops == {"welcome": 1, "pong": 1, "error": 1}


async def test_strangers_who_talk_rubbish_are_answered_too(serve_with: Any, nats_server: Any, caplog: Any):
    """Where tokens are asked for, nobody who has none gets anything but refusals."""
    key = "k" * 40
    async with with_bus(serve_with, nats_server, auth="jwt", auth_key=key) as running:
        tasks, findings = asyncio.all_tasks(), Findings()
        heard = Counter[str]()
        async with watched(findings, caplog):
            for number in range(10_000, 10_040):
                played = replace(script(number, 30), path=NATIVE)
                listened = await act(running.port, played)
                heard += listened.ops
                findings.wrong += flaws(played, listened)

        assert findings.wrong == []
        assert heard.keys() <= {"welcome", "error", "pong", "heartbeat"}
        await all_gone(running, tasks)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_hundred_thousand_frames_do_no_harm(serve_with: Any, nats_server: Any, caplog: Any):
    """The same at length: memory stays, nothing is left."""
    async with with_bus(serve_with, nats_server) as running:
        tasks = asyncio.all_tasks()
        found = await fuzz(running, caplog, frames=20_000, seed=100_000)
        gc.collect()
        before = resident()

        more = await fuzz(running, caplog, frames=80_000, seed=200_000)

        assert found.wrong + more.wrong == []
        assert {*Refusal} - UNASKED <= more.refusals.keys()
        assert {*BREAKING, *BREAKING_DEFLATED} <= more.kinds.keys()
        assert "gap" in more.ops
        await all_gone(running, tasks)
        gc.collect()
        assert resident() - before < MEMORY


async def test_a_gateway_that_stumbles_would_be_found(
    serve_with: Any, nats_server: Any, caplog: Any, monkeypatch: Any
):
    """The search itself finds an exception, a missing answer, and what is left behind."""

    def stumbling(conversation: Conversation, wire: Any, text: str) -> None:
        if text.startswith("[["):
            raise RecursionError
        if '"id": 5' not in text:
            hear(conversation, wire, text)

    hear = Conversation.heard
    monkeypatch.setattr(Conversation, "heard", stumbling)
    async with with_bus(serve_with, nats_server) as running:
        tasks = asyncio.all_tasks()
        found = await fuzz(running, caplog, frames=500, seed=1, patience=1.0)

        assert [flaw for flaw in found.wrong if flaw.startswith("log: ")]
        assert [flaw for flaw in found.wrong if "answers were due" in flaw or "not answered" in flaw]
        await all_gone(running, tasks)
        async with running.connect() as client:
            await running.hear(client)
            assert left_behind(running, tasks)["wires"] == 1
