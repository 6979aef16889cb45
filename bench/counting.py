"""Counts server frames in received bytes: cheaply for every client, strictly for a sample.  Pure.

Clients share one receive buffer.  Benchmark events mostly have one length, so a chunk is first looked at as a
table of rows of that length: if the header bytes of every row are those of such a frame, the rows are the
frames, found without a loop.  Any other chunk is walked header by header.  What no row holds
(the beginning of the next frame) is kept with the client and put before its next chunk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from bench.handshake import BINARY, CLOSE, PING, TEXT
from bench.latencies import Latencies
from bench.stamp import MARK, SEQUENCE, TIME, WIDTH

BUFFER_BYTES = 1 << 18

_ROWS = BUFFER_BYTES // 64


class Tally:
    """What one client has received."""

    __slots__ = (
        "carry",
        "close_code",
        "events",
        "first",
        "last",
        "last_of_key",
        "latencies",
        "others",
        "skipping",
        "strict",
        "tail",
        "unexpected",
    )

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.tail = b""
        self.events = 0
        self.others = 0
        self.first = -1  # sequence of the first event
        self.last = -1  # sequence of the last event
        self.unexpected: list[str] = []  # what a strict reading found wrong
        self.close_code: int | None = None
        self.last_of_key: dict[int, int] = {}
        self.skipping = 0  # NATS: payload bytes of an unfinished frame still to come
        self.carry = b""  # NATS: bytes that may hold the beginning of a stamp


class Counter:
    """Reads one WebSocket event per frame (the gateway and the seeds' way).

    Args:
        tickers: how many tickers the publisher goes round; message *n* belongs to ticker ``n % tickers``.
        wanted: how many of them each client hears; equal to *tickers* when it hears all.
        reply: sends bytes of a control answer, given the opcode received and its payload.
    """

    def __init__(self, *, tickers: int, wanted: int, reply: Callable[[Tally, int, bytes], None]) -> None:
        self.buffer = bytearray(BUFFER_BYTES)
        self.view = memoryview(self.buffer)
        self.all_clients = Latencies()  # the oldest event of every read of every client
        self.sample = Latencies()  # every event of the strict clients
        self._tickers = tickers
        self._step = 1 if wanted >= tickers else tickers
        self._reply = reply
        self._length = 0  # length of the event frames seen last, header included
        self._mark = 0  # where their stamp begins
        self._columns = (b"", b"", b"", b"")  # what stands in the first four bytes of every row

    def take(self, tally: Tally, end: int, now: int) -> None:
        """Count what ``buffer[:end]`` (the client's tail and its new bytes) holds, received at *now* (ns)."""
        length = self._length
        if length and not tally.strict and end >= length and tally.first >= 0:
            rows, rest = divmod(end, length)
            stop = end - rest
            if self._all_alike(rows, stop):
                self._count_rows(tally, rows, stop, now)
                stop = self._walk(tally, stop, end, now) if rest else end
                tally.tail = bytes(self.view[stop:end]) if stop < end else b""
                return
        stop = self._walk(tally, 0, end, now)
        tally.tail = bytes(self.view[stop:end]) if stop < end else b""

    def _all_alike(self, rows: int, stop: int) -> bool:
        """Whether every row begins like an event frame, and the last one has its stamp where expected."""
        length = self._length
        buffer = self.buffer
        op, size, high, low = self._columns
        mark = stop - length + self._mark
        return (
            buffer[3:stop:length] == low[:rows]
            and buffer[2:stop:length] == high[:rows]
            and buffer[0:stop:length] == op[:rows]
            and buffer[1:stop:length] == size[:rows]
            and buffer[mark : mark + len(MARK)] == MARK
        )

    def _count_rows(self, tally: Tally, rows: int, stop: int, now: int) -> None:
        mark = self._mark
        self.all_clients.add(now - int(self.buffer[mark + TIME[0] : mark + TIME[1]]))
        mark += stop - self._length
        tally.events += rows
        tally.last = int(self.buffer[mark + SEQUENCE[0] : mark + SEQUENCE[1]])

    def _walk(self, tally: Tally, at: int, end: int, now: int) -> int:
        """Count frame by frame from *at*; returns where the first unfinished frame begins."""
        buffer = self.buffer
        oldest = at == 0
        while end - at >= 2:
            size = buffer[at + 1]
            head = 2
            if size == 126:
                if end - at < 4:
                    break
                size = buffer[at + 2] << 8 | buffer[at + 3]
                head = 4
            elif size == 127:
                if end - at < 10:
                    break
                size = int.from_bytes(buffer[at + 2 : at + 10], "big")
                head = 10
            stop = at + head + size
            if stop > end:
                if head + size > BUFFER_BYTES:
                    raise ValueError(f"a frame of {size} bytes is longer than the generator reads")
                break
            if self._frame(tally, at, head, stop, now) and oldest:
                oldest = False
                mark = at + self._mark
                self.all_clients.add(now - int(buffer[mark + TIME[0] : mark + TIME[1]]))
            at = stop
        return at

    def _frame(self, tally: Tally, at: int, head: int, stop: int, now: int) -> bool:
        """Count one whole frame; True when it is an event."""
        opcode = self.buffer[at] & 0x0F
        mark = self.buffer.find(MARK, at + head, stop) if opcode in {TEXT, BINARY} else -1
        if mark < 0:
            payload = bytes(self.view[at + head : stop])
            if opcode == CLOSE:
                tally.close_code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else 1005
            elif opcode == PING:
                self._reply(tally, opcode, payload)
            tally.others += 1
            return False
        sequence = int(self.buffer[mark + SEQUENCE[0] : mark + SEQUENCE[1]])
        if self._length != stop - at or self._mark != mark - at:
            self._learn(at, stop - at, mark - at)
        if tally.strict:
            made = int(self.buffer[mark + TIME[0] : mark + TIME[1]])
            self.sample.add(now - made)
            self._check(tally, bytes(self.view[at + head : stop]), sequence)
        if tally.first < 0:
            tally.first = sequence
        tally.last = sequence
        tally.events += 1
        return True

    def _check(self, tally: Tally, payload: bytes, sequence: int) -> None:
        """Hold a strict client to its promise: readable JSON, and no hole or repeat within a ticker."""
        try:
            orjson.loads(payload)
        except orjson.JSONDecodeError:
            tally.unexpected.append(f"message {sequence} is no JSON")
        key = sequence % self._step
        before = tally.last_of_key.get(key)
        if before is not None and sequence != before + self._step:
            tally.unexpected.append(f"message {sequence} follows {before}")
        tally.last_of_key[key] = sequence

    def _learn(self, at: int, length: int, mark: int) -> None:
        if self._length != length:
            self._length = length
            op, size, high, low = (bytes((byte,)) * _ROWS for byte in self.buffer[at : at + 4])
            self._columns = (op, size, high, low)
        self._mark = mark


class NatsCounter(Counter):
    """Reads the NATS protocol as nats-server's WebSocket listener sends it: a stream cut anywhere.

    A message is counted by its stamp; what surrounds it is not looked at, which favours the listener.
    """

    def take(self, tally: Tally, end: int, now: int) -> None:
        """Count what ``buffer[:end]`` holds, received at *now* (ns)."""
        at = 0
        pieces = [tally.carry]
        while at < end:
            if tally.skipping:
                stop = min(end, at + tally.skipping)
                tally.skipping -= stop - at
                pieces.append(bytes(self.view[at:stop]))
                at = stop
                continue
            head = _header(self.buffer, at, end)
            if head is None:
                break
            opcode, start, size = head
            if opcode in {TEXT, BINARY}:
                tally.skipping = size
                at = start
            elif start + size > end:
                break
            else:
                self._control(tally, opcode, bytes(self.view[start : start + size]))
                at = start + size
        tally.tail = bytes(self.view[at:end])
        self._messages(tally, b"".join(pieces), now)

    def _control(self, tally: Tally, opcode: int, payload: bytes) -> None:
        tally.others += 1
        if opcode == CLOSE:
            tally.close_code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else 1005
        elif opcode == PING:
            self._reply(tally, opcode, payload)

    def _messages(self, tally: Tally, stream: bytes, now: int) -> None:
        at = stream.rfind(MARK)
        if at >= 0 and len(stream) - at < WIDTH:  # the stamp of the last message is not all here
            tally.carry = stream[at:]
            stream = stream[:at]
            at = stream.rfind(MARK)
        else:
            tally.carry = stream[-(len(MARK) - 1) :]
        if b"PING\r\n" in stream:
            self._reply(tally, BINARY, b"PONG\r\n")
        if at < 0:
            return
        tally.events += stream.count(MARK)
        oldest = stream.find(MARK)
        first = int(stream[oldest + SEQUENCE[0] : oldest + SEQUENCE[1]])
        if tally.first < 0:
            tally.first = first
        tally.last = int(stream[at + SEQUENCE[0] : at + SEQUENCE[1]])
        self.all_clients.add(now - int(stream[oldest + TIME[0] : oldest + TIME[1]]))
        if tally.strict:
            self._sample_all(stream, now)

    def _sample_all(self, stream: bytes, now: int) -> None:
        at = stream.find(MARK)
        while at >= 0:
            self.sample.add(now - int(stream[at + TIME[0] : at + TIME[1]]))
            at = stream.find(MARK, at + WIDTH)


def _header(buffer: bytearray, at: int, end: int) -> tuple[int, int, int] | None:
    """Opcode, where the payload starts and its length; None while the header is incomplete."""
    if end - at < 2:
        return None
    size = buffer[at + 1]
    if size < 126:
        return buffer[at] & 0x0F, at + 2, size
    wide = 4 if size == 126 else 10
    if end - at < wide:
        return None
    return buffer[at] & 0x0F, at + wide, int.from_bytes(buffer[at + 2 : at + wide], "big")


def missing(tally: Tally, *, tickers: int, hears: Callable[[int], bool] | None = None) -> int:
    """Events between a client's first and last that it never got (negative: it got some twice).

    Args:
        tally: the client's tally.
        tickers: how many tickers the publisher goes round.
        hears: says of a ticker number whether the client wants it; None when it wants all.
    """
    if tally.first < 0:
        return 0
    if hears is None:
        return tally.last - tally.first + 1 - tally.events
    heard = [hears(number) for number in range(tickers)]
    rounds, rest = divmod(tally.last - tally.first + 1, tickers)
    expected = rounds * sum(heard) + sum(heard[(tally.first + i) % tickers] for i in range(rest))
    return expected - tally.events


def summary(tallies: list[Tally]) -> dict[str, Any]:
    """Totals over *tallies*."""
    return {
        "events": sum(tally.events for tally in tallies),
        "other_frames": sum(tally.others for tally in tallies),
        "strict_clients": sum(tally.strict for tally in tallies),
        "strict_findings": [finding for tally in tallies for finding in tally.unexpected][:20],
        "silent_clients": sum(tally.first < 0 for tally in tallies),
    }
