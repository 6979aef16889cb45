"""The feeds that upstream offers only over REST: market movers and congress disclosures.

Each poll asks its questions as often as the plan for the day's quota says, compares the answers with what it
has said before, and says what is new.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar

import structlog

from baleen_contracts import Message
from baleen_contracts.congress_trade import CongressTrade
from baleen_contracts.market_mover import MarketMover
from baleen_runtime.clock import Clock
from uw_ingest.errors import QuotaTaken, RestFailed, RestLimited, RestRefused
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

ROWS = 200  # of one answer, at most
PAGES = 5  # further back that are looked through now and then
PAGES_EVERY = 86_400.0  # seconds
PAGES_AGAIN = 900.0  # seconds, when looking through them failed
OLD = timedelta(days=25)  # less than the bus keeps: what was filed earlier may be known and forgotten

_REMEMBERED = 20_000  # disclosures
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


@dataclass(frozen=True, slots=True)
class Window:
    """An endpoint of disclosures, and the date by which it goes back."""

    endpoint: str
    by: Callable[[CongressTrade], date]


WINDOWS = {
    "congress_recent": Window("congress/recent-trades", lambda trade: trade.traded_on),
    "congress_late": Window("congress/late-reports", lambda trade: trade.filed_on),
}


class Congress(Poll):
    """Congress disclosures: a wide window of two endpoints, compared with all that is known.

    A new filing of an old trade appears far down the list, which has no cursor but a date: at the start and
    once a day, some pages further back are looked through too.
    """

    feed = "congress_trade"
    questions = tuple(WINDOWS)

    def __init__(self, *args: Any, stored: Callable[[], Awaitable[Iterable[str]]], **kwargs: Any) -> None:
        """Ask upstream nothing before *stored* has told the message ids that the bus has already."""
        super().__init__(*args, **kwargs)
        self._stored = stored
        self._known: dict[str, None] = {}
        self._skips_old = False
        self._pages_at = dict.fromkeys(self.questions, self._started_at)
        self._waiting_for = "what the bus has is not read yet"

    async def run(self) -> None:
        """Learn what was said before, then ask for ever."""
        self._known.update(dict.fromkeys(await self._stored()))
        self._skips_old = bool(self._known)  # an empty bus gets all there is
        self._waiting_for = ""
        await super().run()

    async def ask(self, question: str) -> None:
        """Say every disclosure not said before, the oldest first."""
        window, found = WINDOWS[question], dict[str, CongressTrade]()
        full = await self._page(window, None, found)
        try:
            if full and self._clock.monotonic() >= self._pages_at[question]:
                self._pages_at[question] = self._clock.monotonic() + PAGES_AGAIN
                await self._pages(window, found)
                self._pages_at[question] = self._clock.monotonic() + PAGES_EVERY
        except RestRefused:  # so far back the plan does not look
            self._pages_at[question] = self._clock.monotonic() + PAGES_EVERY
        finally:
            self._tell_new(found.values())

    async def _pages(self, window: Window, found: dict[str, CongressTrade]) -> None:
        until: date | None = None
        for _ in range(PAGES):
            oldest = min((window.by(trade) for trade in found.values()), default=None)
            if oldest is None:
                return
            # The date is inclusive, so a page overlaps; one that brings nothing older is a very long day.
            until = oldest if until is None or oldest < until else until - timedelta(days=1)
            if not await self._page(window, until, found):
                return

    async def _page(self, window: Window, until: date | None, found: dict[str, CongressTrade]) -> bool:
        """Add a page's disclosures; tell whether there may be more behind it."""
        params: dict[str, str | int] = {"limit": ROWS}
        if until is not None:
            params["date"] = until.isoformat()
        body = await self._rest.get(f"/api/{window.endpoint}", params)
        rows = list(from_rest(window.endpoint, body, self._clock.now()))
        for row in rows:
            if isinstance(row, CongressTrade):
                found.setdefault(row.message_id, row)
            elif isinstance(row, Refusal):
                self._tally.refused[row] += 1
        return len(rows) >= ROWS

    def _tell_new(self, trades: Iterable[CongressTrade]) -> None:
        """Say what nobody knows, the oldest first; a row that is not taken is news again next time."""
        oldest_news = self._clock.now().date() - OLD
        for trade in sorted(trades, key=lambda trade: trade.occurred_at):
            if trade.message_id in self._known:
                continue
            if (self._skips_old and trade.filed_on < oldest_news) or self._tell(trade):
                self._known[trade.message_id] = None
        while len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
