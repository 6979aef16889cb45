"""Takes the alerts of the stream one after the other, each once, and lets the rules decide.

The order is the stream's, whatever the consumer sends when: a number that is ahead waits until those before
it were read from the stream, and one that was taken is not taken again. So nothing depends on how soon the
bus sends again what a sender that died had drawn.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from alert_bridge.carried import Carried
from alert_bridge.deliver import names
from alert_bridge.deliver.around import Around
from alert_bridge.deliver.counts import Counts
from alert_bridge.deliver.ends import End, Record, State
from alert_bridge.deliver.fetching import fetch
from alert_bridge.deliver.inheriting import account_for, inherited
from alert_bridge.deliver.reading import Drawn, Reading, standing
from alert_bridge.deliver.round import MOST, Round
from alert_bridge.deliver.settling import Settling
from alert_bridge.deliver.taking import Ended, alert_in, came, decided, learn, way_of
from alert_bridge.reasons import Dead
from alert_bridge.rules.decide import Decision, Memory, Send
from baleen_bus import ApiRefused, Unreachable

_LOOK_EVERY: Final = 2.0
"""Seconds of quiet after which it is looked whether the bus has passed alerts that never came."""
_AT_ONCE: Final = 250
_NOTHING: Final = Send("")
"""In the place of a decision where what is written down decides."""
_NOT_CONFIRMED: Final = 20_000
"""Numbers at most that are acknowledged once more."""
_AGAIN_AFTER: Final = 0.25

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """How things stood when this sender began.

    Attributes:
        last: the stream's last number: what is written down of an alert after it, this sender wrote.
        floor: all up to here is acknowledged.
        delivered: the consumer has passed all up to here.
    """

    last: int
    floor: int
    delivered: int


class Intake:
    """Takes alerts for one destination, as many as there is room for."""

    def __init__(
        self,
        name: str,
        around: Around,
        *,
        round_: Round,
        counts: Counts,
        found: Found,
    ) -> None:
        self._name, self._around, self._found = name, around, found
        self._round, self._counts, self._memory = round_, counts, Memory()
        self._arrived: deque[Drawn] = deque()
        self._stirred = asyncio.Event()
        self._records: dict[int, Record] = {}
        self._known_through = 0
        self._stored_at: dict[int, float] = {}

    def joined(self, reading: Reading, settling: Settling, on_taken: Callable[[], None]) -> None:
        """Where alerts come from, where those go that end, and who is told of each that does not."""
        self._reading, self._settling, self._on_taken = reading, settling, on_taken

    @property
    def room(self) -> int:
        """How many more alerts may be taken now."""
        room = min(self._round.room, MOST - len(self._round) - len(self._settling.pending))
        return max(0, room - len(self._arrived))

    def arrived(self, drawn: Drawn) -> None:
        """One came through the consumer."""
        self._arrived.append(drawn)
        self._stirred.set()

    def age_of(self, seq: int, now: float) -> float:
        """Seconds since an open alert was stored; 0 if that is not known."""
        return max(0.0, now - self._stored_at.get(seq, now))

    def died(self, end: End) -> None:
        """One was given up: nobody was told, and the next one like it is no repeat."""
        self._memory.forget(end.notes)

    def settled(self, seq: int) -> None:
        """One has ended, and that is written down: there is more room."""
        self._stored_at.pop(seq, None)
        self._stirred.set()

    def stir(self) -> None:
        """There may be more room."""
        self._stirred.set()

    async def run(self) -> None:
        """Takes alerts for ever; while the bus cannot be asked none, and nothing else is disturbed."""
        await self._patiently(self._take_up)
        await self._patiently(lambda: self._fill(self._found.delivered + 1))
        while True:
            await self._patiently(self._take_arrived)
            self._reading.stir()
            if not await self._rest(_LOOK_EVERY) and not self._arrived:
                await self._patiently(self._look)

    async def _patiently(self, ask: Callable[[], Awaitable[None]]) -> None:
        """Does what needs the bus, again and again until it can be asked."""
        while True:
            try:
                await ask()
            except (Unreachable, ApiRefused) as error:
                log.debug("alerts wait for the bus", destination=self._name, why=str(error))
                await asyncio.sleep(_AGAIN_AFTER)
            else:
                return

    async def _take_arrived(self) -> None:
        while self._arrived and self._free():
            drawn = self._arrived[0]
            if drawn.seq > self._counts.through + 1:
                await self._fill(drawn.seq)
            if drawn.seq == self._counts.through + 1:
                await self._know(drawn.seq)
                self._take(drawn)
            else:
                self._came_again(drawn.seq)
            self._arrived.popleft()

    async def _take_up(self) -> None:
        """Goes on with what a predecessor had open."""
        counts, memory = self._counts, Memory()
        left = await inherited(self._name, self._around, counts, memory)
        self._memory = memory
        for one in left:
            record = one.record
            if one.drawn is not None:
                self._go(one.drawn, record, one.decision, acked=False)
            elif record is not None and record.final:
                counts.end(one.seq, record.state, record.reason, record.again)
            else:
                detail = "the stream let it go before it was delivered"
                self._settling.settle([End((one.seq, 0), State.DEAD, Dead.EXPIRED, detail=detail)])

    async def _fill(self, before: int) -> None:
        """Takes what the stream has before number *before*, and names what it has no more."""
        counts = self._counts
        while counts.through + 1 < before:
            await self._until_free()
            first = counts.through + 1
            found = await fetch(self._around.bus, first, before, min(self._spare(), _AT_ONCE))
            for drawn in found:
                if drawn.seq > counts.through + 1:
                    await self._expired(drawn.seq - 1)
                await self._know(drawn.seq)
                self._take(drawn)
            if not found:
                await self._expired(before - 1)

    async def _expired(self, last: int) -> None:
        """Numbers up to *last* are gone from the stream."""
        known = self._found.last
        await account_for(self._name, self._around, self._counts, last=last, known=known)

    async def _know(self, seq: int) -> None:
        """Reads what a predecessor wrote of the next alerts, many at a time."""
        if seq > self._found.last or seq <= self._known_through:
            return
        last = min(self._found.last, seq + _AT_ONCE - 1)
        self._records = await self._around.ledger.of(self._name, range(seq, last + 1), self._counts.epoch)
        self._known_through = last

    def _take(self, drawn: Drawn) -> None:
        record = self._records.pop(drawn.seq, None)
        self._counts.took(drawn.seq)
        self._go(drawn, record, None, acked=drawn.seq <= self._found.floor)

    def _go(self, drawn: Drawn, record: Record | None, decision: Decision | None, *, acked: bool) -> None:
        """Lets one alert that is open go its way."""
        alert = alert_in(drawn.body)
        if alert is None:
            self._unreadable(drawn, record)
            return
        carried = Carried(drawn.seq, alert, drawn.stored_at, traceparent=drawn.traceparent)
        if record is not None:
            learn(self._around.rules(), self._name, carried, record, self._memory)
        ended = acked if record is None else record.final
        way = way_of(record, decision or (_NOTHING if ended else self._decided(carried)), acked=acked)
        if isinstance(way, Ended):
            self._counts.end(drawn.seq, way.state, way.reason, way.again)
            self._reading.ack(drawn.seq)
            return
        early = self._round.released_early
        ends = self._round.take(
            carried,
            way.decision,
            size=len(drawn.body),
            now=self._around.now(),
            came=came(alert, drawn.stored_at).timestamp(),
            doubts=way.doubts,
        )
        if (count := self._round.released_early - early) > 0:
            words = "too many alerts are held for a destination: some are told before their time"
            log.warning(words, destination=self._name, alerts=count)
        if ends:
            self._settling.settle(ends)
        else:
            self._stored_at[drawn.seq] = drawn.stored_at.timestamp()
            self._on_taken()

    def _decided(self, carried: Carried) -> Decision:
        """A defect of the rules loses no alert: it is told."""
        try:
            return decided(self._around.rules(), self._name, carried, self._memory)
        except Exception:
            log.exception(
                "the rules failed over an alert; it is told", destination=self._name, seq=carried.seq
            )
            return Send("")

    def _unreadable(self, drawn: Drawn, record: Record | None) -> None:
        if record is not None and record.final:
            self._counts.end(drawn.seq, record.state, record.reason, record.again)
            self._reading.ack(drawn.seq)
            return
        broken = drawn.body.decode("utf-8", "replace")
        detail = "what the stream has is no alert"
        self._settling.settle(
            [End((drawn.seq, 0), State.DEAD, Dead.UNREADABLE, detail=detail, broken=broken)]
        )

    def _came_again(self, seq: int) -> None:
        """It was taken before: it is open, or its acknowledgement was lost."""
        if seq not in self._counts.open:
            self._reading.ack(seq)

    async def _look(self) -> None:
        """Reads what the consumer has passed to who never took it, and tells it what was taken."""
        counts = self._counts
        found = await standing(self._around.bus, names.ALERTS, names.consumer_of(self._name))
        if found is None or self._arrived:
            return
        if found.ack_pending > len(counts.open):
            self.acknowledge_again(range(found.ack_floor + 1, counts.through + 1))
        if self._free():
            await self._fill(found.delivered + 1)

    def acknowledge_again(self, seqs: range) -> None:
        """Says of these numbers which have ended; it may have been lost, or said before they were drawn."""
        for seq in seqs[-_NOT_CONFIRMED:]:
            if seq not in self._counts.open:
                self._reading.ack(seq)

    def _free(self) -> bool:
        return self._spare() > 0

    def _spare(self) -> int:
        return min(self._round.room, MOST - len(self._round) - len(self._settling.pending))

    async def _until_free(self) -> None:
        while not self._free():
            await self._rest(_LOOK_EVERY)

    async def _rest(self, seconds: float) -> bool:
        """Waits until something happens; returns whether it did."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        happened = self._stirred.is_set()
        self._stirred.clear()
        return happened
