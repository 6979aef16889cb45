"""Polls over a real HTTP server whose endpoints fail, and a real bus that is slow to answer."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from baleen_bus.connection import Bus
from baleen_bus.testing import NatsServer
from baleen_contracts import Message
from baleen_contracts.congress_trade import CongressTrade
from baleen_contracts.market_mover import MarketMover
from baleen_runtime.clock import SystemClock
from uw_ingest.feeds.predecessor import known_disclosures
from uw_ingest.rest.call import Rest
from uw_ingest.rest.congress import Congress
from uw_ingest.rest.polls import Movers
from uw_ingest.rest.quota import Quota
from uw_ingest.tally import Tally
from uw_simulator import samples

TODAY = datetime.now(UTC).date()
Answer = Callable[[dict[str, str]], tuple[int, Any]]


@asynccontextmanager
async def upstream(answers: dict[str, Answer]) -> AsyncIterator[tuple[Rest, Tally, list[str]]]:
    """A REST client of an upstream that answers by the last part of the path, and what it was asked."""
    asked: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit((await reader.readuntil(b"\r\n\r\n")).decode().split()[1])
        endpoint = parts.path.rpartition("/")[2]
        asked.append(f"{endpoint}?{parts.query}")
        status, told = answers[endpoint]({name: values[0] for name, values in parse_qs(parts.query).items()})
        body = json.dumps(told).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    tally, quota = Tally(), Quota(None, owner="test", clock=SystemClock(), per_minute=100_000)
    rest = Rest(url, "token", quota=quota, tally=tally)
    async with server:
        try:
            yield rest, tally, asked
        finally:
            await rest.aclose()


@asynccontextmanager
async def running(poll: Any) -> AsyncIterator[None]:
    """The poll, as long as the test looks."""
    task = asyncio.create_task(poll.run(), name="poll")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def congress(
    statuses: dict[str, int], say: Callable[[Message], bool], stored: Any, *, every: float = 0.02
) -> AsyncIterator[tuple[Congress, Callable[[str], int]]]:
    """A running poll of an upstream whose endpoints answer with these statuses, and how often each was."""
    rows = samples.rest_body("congress-recent-trades.doc")

    def answering(status: int) -> Answer:
        return lambda _query: (status, rows)

    async with upstream({name: answering(status) for name, status in statuses.items()}) as (
        rest,
        tally,
        asked,
    ):
        poll = Congress(
            rest,
            every=lambda _q: every,
            recheck=900,
            say=say,
            tally=tally,
            clock=SystemClock(),
            stored=stored,
        )
        async with running(poll):
            yield poll, lambda name: sum(line.startswith(name) for line in asked)


async def nothing() -> list[Any]:
    """A bus that has nothing."""
    return []


def taking(said: list[Any]) -> Callable[[Message], bool]:
    """Somebody who takes every message."""

    def take(message: Message) -> bool:
        said.append(message)
        return True

    return take


@pytest.mark.parametrize("status", [422, 500, 503])
async def test_an_endpoint_that_always_fails_does_not_cost_the_other_ones_rows(status: int, eventually: Any):
    """The rows of the good endpoint are said once; a failure is told, a refusal rarely tried again."""
    said: list[Message] = []
    statuses = {"recent-trades": 200, "late-reports": status}
    async with congress(statuses, taking(said), nothing) as (poll, asked):
        await eventually(lambda: asked("recent-trades") >= 4, "it is polled some times")
        facts = poll.facts()

    assert said
    assert len({message.message_id for message in said}) == len(said)
    assert (facts.answered_ago is not None) == (status == 422)
    assert (str(status) in facts.failing) == (status != 422)
    assert facts.refused == ""
    if status == 422:
        assert asked("late-reports") == 1


async def test_a_row_that_was_not_taken_is_said_again(eventually: Any):
    """While nobody takes rows they stay news; once taken they are known."""
    said: Counter[str] = Counter()
    taking = False

    def take(message: Message) -> bool:
        said[message.message_id] += 1
        return taking

    async with congress({"recent-trades": 200, "late-reports": 404}, take, nothing) as (_, asked):
        await eventually(lambda: asked("recent-trades") >= 3, "it is polled some times")
        assert min(said.values()) >= 2
        taking = True
        mark = asked("recent-trades") + 2
        await eventually(lambda: asked("recent-trades") >= mark, "everything is taken")
        before = said.copy()
        mark = asked("recent-trades") + 2
        await eventually(lambda: asked("recent-trades") >= mark, "it is polled again")

    assert said == before


async def test_congress_is_not_asked_before_the_bus_told_what_it_has(
    nats_server: NatsServer, bus: Bus, eventually: Any
):
    """A bus that does not answer makes the poll wait, not publish all that is old as news."""
    told: list[Message] = []

    async def stored() -> list[str]:
        return await known_disclosures(bus)

    os.kill(nats_server.pid, signal.SIGSTOP)
    try:
        statuses = {"recent-trades": 200, "late-reports": 404}
        async with congress(statuses, taking(told), stored) as (poll, asked):
            started = datetime.now(UTC)
            await eventually(
                lambda: datetime.now(UTC) - started > timedelta(seconds=0.5), "half a second has passed"
            )
            assert not asked("")
            assert "not read yet" in poll.facts().failing
            os.kill(nats_server.pid, signal.SIGCONT)
            await eventually(lambda: told, "the rows are news to an empty bus")
    finally:
        os.kill(nats_server.pid, signal.SIGCONT)


async def test_the_ids_are_waited_for_longer_than_the_rest(
    monkeypatch: pytest.MonkeyPatch, nats_server: NatsServer, bus: Bus
):
    """However many tries have failed, no bus means no answer, and never an empty one."""
    monkeypatch.setattr("uw_ingest.feeds.predecessor.BETWEEN_TRIES", 0.001)
    nats_server.kill()
    reading = asyncio.create_task(known_disclosures(bus), name="reading")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(reading), 2)
    nats_server.restart()

    assert await asyncio.wait_for(reading, 20) == []


def filing(number: int, *, traded: date, filed: date) -> dict[str, Any]:
    """A disclosure as upstream tells it."""
    return {
        "name": f"Member {number}",
        "reporter": f"Hon. Member {number}",
        "ticker": "SPY",
        "txn_type": "Buy",
        "amounts": "$1,001 - $15,000",
        "issuer": "self",
        "member_type": "house",
        "transaction_date": traded.isoformat(),
        "filed_at_date": filed.isoformat(),
    }


def by_trade_date(filings: list[dict[str, Any]]) -> Answer:
    """Upstream's recent trades: those of the latest trades first, 200 of them, up to a date."""

    def answer(query: dict[str, str]) -> tuple[int, Any]:
        until = query.get("date", "9999")
        rows = [row for row in filings if row["transaction_date"] <= until]
        rows.sort(key=lambda row: row["transaction_date"], reverse=True)
        return 200, {"data": rows[: int(query["limit"])]}

    return answer


