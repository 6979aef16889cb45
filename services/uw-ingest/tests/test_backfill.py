"""Filling gaps from REST: which pages, which rows, and what is said about it. Real bus, real HTTP."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baleen_bus import reading
from baleen_bus.connection import Bus
from baleen_bus.publisher import Publisher
from baleen_contracts import Message
from baleen_contracts.feed import FeedGap, GapReason
from baleen_runtime.clock import SystemClock
from uw_ingest.normalize import from_rest
from uw_ingest.rest import backfiller as shell
from uw_ingest.rest.backfill import AT_MOST, DOUBTS, ROWS, TRIES, TWINS, Backlog, Search
from uw_ingest.rest.backfiller import Backfiller
from uw_ingest.rest.call import Rest
from uw_ingest.rest.quota import Quota
from uw_ingest.tally import Tally
from uw_simulator import samples
from uw_simulator.testing import TOKEN, Simulator

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap is as long ago as its test says, however long the tests before it took."""
    monkeypatch.setitem(globals(), "NOW", datetime.now(UTC).replace(microsecond=0))


ALERT = samples.rest_body("option-trades-flow-alerts.live")["data"][0]
PRINT = samples.rest_body("darkpool-recent.live")["data"][0]
Row = dict[str, Any]


def alert(number: int, recorded_ago: float, *, late: float = 0.5) -> Row:
    """A flow alert, recorded so many seconds ago and as many later than it happened."""
    recorded = NOW - timedelta(seconds=recorded_ago)
    happened = round((recorded - timedelta(seconds=late)).timestamp() * 1000)
    return ALERT | {
        "id": str(UUID(int=number)),
        "created_at": recorded.isoformat().replace("+00:00", "Z"),
        "start_time": happened,
        "end_time": happened,
    }


