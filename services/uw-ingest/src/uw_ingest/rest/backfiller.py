"""Fills gaps from REST: hears of them on the bus, publishes what the stream lacks, and says so.

The bus is the queue. Whoever holds the lease to ask reads the gaps of the last hour that nobody took back,
and follows the new ones; a holder that dies in the middle is followed by one that begins that gap again.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from pydantic import ValidationError

from baleen_bus.connection import Bus
from baleen_bus.envelope import header_text
from baleen_bus.errors import ApiRefused, Unreachable
from baleen_bus.follower import Follower
from baleen_bus.reading import BATCH, Delivered, direct_get, fetch_after, fetch_newest, stream_state
from baleen_bus.starts import FromSequence
from baleen_contracts import Message, by_name
from baleen_contracts.feed import FeedGap
from baleen_contracts.tokens import name_token
from baleen_runtime.clock import Clock
from uw_ingest.errors import QuotaTaken, RestFailed, RestLimited, RestRefused
from uw_ingest.normalize import from_rest
from uw_ingest.refusals import Refusal
from uw_ingest.rest.backfill import AT_MOST, TWINS, Backlog, Search
from uw_ingest.rest.call import Rest
from uw_ingest.tally import Tally

log: Any = structlog.get_logger("uw_ingest.rest.backfiller")

SETTLE = 1.0  # seconds; REST tells a row a little later than the socket
AGAIN_AFTER = 10.0  # seconds
DOUBTED_FOR = 15.0  # seconds, each time REST shows nothing since a gap began
BUS_AGAIN_AFTER = 1.0
STORED_WITHIN = 10.0
STORED_AGAIN = 0.1
_CLOCKS_DIFFER = timedelta(minutes=2)  # the server's, upstream's and ours
_NOT_FOUND = "404"


class Backfiller:
    """Fills the gaps of this process's turn as holder of the lease."""

    def __init__(
        self, rest: Rest, bus: Bus, *, say: Callable[[Message], bool], tally: Tally, clock: Clock
    ) -> None:
        """Ask here; ``say`` tells whether it took the message."""
        self._rest, self._bus, self._say, self._tally, self._clock = rest, bus, say, tally, clock
        self._backlog = Backlog()
        self._news = asyncio.Event()
        self.filling = ""  # the feed whose gap is being filled
        self.filled = 0
        self.rows = 0  # published by us
        self.refused: dict[str, str] = {}  # why upstream does not tell, by feed
        self.failing = ""

    async def run(self) -> None:
        """Fill gaps for ever.

        Raises:
            QuotaTaken: another replica asks now.
        """
        entity = by_name("feed_gap")
        assert entity.stream is not None  # noqa: S101 - the catalogue gives it one
        patterns = [entity.subject.replace("{feed}", name_token(feed)) for feed in TWINS]
        while True:
            try:
                last = await self._read(entity.stream, patterns)
                start = FromSequence(last + 1)
                async with Follower(self._bus, entity.stream, patterns, start, self._hear, lambda _gap: None):
                    self.failing = ""
                    await self._work()
            except (Unreachable, ApiRefused) as error:
                self.failing = f"the bus does not tell of gaps ({type(error).__name__})"
                await asyncio.sleep(BUS_AGAIN_AFTER)

    def describe(self) -> dict[str, Any]:
        """Return how it goes, as JSON."""
        return {
            "waiting": len(self._backlog.waiting),
            "filling": self.filling or None,
            "filled": self.filled,
            "rows": self.rows,
            "given_up": self._backlog.given_up,
            "refused": dict(self.refused),
            "failing": self.failing,
        }

    async def _read(self, stream: str, patterns: list[str]) -> int:
        """Take the gaps of the last hour in; return the position after which new ones come.

        It is that of before the reading: one that is stored meanwhile may be too late for a part of it.
        """
        last = (await stream_state(self._bus, stream)).last_seq
        self._backlog = Backlog(given_up=self._backlog.given_up)
        for pattern in patterns:
            for item in await fetch_newest(self._bus, stream, pattern, AT_MOST):
                if item.seq <= last:
                    self._hear(item)
        return last

    def _hear(self, item: Delivered) -> None:
        try:
            gap = FeedGap.model_validate_json(item.body)
        except ValidationError:
            return  # somebody else's; the stream takes what it is given
        self._backlog.add(gap, self._clock.now(), self._clock.monotonic() + SETTLE)
        self._news.set()

    async def _work(self) -> None:
        while True:
            at = self._clock.monotonic()
            gap = self._backlog.next(at)
            if gap is None:
                self._news.clear()
                await _heard(self._news, self._backlog.wait(at))
                continue
            self.filling = gap.feed
            try:
                await self._fill(gap)
            finally:
                self.filling = ""

    async def _fill(self, gap: FeedGap) -> None:
        """Fill one gap, or decide when to try again."""
        search = Search(gap)
        try:
            while not search.over:
                await self._page(search)
            if search.doubtful() and self._doubt(gap):
                return
            published = await self._publish(search)
        except QuotaTaken:
            raise
        except RestLimited as limit:
            self._backlog.later(gap, self._clock.monotonic(), limit.seconds, counts=False)
        except RestRefused as refusal:
            if gap.feed not in self.refused:
                log.warning("gaps cannot be filled", feed=gap.feed, why=str(refusal))
            self.refused[gap.feed] = str(refusal)
            self._backlog.drop(gap.feed)
        except (RestFailed, Unreachable) as failure:
            self._again(gap, str(failure))
        else:
            self._announce(search, published)

    def _doubt(self, gap: FeedGap) -> bool:
        return self._backlog.doubt(gap, self._clock.now(), self._clock.monotonic(), DOUBTED_FOR)

    def _again(self, gap: FeedGap, why: str) -> None:
        self.failing = why
        again = self._backlog.later(gap, self._clock.monotonic(), AGAIN_AFTER, counts=True)
        log.warning("gap not filled", feed=gap.feed, why=why, again_after=AGAIN_AFTER if again else None)

    async def _page(self, search: Search) -> None:
        endpoint = search.twin.endpoint
        body = await self._rest.get(f"/api/{endpoint}", search.params(), urgent=True)
        rows = list(from_rest(endpoint, body, self._clock.now()))
        for row in rows:
            if isinstance(row, Refusal):
                self._tally.refused[row] += 1
        search.take([row for row in rows if isinstance(row, Message)], len(rows))

    async def _publish(self, search: Search) -> int:
        """Publish what the stream lacks and see it stored.

        Raises:
            Unreachable: the stream cannot be read, or does not take it in time.
        """
        begins = search.covered_from()
        if begins is None or not search.rows:
            return 0
        since = begins - search.twin.margin - _CLOCKS_DIFFER
        feed = search.gap.feed
        missing = search.missing(await self._stored(feed, since))
        for message in missing:
            if not self._say(message):
                raise Unreachable("the outbox is full")
            self._tally.accepted[feed] += 1
        deadline = self._clock.monotonic() + STORED_WITHIN
        while lacking := search.missing(await self._stored(feed, since)) if missing else []:
            if self._clock.monotonic() > deadline:
                raise Unreachable(f"{len(lacking)} rows are not stored yet")
            await asyncio.sleep(STORED_AGAIN)
        return len(missing)

    async def _stored(self, feed: str, since: datetime) -> set[str]:
        """Return the ids of what the stream has stored since a moment."""
        entity, found, last = by_name(feed), set[str](), 0
        assert entity.stream is not None  # noqa: S101 - what upstream says is stored

        def keep(item: Delivered) -> None:
            nonlocal last
            last = item.seq
            found.add(header_text(item.headers.get("Nats-Msg-Id", "")))

        request = {
            "start_time": since.isoformat().replace("+00:00", "Z"),
            "next_by_subj": entity.pattern,
            "batch": BATCH,
        }
        end = await direct_get(self._bus, entity.stream, request, keep)
        if end.status != _NOT_FOUND and end.pending:
            await fetch_after(self._bus, entity.stream, entity.pattern, last, keep)
        return found

    def _announce(self, search: Search, published: int) -> None:
        gap, filled = search.gap, search.filled(published, self._clock.now())
        self._backlog.done(gap)
        self.failing = ""
        self.refused.pop(gap.feed, None)
        self.rows += published
        if filled is None:
            log.warning("gap not filled", feed=gap.feed, why="REST does not reach back so far")
            return
        self.filled += 1
        log.info("gap filled", feed=gap.feed, rows=published, detail=filled.detail)
        self._say(filled)


async def _heard(news: asyncio.Event, within: float | None) -> None:
    try:
        async with asyncio.timeout(within):
            await news.wait()
    except TimeoutError:
        return
