"""Everybody who watches a session: let in, shown the past, told every half minute that we live."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import structlog

from baleen_bus import BusError, Gap
from baleen_bus.sessions import read_session
from baleen_contracts.session import SessionType
from ws_gateway.bus.tail import Tail
from ws_gateway.dialects.alphalab import AlphaLab
from ws_gateway.errors import Farewell
from ws_gateway.hub.wishes import plain
from ws_gateway.sessions.admission import may_watch, topic_of
from ws_gateway.sessions.beats import Beats
from ws_gateway.sessions.orders import Orders
from ws_gateway.sessions.past import STREAM, read_past
from ws_gateway.sessions.replay import Ledger, Past, copies, joined, remembered
from ws_gateway.sessions.watching import Watching
from ws_gateway.wire.frames import text_frame
from ws_gateway.wire.wire import Wire

if TYPE_CHECKING:
    from ws_gateway.gateway import Gateway

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS: Final = 30
LOOKED_UP_WITHIN: Final = 2.0
"""Seconds for finding out whose a session is."""
READ_WITHIN: Final = 10.0
"""Seconds for reading a session's past and making its frames, waiting for others' turns included."""
MAX_ID: Final = 200
"""Characters of the longest session id."""
_READS_AT_ONCE: Final = 4
"""Sessions whose frames are being made."""
_MOST_SHOWN: Final = 256 << 20
"""Bytes of replays that may wait for clients, all together."""
_TRIES: Final = 3
_SLICE: Final = 100
"""Frames made at a stretch, some milliseconds' work."""


class Watchers:
    """The clients of sessions."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._reads = asyncio.Semaphore(_READS_AT_ONCE)
        self.beats: Beats[Wire] = Beats(HEARTBEAT_SECONDS)
        self._catching_up: set[asyncio.Task[None]] = set()
        self.ledger = Ledger(_MOST_SHOWN)
        self.orders = Orders()

    def beat(self, now: datetime) -> None:
        """Say a heartbeat to those who had theirs half a minute ago; called once a second."""
        for wire in self.beats.turn(attrgetter("closing")):
            session: Watching = wire.session
            wire.say(text_frame(session.alphalab.heartbeat(now)))

    def close(self) -> None:
        """Wait for no engine and no stream any more."""
        self.orders.close()
        for task in self._catching_up:
            task.cancel()

    async def open(self, wire: Wire, session: Watching, kind: SessionType) -> None:
        """Let a client that was taken in watch its session, or close it with the reason."""
        refusal = await self._refusal(wire, session, kind)
        if refusal is not None:
            self._gateway.hub.end(wire, refusal)
        elif not wire.closing:
            self.beats.join(wire)
            wire.hears_on = True
            session.open(wire)
            await self._show(wire, session, after=0)

    def lose(self, gap: Gap) -> None:
        """Let everybody come back and be shown their session anew, where some of it may have been missed."""
        if gap.stream == STREAM:
            for wire in self.beats:
                self._gateway.hub.end(wire, Farewell.BUS_AWAY)

    def catch_up(self, wire: Wire, session: Watching, after: int) -> None:
        """Show a client that fell behind what came after number *after* of the stream, and what comes."""
        task = asyncio.create_task(self._show(wire, session, after=after), name="session-catch-up")
        self._catching_up.add(task)
        task.add_done_callback(self._catching_up.discard)

    async def _refusal(self, wire: Wire, session: Watching, kind: SessionType) -> Farewell | None:
        bus = self._gateway.bus
        if bus is None or not bus.connected:
            return Farewell.BUS_AWAY
        entry = None
        try:
            if len(session.session_id) <= MAX_ID:
                entry = await read_session(bus, session.session_id, within=LOOKED_UP_WITHIN)
        except ValueError:
            pass  # there can be no session of that id
        except BusError as error:
            log.warning("sessions cannot be looked up", reason=str(error))
            return Farewell.BUS_AWAY
        return None if may_watch(wire.identity, entry, kind) else Farewell.UNAUTHORIZED_SESSION

    async def _show(self, wire: Wire, session: Watching, *, after: int) -> None:
        """Show the session so far and what comes, or close the client; nothing is awaited between the two.

        What an event's frame says depends on earlier ones: all are told, of which those *after* are shown.
        """
        hub, topic, frames = self._gateway.hub, topic_of(session.session_id), None
        try:
            async with asyncio.timeout(READ_WITHIN), self._reads:
                past = await self._past(session.session_id, topic) if not wire.closing else None
                if past is not None:
                    frames = await self._frames(session.begin(), topic, past, after)
        except (BusError, TimeoutError) as error:
            log.warning("a session cannot be read", reason=str(error) or "not read in time")
        except Exception:
            log.exception("a session cannot be shown")
        shown = self.ledger.shown(frames) if frames is not None else None
        if frames is None:
            hub.end(wire, Farewell.BUS_AWAY)
        elif shown is None:
            hub.end(wire, Farewell.BUSY)
        else:
            hub.move(wire, plain((topic,)), shown)

    async def _frames(self, dialect: AlphaLab, topic: str, past: Past, after: int) -> list[bytes] | None:
        """Return the frames of all events up to what was heard last; None if the tail was too short for that.

        They are made slice by slice, so that others are served in between; what is heard meanwhile is added.
        The events go as their frames come.
        """
        frames: list[bytes] = []
        hub, events, heard = self._gateway.hub, past.events, past.heard
        while True:
            for event in events[:_SLICE]:
                frame = hub.frame(dialect, event)
                if frame is not None and event.seq > after:
                    frames.append(frame)
            del events[:_SLICE]
            if events:
                await asyncio.sleep(0)
                continue
            tail = self._tail()
            if tail is None or not tail.covers(heard):
                return None
            events = copies(tail.after(heard, (topic,)))
            heard = tail.heard
            if not events:
                break
        if past.skipped and not after:
            frames.insert(1, text_frame(dialect.truncated(past.skipped, datetime.now(UTC))))
        return frames

    async def _past(self, session_id: str, topic: str) -> Past | None:
        """Return the session's events up to what was heard last, from memory where it has them all."""
        tail, bus = self._tail(), self._gateway.bus
        if tail is None or bus is None:
            return None
        known = remembered(tail, topic)
        if known is not None:
            return known
        for _ in range(_TRIES):
            heard = tail.heard
            past = joined(await read_past(bus, session_id), tail, topic, since=heard)
            if past is not None:
                return past
        return None

    def _tail(self) -> Tail | None:
        """Return what was heard of late; None before the stream is heard without a hole."""
        stream = self._gateway.past.streams.get(STREAM)
        return stream.tail if stream is not None and STREAM in self._gateway.settled else None
