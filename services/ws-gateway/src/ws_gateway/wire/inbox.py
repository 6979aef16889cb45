"""What one client said and was not yet heard: bytes, read slice by slice into texts. Pure; time is handed in.

Who talks without end is read no further than a slice at a time, so that the others are served in between, and
is told off when its frames are more than the allowance.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from ws_gateway.errors import Refusal

SLICE: Final = 4_096
"""Bytes read at a time: some milliseconds' work where all frames are empty."""
FRAMES_PER_SECOND: Final = 200.0
"""What one client may say in the long run, where the operator decides nothing else."""
SECONDS_AT_ONCE: Final = 5.0
"""What it may say at once, in seconds' worth of that."""
MAX_PIECES: Final = 256
"""Frames that one text may come in."""


class Inbox:
    """The frames of one client, read but not heard."""

    __slots__ = ("_allowed", "_conn", "_parts", "_pieces", "_rate", "_since", "_unread", "flaw", "waiting")

    def __init__(self, conn: ServerProtocol, now: float, rate: float = FRAMES_PER_SECOND) -> None:
        """Read what comes for *conn*, whose handshake is over, from *now* in seconds on, *rate* a second."""
        self._conn = conn
        self._unread = b""
        self._parts: list[bytes] | None = None
        self._pieces = 0
        self._rate = rate
        self._allowed = rate * SECONDS_AT_ONCE
        self._since = now
        self.waiting: deque[str | None] = deque()
        """Whole texts, oldest first; None is a binary frame."""
        self.flaw: Refusal | None = None
        """How the client broke the protocol, after all that waits."""

    @property
    def unread(self) -> bool:
        """Whether bytes wait to be read."""
        return bool(self._unread)

    def receive(self, data: bytes) -> None:
        """Take in bytes of the client."""
        self._unread = self._unread + data if self._unread else data

    def put(self, texts: list[str], now: float) -> None:
        """Take in whole texts that somebody else has read."""
        self.waiting.extend(texts)
        self._spend(len(texts), now)

    def read(self, now: float) -> None:
        """Read a slice of what was received at *now* in seconds; it then waits to be heard."""
        conn, data = self._conn, self._unread
        self._unread = data[SLICE:]
        if self.flaw is not None:
            return
        conn.receive_data(data[:SLICE])
        frames = [event for event in conn.events_received() if isinstance(event, Frame)]
        self._spend(len(frames), now)
        for frame in frames:
            if self.flaw is None:
                self._take(frame)
        if self.flaw is None and conn.parser_exc is not None:
            too_big = isinstance(conn.parser_exc, PayloadTooBig)
            self.flaw = Refusal.TOO_LARGE if too_big else Refusal.PROTOCOL

    def clear(self) -> None:
        """Forget what waits."""
        self._unread = b""
        self._parts = None
        self.waiting.clear()

    def _spend(self, frames: int, now: float) -> None:
        regained = (now - self._since) * self._rate
        self._since = now
        self._allowed = min(self._rate * SECONDS_AT_ONCE, self._allowed + regained) - frames
        if self._allowed < 0:
            self.clear()
            self.flaw = Refusal.TOO_OFTEN

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            self._parts, self._pieces = [], 0
        elif frame.opcode is Opcode.BINARY:
            self._parts = None
            self.waiting.append(None)
        if frame.opcode in (Opcode.TEXT, Opcode.CONT) and self._parts is not None:
            self._piece(frame, self._parts)

    def _piece(self, frame: Frame, parts: list[bytes]) -> None:
        self._pieces += 1
        if self._pieces > MAX_PIECES:
            self._break(1009, "too many pieces", Refusal.TOO_LARGE)
            return
        if frame.data:
            parts.append(bytes(frame.data))
        if frame.fin:
            self._parts = None
            try:
                self.waiting.append(b"".join(parts).decode())
            except UnicodeDecodeError:
                self._break(1007, "not UTF-8", Refusal.NOT_UTF8)

    def _break(self, code: int, words: str, flaw: Refusal) -> None:
        self._parts = None
        self._conn.fail(code, words)
        self.flaw = flaw
