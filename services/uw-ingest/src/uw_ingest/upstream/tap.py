"""Lets somebody listen to the raw frames, so that they can be recorded and played again.

Frames are only put aside here; turning them into lines and sending them happens while the listener reads. A
listener that does not keep up loses frames, and the next thing it reads says how many. Nobody listening costs
one look at an empty list a frame: ``if tap.listeners: tap.frame(received_at, body)``.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import orjson
from fastapi import APIRouter, HTTPException
from fastapi.responses import StreamingResponse

LISTENERS_MOST = 4
FRAMES_MOST = 50_000  # waiting for one listener: ten seconds at 5,000 frames a second
BYTES_MOST = 32 * 2**20
SIGN_OF_LIFE = 5.0  # seconds of silence after which an empty line says that the listener is not forgotten
_LINES_AT_ONCE = 512


class Listener:
    """One that reads; ``frames`` wait for it, each with its time of receipt."""

    def __init__(self, frames_most: int, bytes_most: int) -> None:
        """Wait for a reader, within these bounds."""
        self._frames_most, self._bytes_most = frames_most, bytes_most
        self._waiting: deque[tuple[datetime, bytes]] = deque()
        self._size = self._lost = 0
        self._since = datetime.min.replace(tzinfo=UTC)
        self._news = asyncio.Event()
        self._over = False

    def put(self, received_at: datetime, body: bytes) -> int:
        """Put a frame aside, unless there is no room; return how many frames were lost by it, 0 or 1."""
        if self._lost or len(self._waiting) >= self._frames_most or self._size + len(body) > self._bytes_most:
            self._since = self._since if self._lost else received_at
            self._lost += 1
            return 1  # all are lost until it has caught up, so that the mark stands where they are missing
        self._waiting.append((received_at, body))
        self._size += len(body)
        self._news.set()
        return 0

    def end(self) -> None:
        """Let the reader finish what waits, and then end."""
        self._over = True
        self._news.set()

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield JSON lines, many at once; an empty line when there was nothing for a while."""
        while True:
            if chunk := self._take():
                yield chunk
                continue
            if self._over:
                return
            self._news.clear()
            quiet = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SIGN_OF_LIFE):
                    await self._news.wait()
                    quiet = False
            if quiet:
                yield b"\n"

    def _take(self) -> bytes:
        made: list[bytes] = []
        while self._waiting and len(made) < _LINES_AT_ONCE:
            received_at, body = self._waiting.popleft()
            self._size -= len(body)
            made.append(_line(received_at, "frame", body.decode(errors="replace")))
        if not self._waiting and self._lost:
            made.append(_line(self._since, "dropped", self._lost))
            self._lost = 0
        return b"".join(made)


class Tap:
    """The raw frames of this process, for whoever listens."""

    def __init__(self, *, frames_most: int = FRAMES_MOST, bytes_most: int = BYTES_MOST) -> None:
        """Nobody listens yet. The bounds are of what may wait for each listener."""
        self._frames_most, self._bytes_most = frames_most, bytes_most
        self._closed = False
        self.listeners: list[Listener] = []
        self.dropped = 0
        """Frames that listeners lost because they were slow."""

    def frame(self, received_at: datetime, body: bytes) -> None:
        """Hand a frame to whoever listens; never waits, never raises."""
        for listener in self.listeners:
            self.dropped += listener.put(received_at, body)

    def close(self) -> None:
        """End all listening, so that nobody keeps the process from leaving."""
        self._closed = True
        for listener in self.listeners:
            listener.end()

    def routes(self) -> APIRouter:
        """Return the route that listeners read."""
        router = APIRouter(tags=["operator"])

        @router.get("/frames")
        async def frames() -> StreamingResponse:
            """Stream ``{"at": epoch seconds, "frame": text}``; after a loss ``{"at": …, "dropped": n}``."""
            if self._closed or len(self.listeners) >= LISTENERS_MOST:
                why = "leaving" if self._closed else f"{LISTENERS_MOST} listen already"
                raise HTTPException(503, why)
            return StreamingResponse(self._listen(), media_type="application/x-ndjson")

        return router

    async def _listen(self) -> AsyncIterator[bytes]:
        listener = Listener(self._frames_most, self._bytes_most)
        self.listeners.append(listener)
        try:
            yield b"\n"  # so that the listener knows from when on it hears
            async for chunk in listener.lines():
                yield chunk
        finally:
            self.listeners.remove(listener)


def _line(at: datetime, word: str, value: str | int) -> bytes:
    return orjson.dumps({"at": at.timestamp(), word: value}, option=orjson.OPT_APPEND_NEWLINE)
