"""Tells one client of the past: the present of what it subscribes to, or what came after its positions.

What memory holds is told at once, in one turn of the loop with taking the client in among the live, so that
there is neither a hole nor a double between the two. Where a stream must be read, a task reads piece after
piece as the client takes it, until memory suffices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final

import structlog

from baleen_bus.errors import BusError
from ws_gateway.bus.past import RECREATED, Lost
from ws_gateway.event import Event
from ws_gateway.native.dialect import Native
from ws_gateway.native.owed import Condition, Owed
from ws_gateway.topics import cover
from ws_gateway.wire.frames import text_frame

if TYPE_CHECKING:
    from ws_gateway.gateway import Gateway
    from ws_gateway.wire.wire import Wire

log = structlog.get_logger(__name__)

NEWEST_SHOWN: Final = 50
"""Messages of a snapshot where not the last per subject counts but the sequence."""
_SNAPSHOT: Final = "native snapshot"
_LOOK_EVERY: Final = 0.005
_LOOK_AT_LEAST_EVERY: Final = 0.25
_TRY_AGAIN_AFTER: Final = 0.5


class Teller:
    """Tells one client what it is owed.

    Attributes:
        lost: whether it said that something will not come.
    """

    def __init__(self, gateway: Gateway, wire: Wire) -> None:
        """Tell *wire* what *gateway* knows."""
        self._gateway = gateway
        self._wire = wire
        self.lost = False

    def message(self, event: Event) -> bytes | None:
        """Return the frame of a message that came after what the client has; None if it cannot be said."""
        raise NotImplementedError

    def item(self, event: Event) -> bytes | None:
        """Return the frame of a message that is part of a snapshot; None if it cannot be said."""
        raise NotImplementedError

    def loss(self, topic: str, start: str | None, end: str, reason: str) -> bytes:
        """Return the frame that says that messages of *topic* between two positions will not come."""
        raise NotImplementedError

    def at_hand(self, parts: Sequence[Owed], passes: Condition) -> list[bytes] | None:
        """Return the frames of all that came after, from memory; None if a stream must be read."""
        if not all(part.is_at_hand for part in parts):
            return None
        frames: list[bytes] = []
        for part in parts:
            events = part.at_hand(self._gateway.past.memory) or []
            frames += self._frames(events, passes)
            if not part.stream.newest_only:
                for event in events:
                    event.slim()  # the tail that holds it is bounded
        return frames

    def unread(self, parts: Iterable[Owed]) -> Owed | None:
        """Return a part of which a stream must be read; None if there is none, or nobody to tell it to."""
        if self._wire.closing:
            return None
        return next((part for part in parts if not part.is_at_hand), None)

    def show(self, frames: Sequence[bytes]) -> None:
        """Say frames as fast as the client takes them."""
        self._wire.show(frames)

    def losses(self, parts: Iterable[Owed]) -> list[bytes]:
        """Return the frames that say what will not come."""
        return [self.gap(part, part.lost) for part in parts if part.lost is not None]

    def gap(self, part: Owed, lost: Lost) -> bytes:
        """Return the frame that says what of *part* will not come."""
        self.lost = True
        place = f"{part.stream.name}.{part.stream.epoch()}"
        # Of a stream that is no more a number means nothing.
        start = None if lost.reason == RECREATED else f"{place}.{lost.first}"
        return self.loss(cover(part.topics), start, f"{place}.{lost.last}", lost.reason)

    async def look_up(self, parts: Iterable[Owed]) -> None:
        """Learn of what must be read whether the stream still keeps all of it."""
        for part in parts:
            while self.unread([part]) is not None:
                try:
                    rereader = self._gateway.rereader
                    if rereader is not None:
                        part.expire(await rereader.kept_from(part.stream))
                        break
                except BusError as error:
                    log.info("a resume waits for the bus", reason=str(error))
                await asyncio.sleep(_TRY_AGAIN_AFTER)

    def present(self, parts: Iterable[Owed], older: Iterable[Event]) -> list[Event]:
        """Return the present of *parts*: what is remembered, and what was read beside it.

        What came after where a part begins is no part of it.
        """
        memory = self._gateway.past.memory
        owed = {part.stream.name: part for part in parts}
        if not owed:
            return []
        ends = {name: part.after for name, part in owed.items() if part.after is not None}
        found = memory.present(chain(*(part.topics for part in owed.values())), NEWEST_SHOWN, older)
        return [event for event in found if event.seq <= ends.get(event.stream, -1)]

    def items(self, events: Iterable[Event], passes: Condition) -> list[bytes]:
        """Return the frames of a snapshot, or of a piece of it."""
        frames = (self.item(event) for event in events if passes(event))
        return [frame for frame in frames if frame is not None]

    def unsure(self, parts: Iterable[Owed]) -> list[str]:
        """Return of what of the present of *parts* must be read from a stream."""
        if self._gateway.rereader is None:
            return []
        topics = chain(*(part.topics for part in parts))
        return self._gateway.past.memory.unsure(topics, NEWEST_SHOWN)

    async def rare(self, topics: Sequence[str]) -> list[Event]:
        """Read the present of *topics* from the streams."""
        while not self._wire.closing:
            rereader = self._gateway.rereader
            try:
                if rereader is not None:
                    return await rereader.newest(topics, NEWEST_SHOWN)
            except BusError as error:
                log.info("a snapshot waits for the bus", reason=str(error))
            await asyncio.sleep(_TRY_AGAIN_AFTER)
        return []

    async def piece(self, part: Owed, passes: Condition) -> int:
        """Read the next piece of a part and show it; return of how many messages, once they are written.

        A bus that does not answer is asked again, for as long as the client stays.
        """
        assert part.after is not None  # noqa: S101 - of the present nothing is to be read here
        rereader, losses = self._gateway.rereader, part.stream.losses
        try:
            chunk = None if rereader is None else await rereader.chunk(part.stream, part.topics, part.after)
        except BusError as error:
            log.info("a resume waits for the bus", reason=str(error))
            chunk = None
        if chunk is None:
            await asyncio.sleep(_TRY_AGAIN_AFTER)
            return 0
        if part.stream.losses != losses:
            return 0  # the numbers may mean other messages now
        memory = self._gateway.past.memory
        frames = self._frames((one for one in chunk.events if not memory.is_passed(one)), passes)
        told = [self.gap(part, chunk.lost), *frames] if chunk.lost is not None else frames
        part.after = chunk.until
        if told:
            self.show(told)
        pause = _LOOK_EVERY
        while self._wire.backlog.showing and not self._wire.closing:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LOOK_AT_LEAST_EVERY)  # many that read slowly must not keep the loop busy
        if not chunk.events:
            await asyncio.sleep(_LOOK_EVERY)  # what was read is not heard yet
        return len(frames)

    def _frames(self, events: Iterable[Event], passes: Condition) -> list[bytes]:
        frames = (self.message(event) for event in events if passes(event))
        return [frame for frame in frames if frame is not None]


class NativeTeller(Teller):
    """Tells in the frames of the native protocol, which are shared by all who are told the same."""

    def __init__(self, gateway: Gateway, dialect: Native, wire: Wire) -> None:
        """Tell *wire*, in the words of *dialect*, what *gateway* knows."""
        super().__init__(gateway, wire)
        self._dialect = dialect

    def message(self, event: Event) -> bytes | None:
        """Return the frame that the live get as well."""
        return self._gateway.hub.frame(self._dialect, event)

    def item(self, event: Event) -> bytes | None:
        """Return the frame that marks a message as part of a snapshot, made once."""
        if self._gateway.hub.frame(self._dialect, event) is None:
            return None
        frame = event.frames.get(_SNAPSHOT)
        if frame is None:
            frame = event.frames[_SNAPSHOT] = text_frame(self._dialect.snapshot_item(event))
        return frame

    def loss(self, topic: str, start: str | None, end: str, reason: str) -> bytes:
        """Return the gap frame."""
        return text_frame(self._dialect.gap(topic, start, end, reason))
