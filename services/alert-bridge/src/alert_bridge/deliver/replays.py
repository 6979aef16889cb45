"""Takes dead letters that are sent again by hand; nobody decides them, they are told."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog
from pydantic import ValidationError

from alert_bridge.carried import Carried
from alert_bridge.deliver import names
from alert_bridge.deliver.around import Around
from alert_bridge.deliver.counts import Counts
from alert_bridge.deliver.ends import Key, State
from alert_bridge.deliver.letters import alert_of
from alert_bridge.deliver.reading import Drawn, Reading, make, standing
from alert_bridge.deliver.round import Round
from alert_bridge.deliver.settling import Settling
from alert_bridge.rules.decide import Send
from baleen_bus import ApiRefused, Unreachable
from baleen_bus.reading import stream_state
from baleen_contracts.dead_letter import Redelivery

MOST: Final = 50
"""Letters that may be on their way again at a time; alerts go before."""
_AGAIN_AFTER: Final = 0.25
BY_HAND: Final = "by hand"
"""What stands for the route."""

log = structlog.get_logger(__name__)


class Replays:
    """The letters that are sent to one destination again."""

    def __init__(
        self, name: str, around: Around, *, round_: Round, counts: Counts, settling: Settling
    ) -> None:
        self._name, self._around = name, around
        self._round, self._counts, self._settling = round_, counts, settling
        self._arrived: deque[Drawn] = deque()
        self._stirred = asyncio.Event()
        self._gone = False
        self._numbers: dict[Key, int] = {}
        """The number of each in the stream of letters."""
        self.reading = Reading(
            around.bus,
            around.pen,
            stream=names.LETTERS,
            consumer=names.replay_consumer_of(name),
            room=lambda: max(0, min(MOST, self._round.room) - len(self._numbers) - len(self._arrived)),
            on_drawn=self._came,
            on_gone=self._note_gone,
        )

    def joined(self, on_taken: Callable[[], None]) -> None:
        """Who is told of each that is to be sent."""
        self._on_taken = on_taken

    def settled(self, key: Key) -> None:
        """One of them has ended, and that is written down."""
        number = self._numbers.pop(key, None)
        if number is not None:
            self.reading.ack(number)
            self.reading.stir()

    def working(self) -> None:
        """Keeps the bus from sending again what is on its way."""
        for number in self._numbers.values():
            self.reading.working(number)

    async def run(self) -> None:
        """Takes letters for ever."""
        while True:
            try:
                while self._arrived:
                    await self._take(self._arrived[0])
                    self._arrived.popleft()
                if self._gone:
                    await self._make_again()
            except (Unreachable, ApiRefused) as error:
                log.debug("letters wait for the bus", destination=self._name, why=str(error))
                await asyncio.sleep(_AGAIN_AFTER)
                continue
            self._stirred.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await self._stirred.wait()

    def _note_gone(self) -> None:
        self._gone = True
        self._stirred.set()

    async def _make_again(self) -> None:
        """Makes the consumer again if somebody deleted it; what it had not given out is not sent."""
        name, stream = names.replay_consumer_of(self._name), names.LETTERS
        bus = self._around.bus
        if await standing(bus, stream, name) is None:
            log.error("the consumer of letters that are sent again is gone", destination=self._name)
            start = (await stream_state(bus, stream)).last_seq + 1
            await make(bus, stream, name, names.replays_to(self._name), start)
        self._gone = False

    def _came(self, drawn: Drawn) -> None:
        self._arrived.append(drawn)
        self._stirred.set()

    async def _take(self, drawn: Drawn) -> None:
        try:
            letter = Redelivery.model_validate_json(drawn.body)
            alert = alert_of(letter)
        except (ValidationError, ValueError):
            log.exception("what is to be sent again is no alert", destination=self._name, seq=drawn.seq)
            self.reading.ack(drawn.seq)
            return
        assert letter.seq is not None  # noqa: S101 - a letter without one holds no alert
        key = (letter.seq, letter.replays)
        if key in self._round or key in self._settling.pending:
            self._numbers[key] = drawn.seq
            return
        record = await self._around.ledger.one(self._name, *key, self._counts.epoch)
        if record is not None and record.final:
            self.reading.ack(drawn.seq)
            return
        self._numbers[key] = drawn.seq
        doubts = 0 if record is None else record.again + (record.state is State.SENDING)
        now = self._around.now()
        ends = self._round.take(
            Carried(letter.seq, alert, drawn.stored_at, letter.replays),
            Send(BY_HAND),
            size=len(drawn.body),
            now=now,
            came=now,
            doubts=doubts,
        )
        self._settling.settle(ends)
        self._on_taken()
