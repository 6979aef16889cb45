"""Counts server frames in received bytes: cheaply for every client, strictly for a sample.  Pure.

Clients share one receive buffer.  Benchmark events mostly have one length and follow each other by a known
step, so header and stamp of the n-th row of that length tell whether the rows up to it are the next n
events; a search by halves finds how far that holds.  Whatever stands there instead is read as one frame by
its header, and the search goes on behind it.  The beginning of an unfinished frame is kept with the client
and put before its next chunk.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import orjson
from bench.handshake import BINARY, CLOSE, PING, TEXT
from bench.latencies import Latencies
from bench.stamp import MARK, SEQUENCE, TIME, WIDTH

BUFFER_BYTES = 1 << 18

_STAMPED = SEQUENCE[1]
_NEVER = -(10**9)


class Tally(ctypes.Structure):
    """What one client has received; `struct tally` of ``rows.c`` with what only Python looks at."""

    _fields_ = (
        ("events", ctypes.c_int64),
        ("last", ctypes.c_int64),  # sequence of the last event
        ("strict", ctypes.c_int32),
        ("timed", ctypes.c_int32),
        ("reads", ctypes.c_int32),
    )
    events: int
    last: int
    strict: int
    timed: int

    def __init__(self, *, strict: bool, timed: bool = False) -> None:
        super().__init__(events=0, last=_NEVER, strict=strict, timed=timed)
        self.tail = b""
        self.others = 0
        self.first = -1  # sequence of the first event
        self.unexpected: list[str] = []  # what a strict reading found wrong
        self.close_code: int | None = None
        self.skipping = 0  # NATS: payload bytes of an unfinished frame still to come
        self.carry = b""  # NATS: bytes that may hold the beginning of a stamp


class Counter:
    """Reads one WebSocket event per frame (the gateway and the seeds' way).

    Args:
        tickers: how many tickers the publisher goes round; message *n* belongs to ticker ``n % tickers``.
        wanted: how many of them, evenly spread, each client hears; equal to *tickers* when it hears all.
        reply: sends bytes of a control answer, given the opcode received and its payload.
    """

    reads_rows = True
    """Whether what it counts is rows: frames of one length."""

    def __init__(self, *, tickers: int, wanted: int, reply: Callable[[Tally, int, bytes], None]) -> None:
        self.buffer = bytearray(BUFFER_BYTES)
        self.view = memoryview(self.buffer)
        self.oldest = Latencies()  # the oldest event of every read of the timed clients
        self.sample = Latencies()  # every event of the strict clients
        self.step = tickers // wanted
        self._reply = reply
        self._last = _NEVER
        self._stamp = b""  # how the stamp of event *_last* begins: mostly one client expects what another did
        self._length = BUFFER_BYTES  # length of the event frames seen last, header included
        self._mark = 0  # where their stamp begins
        self._head = b""  # their first four bytes, which say what they are and how long

    @property
    def row(self) -> tuple[int, int, bytes] | None:
        """Of the event frames seen last: their length, where the stamp begins, their first bytes."""
        return (self._length, self._mark, self._head) if self._head else None

    def expects(self, tally: Tally) -> bool:
        """Whether the next bytes of this client should be a row."""
        return tally.last >= 0 and not tally.tail

    def take(self, tally: Tally, end: int, now: int) -> None:
        """Count what ``buffer[:end]`` (the client's tail and its new bytes) holds, received at *now* (ns)."""
        if tally.timed and end >= self._length:
            self._time_oldest(now)
        rows = end // self._length
        if not tally.strict and rows * self._length == end and self._follows(tally, rows, 0):
            tally.events += rows
            tally.last = self._last
            if tally.tail:
                tally.tail = b""
        else:
            self._take_apart(tally, end, now)

    def _follows(self, tally: Tally, rows: int, at: int) -> bool:
        """Whether *rows* rows from *at* on are the next events of this client."""
        last = tally.last + rows * self.step
        if last != self._last:
            self._last = last
            self._stamp = b"%b%010d" % (MARK, last)
        begin = at + (rows - 1) * self._length
        mark = begin + self._mark
        buffer = self.buffer
        return buffer[mark : mark + _STAMPED] == self._stamp and buffer[begin : begin + 4] == self._head

    def _take_apart(self, tally: Tally, end: int, now: int) -> None:
        """Count frames as far as they are the expected rows, one by its header, and again."""
        at = 0
        while at < end:
            if not tally.strict and (rows := self._rows(tally, at, end)):
                tally.events += rows
                tally.last += rows * self.step
                at += rows * self._length
            stop = self._end_of_frame(at, end)
            if stop > end:
                break
            self._frame(tally, at, stop, now)
            at = stop
        tally.tail = bytes(self.view[at:end]) if at < end else b""

    def _rows(self, tally: Tally, at: int, end: int) -> int:
        """How many rows from *at* on are the next events of this client, found by halves."""
        known, wrong = 0, (end - at) // self._length + 1
        row = wrong - 1
        while known < wrong - 1:
            if self._follows(tally, row, at):
                known = row
            else:
                wrong = row
            row = (known + wrong) >> 1
        return known

    def _end_of_frame(self, at: int, end: int) -> int:
        """Where the frame at *at* ends: behind *end* if it is unfinished."""
        head = _header(self.buffer, at, end)
        if head is None:
            return end + 1
        _, start, size = head
        if start - at + size > BUFFER_BYTES:
            raise ValueError(f"a frame of {size} bytes is longer than the generator reads")
        return start + size

    def _time_oldest(self, now: int) -> None:
        mark = self._mark
        if self.buffer[mark : mark + len(MARK)] == MARK:
            self.oldest.add(now - int(self.buffer[mark + TIME[0] : mark + TIME[1]]))

    def _frame(self, tally: Tally, at: int, stop: int, now: int) -> None:
        """Count one whole frame."""
        opcode = self.buffer[at] & 0x0F
        mark = self.buffer.find(MARK, at, stop) if opcode in {TEXT, BINARY} else -1
        if mark < 0:
            _, start, _ = _header(self.buffer, at, stop) or (0, stop, 0)
            self._other(tally, opcode, bytes(self.view[start:stop]))
            return
        sequence = int(self.buffer[mark + SEQUENCE[0] : mark + SEQUENCE[1]])
        self._length, self._mark, self._head = stop - at, mark - at, bytes(self.view[at : at + 4])
        if tally.strict:
            self.sample.add(now - int(self.buffer[mark + TIME[0] : mark + TIME[1]]))
            self._check(tally, at, stop, sequence)
        if tally.first < 0:
            tally.first = sequence
        tally.last = sequence
        tally.events += 1

    def _other(self, tally: Tally, opcode: int, payload: bytes) -> None:
        """Count a frame that is no event, and answer a ping."""
        tally.others += 1
        if opcode == CLOSE:
            tally.close_code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else 1005
        elif opcode == PING:
            self._reply(tally, opcode, payload)

    def _check(self, tally: Tally, at: int, stop: int, sequence: int) -> None:
        """Hold a strict client to its promise: readable JSON, and no hole or repeat."""
        _, start, _ = _header(self.buffer, at, stop) or (0, stop, 0)
        try:
            orjson.loads(self.view[start:stop])
        except orjson.JSONDecodeError:
            tally.unexpected.append(f"message {sequence} is no JSON")
        if tally.first >= 0 and sequence != tally.last + self.step:
            tally.unexpected.append(f"message {sequence} follows {tally.last}")


class NatsCounter(Counter):
    """Reads the NATS protocol as nats-server's WebSocket listener sends it: a stream cut anywhere.

    A message is counted by its stamp; what surrounds it is not looked at, which favours the listener.
    """

    reads_rows = False

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
                self._other(tally, opcode, bytes(self.view[start : start + size]))
                at = start + size
        tally.tail = bytes(self.view[at:end])
        self._messages(tally, b"".join(pieces), now)

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
        if tally.timed:
            self.oldest.add(now - int(stream[oldest + TIME[0] : oldest + TIME[1]]))
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
