"""The feeds that upstream offers only over REST: market movers and congress disclosures.

Each poll asks, compares with what it has said before, and says what is new.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from random import Random
from typing import Any

import structlog

from baleen_contracts import Message
from baleen_contracts.market_mover import MarketMover
from baleen_runtime.clock import Clock
from uw_ingest.errors import RestFailed, RestLimited, RestRefused
from uw_ingest.feed_state import PollFacts
from uw_ingest.normalize import from_rest
from uw_ingest.normalize.market_mover import changed, left, movers
from uw_ingest.refusals import Refusal
from uw_ingest.rest import Rest
from uw_ingest.tally import Tally

log: Any = structlog.get_logger("uw_ingest.polls")

MOVERS: tuple[tuple[str, dict[str, str | int]], ...] = (
    ("/api/market/movers", {}),
    ("/api/market/top-net-impact", {"limit": 40}),
    ("/api/screener/stocks", {"order": "perc_change", "order_direction": "desc"}),
)
"""The first that the plan allows; the others are substitutes."""

CONGRESS: tuple[tuple[str, dict[str, str | int]], ...] = (
    ("congress/recent-trades", {"limit": 200}),
    ("congress/late-reports", {"limit": 200}),
)
_REMEMBERED = 20_000  # disclosures; both endpoints together show 400


class Poll(ABC):
    """A question asked again and again."""

    feed: str

    def __init__(
        self,
        rest: Rest,
        *,
        every: float,
        recheck: float,
        say: Callable[[Message], bool],
        tally: Tally,
        clock: Clock,
    ) -> None:
        """Ask every so many seconds; what the plan refuses is asked again after ``recheck``.

        ``say`` tells whether it took the message.
        """
        self._rest, self._say, self._tally, self._clock = rest, say, tally, clock
        self._every, self._recheck = every, recheck
        self._random = Random()  # noqa: S311 - jitter, not secrecy
        self._started_at = clock.monotonic()
        self._answered_at: float | None = None
        self._refused = self._failing = ""

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            pause = await self._turn()
            await asyncio.sleep(pause)

    def facts(self) -> PollFacts:
        """Describe how the asking goes."""
        now = self._clock.monotonic()
        return PollFacts(
            every=self._every,
            answered_ago=None if self._answered_at is None else now - self._answered_at,
            started_ago=now - self._started_at,
            refused=self._refused,
            failing=self._failing,
        )

    @abstractmethod
    async def ask(self) -> None:
        """Ask once and say what is new."""

    async def _turn(self) -> float:
        """Ask once and return how long to wait before the next time."""
        pause = self._every * (1 + 0.1 * self._random.uniform(-1, 1))
        try:
            await self.ask()
        except RestLimited as limit:
            self._failing = str(limit)
            log.warning("poll waits", feed=self.feed, why=str(limit), seconds=round(limit.seconds, 1))
            return max(pause if limit.kind == "minute" else 0.0, limit.seconds)
        except RestRefused as refusal:
            if not self._refused:
                log.warning("poll refused", feed=self.feed, why=str(refusal))
            self._refused = str(refusal)
            return self._recheck
        except RestFailed as failure:
            if not self._failing:
                log.warning("poll failed", feed=self.feed, why=str(failure))
            self._failing = str(failure)
            return pause
        self._answered_at, self._refused, self._failing = self._clock.monotonic(), "", ""
        return pause

    def _tell(self, message: Message) -> bool:
        taken = self._say(message)
        if taken:
            self._tally.accepted[self.feed] += 1
            self._tally.last_message_at[self.feed] = message.received_at
        return taken


class Movers(Poll):
    """Market movers, from the best endpoint the plan allows."""

    feed = "market_mover"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin with the best endpoint and nothing said."""
        super().__init__(*args, **kwargs)
        self._best = 0
        self._said: dict[str, MarketMover] = {}

    async def ask(self) -> None:
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


class Congress(Poll):
    """Congress disclosures: a wide window of two endpoints, compared with all that is known."""

    feed = "congress_trade"

    def __init__(self, *args: Any, stored: Callable[[], Awaitable[Iterable[str]]], **kwargs: Any) -> None:
        """Ask upstream nothing before *stored* has told the message ids that the bus has already."""
        super().__init__(*args, **kwargs)
        self._stored = stored
        self._known: dict[str, None] = {}
        self._failing = "what the bus has is not read yet"

    async def run(self) -> None:
        """Learn what was said before, then ask for ever."""
        self._known.update(dict.fromkeys(await self._stored()))
        self._failing = ""
        await super().run()

    async def ask(self) -> None:
        """Say every disclosure not said before, an endpoint's rows before the next one is asked."""
        refused: list[RestRefused] = []
        failure: RestFailed | None = None
        for endpoint, params in CONGRESS:
            try:
                body = await self._rest.get(f"/api/{endpoint}", params)
            except RestRefused as refusal:
                refused.append(refusal)
            except RestLimited:
                raise
            except RestFailed as failed:
                failure = failed
            else:
                self._tell_new(endpoint, body)
        if failure is not None:
            raise failure
        if len(refused) == len(CONGRESS):
            raise refused[0]

    def _tell_new(self, endpoint: str, body: Any) -> None:
        """Say the rows nobody knows, the oldest first; one that is not taken is news again next time."""
        new: dict[str, Message] = {}
        for row in from_rest(endpoint, body, self._clock.now()):
            if isinstance(row, Refusal):
                self._tally.refused[row] += 1
            elif row.message_id not in self._known:
                new[row.message_id] = row
        for message_id, message in sorted(new.items(), key=lambda item: item[1].occurred_at):
            if self._tell(message):
                self._known[message_id] = None
        while len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