def dark(number: int, ago: float) -> Row:
    """An off-exchange print."""
    at = NOW - timedelta(seconds=ago)
    return PRINT | {
        "ticker": "SPY",
        "volume": number,
        "executed_at": at.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def gap(feed: str, began_ago: float, ended_ago: float, **given: Any) -> FeedGap:
    """A gap that was announced when it ended."""
    ended = NOW - timedelta(seconds=ended_ago)
    return FeedGap(
        occurred_at=ended,
        received_at=ended,
        feed=feed,
        started_at=NOW - timedelta(seconds=began_ago),
        ended_at=ended,
        **{"reason": GapReason.RECONNECTED} | given,
    )


def messages(endpoint: str, rows: Sequence[Row]) -> list[Message]:
    """The rows as contract messages."""
    found = [row for row in from_rest(endpoint, {"data": list(rows)}, NOW) if isinstance(row, Message)]
    assert len(found) == len(rows)
    return found


def page(table: Sequence[Row], params: dict[str, Any]) -> list[Row]:
    """What upstream answers: newest first, ``older_than`` inclusive and in epoch seconds."""
    rows = sorted(table, key=lambda row: row.get("created_at") or row["executed_at"], reverse=True)
    if "older_than" in params:
        older = datetime.fromtimestamp(float(params["older_than"]), UTC)
        rows = [row for row in rows if datetime.fromisoformat(row["created_at"]) <= older]
    return rows[: int(params["limit"])]


def searched(feed_gap: FeedGap, table: Sequence[Row]) -> Search:
    """A search to its end."""
    search = Search(feed_gap)
    while not search.over:
        rows = page(table, search.params())
        search.take(messages(search.twin.endpoint, rows), len(rows))
    return search


@given(
    recorded=st.lists(st.floats(0, 3_000), max_size=900),
    began=st.floats(100, 2_500),
    length=st.floats(1, 2_000),
)
@settings(max_examples=40)
def test_every_alert_of_the_gap_is_found_whatever_its_pages(
    recorded: list[float], began: float, length: float
):
    """None is missed between two pages, and none from far outside is taken."""
    template = messages("option-trades/flow-alerts", [alert(0, 0)])[0]

    def at(number: int, ago: float) -> Message:
        return template.model_copy(
            update={"id": str(UUID(int=number)), "recorded_at": NOW - timedelta(seconds=ago)}
        )

    table = sorted((at(n, ago) for n, ago in enumerate(recorded)), key=lambda m: m.recorded_at, reverse=True)  # type: ignore[attr-defined]
    feed_gap = gap("flow_alert", began, max(began - length, 0))
    search = Search(feed_gap)
    while not search.over:
        older = datetime.fromtimestamp(float(search.params()["older_than"]), UTC)
        rows = [m for m in table if m.recorded_at <= older][:ROWS]  # type: ignore[attr-defined]
        search.take(rows, len(rows))

    inside = {
        m.message_id
        for m in table
        if feed_gap.started_at <= m.recorded_at <= feed_gap.ended_at  # type: ignore[attr-defined]
    }
    assert inside <= search.rows.keys()
    assert search.covered_from() == feed_gap.started_at
    assert search.asked <= math.ceil(len(recorded) / (ROWS - 2)) + 1


def test_alerts_are_sought_by_when_they_were_recorded():
    """An alert of before the gap that upstream recorded minutes later, in the gap, was missed too."""
    table = [alert(1, 50, late=780), alert(2, 300, late=0)]

    assert len(searched(gap("flow_alert", 60, 40), table).rows) == 1


def test_more_alerts_in_one_second_than_a_page_holds_do_not_stop_the_search():
    """The cursor has whole seconds: what fits no page is left behind, not waited for."""
    table = [*(alert(n, 50) for n in range(450)), *(alert(1_000 + n, 52) for n in range(30))]
    search = searched(gap("flow_alert", 55, 45), table)

    assert len(search.rows) == ROWS + 30
    assert search.asked <= 4


def test_prints_come_back_as_far_as_the_first_page_reaches():
    """Two hundred prints are all there is; the part they cover is said, with its beginning."""
    table = [dark(n, n / 10) for n in range(600)]
    search = searched(gap("dark_pool", 300, 5, before_id="b", after_id="a"), table)
    filled = search.filled(17, NOW)

    assert search.asked == 1
    assert filled is not None
    assert NOW - timedelta(seconds=20) <= filled.started_at <= NOW - timedelta(seconds=18)
    assert filled.ended_at == NOW - timedelta(seconds=5)
    assert (filled.reason, filled.before_id, filled.after_id) == (GapReason.BACKFILLED, None, "a")
    assert "17 of" in str(filled.detail)
    assert "reaches back to" in str(filled.detail)


def test_a_gap_out_of_reach_is_not_taken_back():
    """The newest two hundred prints are all younger than the gap."""
    search = searched(gap("dark_pool", 300, 100), [dark(n, n / 10) for n in range(600)])

    assert search.filled(0, NOW) is None


def test_what_the_stream_has_is_not_missing_and_the_rest_is_in_time_order():
    """Identities of socket and REST are the same."""
    table = [alert(n, 60 - n) for n in range(10)]
    search = searched(gap("flow_alert", 61, 40), table)
    known = [m.message_id for m in messages("option-trades/flow-alerts", table[::2])]

    assert [m.identity for m in search.missing(known)] == [str(UUID(int=n)) for n in range(1, 10, 2)]


def test_the_backlog_takes_what_can_be_filled():
    """Feeds with a REST twin, gaps of the last hour, not what was refused, and nothing that came back."""
    backlog = Backlog()
    wanted, other = gap("flow_alert", 60, 30), gap("dark_pool", 60, 30)
    for one in (
        wanted,
        other,
        gap("option_trade", 60, 30),
        gap("flow_alert", 9_000, 8_000),
        gap("flow_alert", 90, 80, reason=GapReason.REFUSED),
        gap("flow_alert", 60, 30, reason=GapReason.BACKFILLED),
    ):
        backlog.add(one, NOW, 10.0)

    assert [waiting.gap for waiting in backlog.waiting] == [other]
    assert backlog.next(9.0) is None
    assert backlog.wait(9.0) == 1.0
    assert backlog.next(10.0) is other
    backlog.add(gap("dark_pool", 40, 30, reason=GapReason.BACKFILLED), NOW, 10.0)
    assert backlog.wait(10.0) is None


def test_the_backlog_is_bounded_and_gives_up():
    """A storm of gaps costs the oldest of them; one that fails again and again is left."""
    backlog = Backlog()
    for number in range(AT_MOST + 5):
        backlog.add(gap("flow_alert", 60 + number, 50 + number), NOW, 0.0)
    assert (len(backlog.waiting), backlog.given_up) == (AT_MOST, 5)

    first = backlog.next(0.0)
    assert first is not None
    assert all(backlog.later(first, 0.0, 1.0, counts=False) for _ in range(20))
    tries = [backlog.later(first, 0.0, 1.0, counts=True) for _ in range(TRIES)]
    assert tries == [True] * (TRIES - 1) + [False]
    backlog.drop("flow_alert")
    assert (backlog.waiting, backlog.given_up) == ([], AT_MOST + 5)


@dataclass
class Upstream:
    """What REST knows, how it answers, and what it was asked."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    status: int = 200
    body: bytes = b"{}"
    asked: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        parts = urlsplit((await reader.readuntil(b"\r\n\r\n")).decode().split()[1])
        self.asked.append(parts.path)
        params = {name: values[0] for name, values in parse_qs(parts.query).items()}
        table = self.tables.get(parts.path.removeprefix("/api/"), [])
        body = json.dumps({"data": page(table, params)}).encode() if self.status == 200 else self.body
        head = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()


@dataclass
class Filling:
    """A running backfiller and its surroundings."""

    upstream: Upstream
    publisher: Publisher
    backfiller: Backfiller
    stored: Callable[[str], Any]

    async def say(self, *said: Message) -> None:
        """Publish, as somebody who heard it on the socket would."""
        for message in said:
            await self.publisher.publish(message)

    async def filled(self) -> list[FeedGap]:
        """What was announced as filled."""
        told = [FeedGap.model_validate_json(item.body) for item in await self.stored("feed_gap")]
        return [one for one in told if one.reason == GapReason.BACKFILLED]


@asynccontextmanager
async def filling(bus: Bus, stored: Any, simulator: Simulator | None = None) -> AsyncIterator[Filling]:
    """A backfiller that runs."""
    upstream, tally, clock = Upstream(), Tally(), SystemClock()
    server = await asyncio.start_server(upstream.handle, "127.0.0.1", 0)
    here = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    url, token = (simulator.http_url, TOKEN) if simulator else (here, "token")
    rest = Rest(url, token, quota=Quota(None, owner="test", clock=clock), tally=tally)
    async with server, Publisher(bus, source="uw-simulator") as publisher:

        def say(message: Message) -> bool:
            publisher.offer(message)
            return True

        backfiller = Backfiller(rest, bus, say=say, tally=tally, clock=clock)
        task = asyncio.create_task(backfiller.run(), name="backfill")
        try:
            yield Filling(upstream, publisher, backfiller, stored)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await rest.aclose()


async def test_what_the_stream_lacks_of_a_gap_comes_back_once(bus: Bus, stored: Any, eventually: Any):
    """Heard before, heard after and found over REST: each stands in the stream once, and it is said."""
    async with filling(bus, stored) as fill:
        table = [alert(n, 120 - n) for n in range(100)]
        fill.upstream.tables["option-trades/flow-alerts"] = table
        heard = messages("option-trades/flow-alerts", [*table[:30], *table[70:]])
        await fill.say(*heard)
        hole = gap("flow_alert", 91, 49, before_id="flow_alert:x:y")
        await fill.say(hole)
        said = await eventually(fill.filled, "the gap is taken back")
        kept = [item.headers["Nats-Msg-Id"] for item in await stored("flow_alert")]

    assert len(kept) == len(set(kept)) == 100
    assert [(one.started_at, one.ended_at, one.before_id) for one in said] == [
        (hole.started_at, hole.ended_at, hole.before_id)
    ]
    assert str(said[0].detail).startswith("40 of ")
    assert fill.backfiller.describe()["filled"] == 1


async def test_a_successor_fills_the_gaps_nobody_took_back(bus: Bus, stored: Any, eventually: Any):
    """The bus is the queue: what was announced before anybody asked is filled, what was taken back is not."""
    async with Publisher(bus, source="uw-simulator") as publisher:
        done = gap("dark_pool", 200, 100)
        for one in (done, done.model_copy(update={"reason": GapReason.BACKFILLED}), gap("dark_pool", 60, 30)):
            await publisher.publish(one)
    async with filling(bus, stored) as fill:
        fill.upstream.tables["darkpool/recent"] = [dark(n, 20 + n) for n in range(60)]
        await eventually(lambda: fill.backfiller.filled == 1, "one gap is filled")
        prints = await stored("dark_pool")

    assert fill.upstream.asked == ["/api/darkpool/recent"]
    assert 30 <= len(prints) <= 60


async def test_a_token_that_may_not_ask_gives_up_and_says_why(bus: Bus, stored: Any, eventually: Any):
    """One try, one reason, no announcement."""
    async with filling(bus, stored) as fill:
        fill.upstream.status, fill.upstream.body = 403, b'{"code":"advanced_tier_required"}'
        await fill.say(gap("flow_alert", 60, 50))
        await eventually(lambda: fill.backfiller.refused, "it is refused")
        told = fill.backfiller.describe()

    assert told["refused"] == {"flow_alert": "status 403, advanced_tier_required"}
    assert (told["waiting"], told["given_up"], len(fill.upstream.asked)) == (0, 1, 1)


async def test_a_failing_upstream_is_asked_again(
    bus: Bus, stored: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
):
    """Some seconds later; then nothing fails any more."""
    monkeypatch.setattr(shell, "AGAIN_AFTER", 0.05)
    async with filling(bus, stored) as fill:
        fill.upstream.status, fill.upstream.body = 502, b"<html>"
        fill.upstream.tables["option-trades/flow-alerts"] = [alert(1, 55)]
        await fill.say(gap("flow_alert", 60, 50))
        await eventually(lambda: len(fill.upstream.asked) >= 2, "it is asked again")
        fill.upstream.status = 200
        await eventually(fill.filled, "the gap is taken back")

    assert fill.backfiller.failing == ""


@pytest.mark.slow
async def test_the_simulators_twins_name_rows_as_its_socket_does(bus: Bus, stored: Any, eventually: Any):
    """Gaps of both feeds are filled from the simulator's REST, by what it made meanwhile."""
    async with Simulator.in_process(source="synthetic") as simulator:
        async with filling(bus, stored, simulator) as fill:
            began = datetime.now(UTC)
            await eventually(lambda: datetime.now(UTC) - began > timedelta(seconds=2), "the market went on")
            ended = datetime.now(UTC)
            for feed in TWINS:
                await fill.say(
                    FeedGap(
                        occurred_at=ended, received_at=ended, feed=feed, started_at=began, ended_at=ended,
                        reason=GapReason.RECONNECTED,
                    )
                )  # fmt: skip
            await eventually(lambda: fill.backfiller.filled == 2, "both gaps are filled")
        kept = {feed: await stored(feed) for feed in TWINS}
        state = await simulator.control.state()

    assert all(kept.values())
    assert not any(state["violations"].values())


def test_a_twin_that_shows_nothing_since_the_gap_began_is_doubted():
    """It may be behind; one row of after the gap's beginning proves that it is not."""
    behind = searched(gap("dark_pool", 60, 30), [dark(n, 100 + n) for n in range(250)])
    assert behind.whole
    assert behind.doubtful()
    assert searched(gap("dark_pool", 60, 30), []).doubtful()
    assert not searched(gap("dark_pool", 60, 30), [dark(1, 10)]).doubtful()
    assert not searched(gap("flow_alert", 60, 30), [alert(1, 20), alert(2, 100)]).doubtful()


def test_doubts_end():
    """After some of them a twin is believed, and at once if the gap is old."""
    backlog = Backlog()
    fresh, old = gap("dark_pool", 60, 30), gap("dark_pool", 1_000, 900)
    for one in (fresh, old):
        backlog.add(one, NOW, 0.0)

    assert [backlog.doubt(fresh, NOW, 0.0, 15.0) for _ in range(DOUBTS + 1)] == [True] * DOUBTS + [False]
    assert not backlog.doubt(old, NOW, 0.0, 15.0)
    assert backlog.next(14.0) is old
    backlog.done(old)
    assert backlog.wait(0.0) == 15.0


async def test_a_gap_is_not_taken_back_by_a_twin_that_is_behind(
    bus: Bus, stored: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
):
    """Upstream's REST shows the rows a while after its socket is back: then they are published."""
    monkeypatch.setattr(shell, "DOUBTED_FOR", 0.05)
    async with filling(bus, stored) as fill:
        table = fill.upstream.tables["darkpool/recent"] = [dark(n, 200 + n) for n in range(50)]
        await fill.say(gap("dark_pool", 60, 30))
        await eventually(lambda: len(fill.upstream.asked) == 2, "it is asked again")
        table += [dark(100 + n, 40) for n in range(7)]
        said = await eventually(fill.filled, "the gap is taken back")
        prints = await stored("dark_pool")

    assert str(said[0].detail).startswith("7 of ")
    assert len(prints) == 7
    assert len(fill.upstream.asked) <= 2 + DOUBTS


async def test_a_feed_on_which_nothing_happened_is_believed_in_the_end(
    bus: Bus, stored: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
):
    """As at night."""
    monkeypatch.setattr(shell, "DOUBTED_FOR", 0.05)
    async with filling(bus, stored) as fill:
        await fill.say(gap("dark_pool", 60, 30))
        said = await eventually(fill.filled, "the gap is taken back")

    assert str(said[0].detail) == "0 of 0 rows from REST"
    assert len(fill.upstream.asked) == 1 + DOUBTS


async def test_a_gap_that_is_announced_while_gaps_are_read_is_filled_once(
    bus: Bus, stored: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
):
    """Of a feed that was read before it, or of one that is read after it."""
    first, second = gap("flow_alert", 60, 50), gap("dark_pool", 60, 50)
    read: list[str] = []

    async def fetch_newest(bus: Bus, stream: str, pattern: str, count: int) -> list[Any]:
        found = await reading.fetch_newest(bus, stream, pattern, count)
        read.append(pattern)
        if len(read) == 1:
            for one in (first, second):
                await fill.say(one)
        return found

    monkeypatch.setattr(shell, "fetch_newest", fetch_newest)
    async with filling(bus, stored) as fill:
        fill.upstream.tables["option-trades/flow-alerts"] = [alert(1, 55)]
        fill.upstream.tables["darkpool/recent"] = [dark(1, 55)]
        await eventually(lambda: fill.backfiller.filled == 2, "both are filled")
        said = await eventually(lambda: _both(fill), "both are taken back")

    assert sorted(one.feed for one in said) == ["dark_pool", "flow_alert"]
    assert len(fill.upstream.asked) == 2


async def _both(fill: Filling) -> list[FeedGap] | None:
    said = await fill.filled()
    return said if len(said) == 2 else None
