"""The poll of congress disclosures: two endpoints, a wide window, compared with all that is known."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from baleen_contracts.congress_trade import CongressTrade
from uw_ingest.errors import RestRefused
from uw_ingest.normalize import from_rest
from uw_ingest.refusals import Refusal
from uw_ingest.rest.polls import Poll

ROWS = 200  # of one answer, at most
PAGES = 5  # further back that are looked through now and then
PAGES_EVERY = 86_400.0  # seconds
PAGES_AGAIN = 900.0  # seconds, when looking through them failed
OLD = timedelta(days=25)  # less than the bus keeps: what was filed earlier may be known and forgotten

_REMEMBERED = 20_000  # disclosures


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
