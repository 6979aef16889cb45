"""The feeds that upstream offers only over REST: what every poll does, and the market movers.

Each poll asks its questions as often as the plan for the day's quota says, compares the answers with what it
has said before, and says what is new.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import structlog

from baleen_contracts import Message
from baleen_contracts.market_mover import MarketMover
from baleen_runtime.clock import Clock
from uw_ingest.errors import QuotaTaken, RestFailed, RestLimited, RestRefused
from uw_ingest.feeds.feed_state import PollFacts
from uw_ingest.normalize.market_mover import changed, left, movers
from uw_ingest.refusals import Refusal
from uw_ingest.rest.call import Rest
from uw_ingest.tally import Tally

log: Any = structlog.get_logger("uw_ingest.rest.polls")

MOVERS: tuple[tuple[str, dict[str, str | int]], ...] = (
    ("/api/market/movers", {}),
    ("/api/market/top-net-impact", {"limit": 40}),
    ("/api/screener/stocks", {"order": "perc_change", "order_direction": "desc"}),
)
"""The first that the plan allows; the others are substitutes."""

_LOOK_AGAIN = 1.0  # seconds; the plan may have changed meanwhile


@dataclass(slots=True)
class Asking:
    """How one question fares. Times in monotonic seconds."""

    due_at: float
    asked: int = 0
    answered_at: float | None = None
    refused: str = ""
    failing: str = ""


class Poll(ABC):
    """Questions asked again and again for one feed."""

    feed: ClassVar[str]
    questions: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        rest: Rest,
        *,
        every: Callable[[str], float],
        recheck: float,
        say: Callable[[Message], bool],
        tally: Tally,
        clock: Clock,
    ) -> None:
        """Ask as often as ``every`` tells (seconds, by question); what the plan refuses after ``recheck``.

        ``say`` tells whether it took the message.
        """
        self._rest, self._say, self._tally, self._clock = rest, say, tally, clock
        self._every, self._recheck = every, recheck
        self._started_at = clock.monotonic()
        self.askings = {name: Asking(self._started_at) for name in self.questions}
        self._waiting_for = ""  # what must be known before anything is asked

    async def run(self) -> None:
        """Ask for ever.

        Raises:
            QuotaTaken: another replica asks now.
        """
        async with asyncio.TaskGroup() as tasks:
            for name, asking in self.askings.items():
                tasks.create_task(self._keep_asking(name, asking), name=f"ask-{name}")

    def facts(self) -> PollFacts:
        """Describe how the asking goes: as the worst of the questions does that upstream does not refuse."""
        now = self._clock.monotonic()
        open_ = {name: asking for name, asking in self.askings.items() if not asking.refused}
        ages = [now - a.answered_at for a in open_.values() if a.answered_at is not None]
        failing = [asking.failing for asking in open_.values() if asking.failing]
        return PollFacts(
            every=max((self._every(name) for name in open_), default=self._recheck),
            answered_ago=max(ages) if ages and len(ages) == len(open_) else None,
            started_ago=now - self._started_at,
            refused="" if open_ else next(asking.refused for asking in self.askings.values()),
            failing=self._waiting_for or (failing[0] if failing else ""),
        )

    @abstractmethod
    async def ask(self, question: str) -> None:
        """Ask once and say what is new."""

    async def _keep_asking(self, name: str, asking: Asking) -> None:
        while True:
            started = self._clock.monotonic()
            pause = await self._turn(name, asking)
            while True:
                every = self._every(name)
                asking.due_at = started + (every if pause is None else max(pause, every))
                wait = asking.due_at - self._clock.monotonic()
                if wait <= 0:
                    break
                await asyncio.sleep(min(wait, _LOOK_AGAIN))

    async def _turn(self, name: str, asking: Asking) -> float | None:
        """Ask once and return how many seconds to wait at least, ``None`` as planned."""
        asking.asked += 1
        try:
            await self.ask(name)
        except QuotaTaken:
            raise
        except RestLimited as limit:
            if asking.failing != str(limit):
                log.warning("poll waits", question=name, why=str(limit), seconds=round(limit.seconds, 1))
            asking.failing = str(limit)
            return limit.seconds
        except RestRefused as refusal:
            if not asking.refused:
                log.warning("poll refused", question=name, why=str(refusal))
            asking.refused = str(refusal)
            return self._recheck
        except RestFailed as failure:
            if not asking.failing:
                log.warning("poll failed", question=name, why=str(failure))
            asking.failing = str(failure)
            return None
        asking.answered_at, asking.refused, asking.failing = self._clock.monotonic(), "", ""
        return None

    def _tell(self, message: Message) -> bool:
        taken = self._say(message)
        if taken:
            self._tally.accepted[self.feed] += 1
            self._tally.last_message_at[self.feed] = message.received_at
        return taken


class Movers(Poll):
    """Market movers, from the best endpoint the plan allows."""

    feed = "market_mover"
    questions = ("movers",)

    def __init__(
        self, *args: Any, standing: Callable[[], Awaitable[Iterable[MarketMover]]], **kwargs: Any
    ) -> None:
        """Begin with the best endpoint, and with those that the bus has *standing* on a list."""
        super().__init__(*args, **kwargs)
        self._standing = standing
        self._best = 0
        self._said: dict[str, MarketMover] = {}

    async def run(self) -> None:
        """Learn who stands on a list, then ask for ever."""
        self._said.update((mover.symbol.upper(), mover) for mover in await self._standing() if mover.lists)
        await super().run()

    async def ask(self, question: str) -> None:  # noqa: ARG002 - there is one
        """Say which stocks entered, moved and left."""
        body = await self._snapshot()
        now, standing = self._clock.now(), set[str]()
        for mover in movers(body, now):
            if isinstance(mover, Refusal):
                self._tally.refused[mover] += 1
                continue
            symbol = mover.symbol.upper()
            standing.add(symbol)
            if changed(mover, self._said.get(symbol)):
                self._said[symbol] = mover
                self._tell(mover)
        for symbol in self._said.keys() - standing:
            self._tell(left(self._said.pop(symbol), now))

    async def _snapshot(self) -> Any:
        """Ask the best endpoint, and a lesser one when it is refused.

        Raises:
            RestRefused: every endpoint is.
        """
        while True:
            path, params = MOVERS[self._best]
            try:
                return await self._rest.get(path, params)
            except RestRefused:
                if self._best + 1 == len(MOVERS):
                    self._best = 0
                    raise
                self._best += 1
                log.warning("movers from a substitute", path=MOVERS[self._best][0])