def recent(rest: Rest, tally: Tally, said: list[Any], known: list[str]) -> Congress:
    """A poll that is asked by hand."""

    async def stored() -> list[str]:
        return known

    return Congress(
        rest,
        every=lambda _q: 3600.0,
        recheck=900,
        say=taking(said),
        tally=tally,
        clock=SystemClock(),
        stored=stored,
    )


async def test_a_new_filing_of_an_old_trade_is_found_far_down_the_list():
    """The first asking looks some pages further back, oldest filing first; the next ones do not."""
    filings = [
        filing(n, traded=TODAY - timedelta(days=1 + n // 3), filed=TODAY - timedelta(days=1))
        for n in range(700)
    ]
    said: list[CongressTrade] = []
    async with upstream({"recent-trades": by_trade_date(filings)}) as (rest, tally, asked):
        poll = recent(rest, tally, said, [])
        await poll.ask("congress_recent")
        assert len(said) == 700
        assert [m.occurred_at for m in said] == sorted(m.occurred_at for m in said)
        assert len(asked) == 4
        assert "date=" in asked[1]
        await poll.ask("congress_recent")

    assert len(asked) == 5
    assert len(said) == 700


async def test_a_day_with_more_trades_than_a_page_does_not_stop_the_way_back():
    """There is no cursor but the date: what fits no page of its day is left, the days before are not."""
    busy = [filing(n, traded=TODAY - timedelta(days=2), filed=TODAY) for n in range(450)]
    before = [filing(500 + n, traded=TODAY - timedelta(days=3), filed=TODAY) for n in range(50)]
    said: list[CongressTrade] = []
    async with upstream({"recent-trades": by_trade_date(busy + before)}) as (rest, tally, asked):
        await recent(rest, tally, said, []).ask("congress_recent")

    assert len(asked) <= 4
    assert len(said) == 200 + 50


async def test_what_the_bus_has_forgotten_is_no_news(eventually: Any):
    """The bus keeps thirty days; what was filed earlier is skipped, unless the bus has nothing at all."""
    old, new = (
        filing(n, traded=TODAY - timedelta(days=90), filed=TODAY - timedelta(days=d))
        for n, d in ((1, 60), (2, 3))
    )
    for known, expected in (([], 2), (["congress_trade:x:SPY"], 1)):
        said: list[CongressTrade] = []
        answers = {name: by_trade_date([old, new]) for name in ("recent-trades", "late-reports")}
        async with upstream(answers) as (rest, tally, _):
            poll = recent(rest, tally, said, known)
            async with running(poll):
                await eventually(lambda: poll.facts().answered_ago is not None, "both are answered")  # noqa: B023
        assert len(said) == expected


async def test_a_plan_that_looks_back_only_so_far_is_no_failure():
    """The pages further back are refused; the first one is said."""

    def answer(query: dict[str, str]) -> tuple[int, Any]:
        if "date" in query:
            return 403, {"code": "historic_data_access_missing"}
        return 200, {"data": [filing(n, traded=TODAY, filed=TODAY) for n in range(200)]}

    said: list[CongressTrade] = []
    async with upstream({"recent-trades": answer}) as (rest, tally, asked):
        poll = recent(rest, tally, said, [])
        await poll.ask("congress_recent")
        await poll.ask("congress_recent")

    assert len(said) == 200
    assert len(asked) == 3


async def test_movers_go_on_from_what_the_bus_has_standing(eventually: Any):
    """A successor says what changed since, and who left while nobody asked."""
    now = datetime.now(UTC)

    def mover(symbol: str, rank: int) -> MarketMover:
        return MarketMover(
            occurred_at=now, received_at=now, symbol=symbol, lists=("top_gainers",), rank=rank,
            price=10.0, change=1.0, change_percent=11.1111, volume=5,
        )  # fmt: skip

    async def standing() -> list[MarketMover]:
        return [
            mover("AAA", 1),
            mover("BBB", 2),
            mover("CCC", 3),
            mover("OLD", 4).model_copy(update={"lists": ()}),
        ]

    row = {"price": 10.0, "change": 1.0, "change_percent": 11.1111, "volume": 5}
    body = {"data": {"top_gainers": [row | {"ticker": name} for name in ("AAA", "CCC", "DDD")]}}
    said: list[MarketMover] = []
    async with upstream({"movers": lambda _query: (200, body)}) as (rest, tally, asked):
        poll = Movers(
            rest, every=lambda _q: 3600.0, recheck=900, say=taking(said), tally=tally,
            clock=SystemClock(), standing=standing,
        )  # fmt: skip
        async with running(poll):
            await eventually(lambda: len(said) == 3, "they are said")

    assert {(m.symbol, m.rank, m.lists) for m in said} == {
        ("CCC", 2, ("top_gainers",)),
        ("DDD", 3, ("top_gainers",)),
        ("BBB", None, ()),
    }
    assert len(asked) == 1


async def test_a_wish_makes_a_waiting_question_due_sooner(eventually: Any):
    """The plan may change while a question waits; it does not sleep its old interval out."""
    every = 3600.0
    said: list[MarketMover] = []
    async with upstream({"movers": lambda _query: (200, {"data": {}})}) as (rest, tally, asked):
        poll = Movers(
            rest, every=lambda _q: every, recheck=900, say=taking(said), tally=tally,
            clock=SystemClock(), standing=nothing,
        )  # fmt: skip
        async with running(poll):
            await eventually(lambda: asked, "it is asked once")
            every = 0.05
            await eventually(lambda: len(asked) >= 3, "it is asked again", within=5)
