"""What a client of REST meets: authorisation, accounting, refusals, rows and cursors, over real sockets."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import httpx
import pytest

from uw_simulator.book import Book
from uw_simulator.rest import CAPTURED_ROUTES
from uw_simulator.samples import rest_body
from uw_simulator.testing import AGENT, BASIC_TOKEN, TOKEN, Simulator

CASES = {case["case"]: case for case in rest_body("_errors")}
ACCOUNTING = {
    "x-uw-token-req-limit", "x-uw-daily-req-count", "x-uw-minute-req-counter",
    "x-uw-req-per-minute-remaining", "x-uw-req-per-minute-reset",
}  # fmt: skip


def headers(token: str = TOKEN) -> dict[str, str]:
    """Return what a request of ours carries."""
    return {"Authorization": f"Bearer {token}", "User-Agent": AGENT}


@pytest.fixture
async def busy():
    """A simulator whose market is open, with a REST client."""
    options = {"source": "synthetic", "flow_alert_rate": 200, "off_lit_rate": 500, "rest_latency": 0}
    async with (
        Simulator.in_process(**options, congress_every=0.05) as simulator,
        httpx.AsyncClient(base_url=simulator.http_url, headers=headers()) as client,
    ):
        yield client


async def rows(client: httpx.AsyncClient, path: str, at_least: int = 1, **query: Any) -> list[dict[str, Any]]:
    """Return rows once there are enough of them."""
    async with asyncio.timeout(10):
        while True:
            response = await client.get(path, params=query)
            response.raise_for_status()
            if len(found := response.json()["data"]) >= at_least:
                return found
            await asyncio.sleep(0.6)


async def test_without_a_known_token_nothing_is_told(simulator: Simulator):
    """401, without the accounting headers."""
    async with httpx.AsyncClient(base_url=simulator.http_url, headers={"User-Agent": AGENT}) as client:
        for told in ({}, headers("wrong"), {"Authorization": f"Basic {TOKEN}"}):
            response = await client.get("/api/market/movers", headers=told)
            assert response.status_code == 401
            assert not ACCOUNTING & response.headers.keys()


async def test_every_answer_carries_the_accounts(rest: httpx.AsyncClient):
    """Lower-case headers with the day and the minute, on answers and refusals alike."""
    first, second = await rest.get("/api/market/movers"), await rest.get("/api/darkpool/MSFT12")

    assert (first.status_code, second.status_code) == (200, 422)
    assert first.headers.keys() & second.headers.keys() >= ACCOUNTING
    assert first.headers["x-uw-req-per-minute-remaining"] == "119"
    assert second.headers["x-uw-minute-req-counter"] == "2"
    assert second.headers["x-uw-daily-req-count"] == "1"
    assert 0 < int(first.headers["x-uw-req-per-minute-reset"]) <= 60_000


async def test_the_fourth_request_at_once_is_refused(simulator: Simulator, rest: httpx.AsyncClient):
    """With the sentence about concurrency; it is counted and not charged."""
    answers = await asyncio.gather(*(rest.get("/api/market/movers") for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json() == CASES["concurrent_requests"]["body"]
    state = await simulator.control.state()
    assert state["violations"]["requests_in_flight"] == 1
    assert state["accounts"][0]["day"] == 3


async def test_the_minute_and_the_day_run_out_with_their_own_words(
    simulator: Simulator, rest: httpx.AsyncClient
):
    """Three refusals with one status and three bodies."""
    await simulator.control.exhaust("minute")
    minute = await rest.get("/api/market/movers")
    await simulator.control.reset()
    await simulator.control.exhaust("day")
    day = await rest.get("/api/market/movers")
    assert sum((await simulator.control.violations()).values()) == 0  # the first refusal is how one learns
    await asyncio.sleep(0.3)
    await rest.get("/api/market/movers")

    assert (minute.status_code, minute.json()) == (429, CASES["per_minute"]["body"])
    assert (day.status_code, day.json()) == (429, CASES["daily_limit"]["body"])
    assert (await simulator.control.violations())["requests_over_day"] == 1


async def test_movers_need_the_advanced_tier(simulator: Simulator):
    """403 with a code, and the accounts."""
    async with httpx.AsyncClient(base_url=simulator.http_url, headers=headers(BASIC_TOKEN)) as client:
        movers, congress = (
            await client.get("/api/market/movers"),
            await client.get("/api/congress/recent-trades"),
        )

    assert (movers.status_code, movers.json()) == (403, CASES["tier_gate"]["body"])
    assert congress.status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "case"),
    [("/api/nothing", 404, "unknown_route"), ("/api/darkpool/ZZZZ", 404, "unknown_ticker")],
)
async def test_what_is_unknown_is_404(busy: httpx.AsyncClient, path: str, status: int, case: str):
    """A route and a ticker are unknown in different words."""
    response = await busy.get(path)

    assert (response.status_code, response.json()) == (status, CASES[case]["body"])


@pytest.mark.parametrize(
    "query",
    [
        {"date": "2023-02-140"},
        {"limit": "many"},
        {"limit": "-1"},
        {"older_than": "soon"},
        {"older_than": "1e999"},
    ],
)
async def test_what_cannot_be_read_is_422(busy: httpx.AsyncClient, query: dict[str, str]):
    """The message names the parameter."""
    response = await busy.get("/api/darkpool/SPY", params=query)

    assert response.status_code == 422
    assert "Invalid query input(s)" in response.json()["msg"]


async def test_history_has_an_end(busy: httpx.AsyncClient):
    """A date beyond the plan's window is refused with a code."""
    response = await busy.get("/api/darkpool/SPY", params={"date": "2020-01-02"})

    assert (response.status_code, response.json()["code"]) == (403, "historic_data_access_missing")


async def test_flow_alerts_page_backwards_with_one_row_of_overlap(busy: httpx.AsyncClient):
    """Newest first; `older_than` includes its own moment, so readers must dedupe."""
    found = await rows(busy, "/api/option-trades/flow-alerts", at_least=20, limit=20)
    created = [row["created_at"] for row in found]
    older = await rows(busy, "/api/option-trades/flow-alerts", older_than=created[5], limit=200)

    assert created == sorted(created, reverse=True)
    assert len(found) == 20
    assert older[0]["created_at"] == created[5]
    assert created[19] in {row["created_at"] for row in older}


async def test_flow_alerts_ignore_an_iso_newer_than(busy: httpx.AsyncClient):
    """As observed: only a number counts there."""
    found = await rows(busy, "/api/option-trades/flow-alerts", at_least=20)
    newest = found[0]["created_at"]
    by_iso = await rows(busy, "/api/option-trades/flow-alerts", newer_than=newest, limit=200)
    epoch = str(datetime.fromisoformat(newest).timestamp())
    by_number = await rows(busy, "/api/option-trades/flow-alerts", newer_than=epoch, limit=200)

    assert by_iso[-1]["created_at"] < newest
    assert by_number[-1]["created_at"] >= newest


async def test_the_dark_pool_takes_iso_cursors(busy: httpx.AsyncClient):
    """Recent over all tickers, or one ticker, newest first or oldest first."""
    await rows(busy, "/api/darkpool/recent", at_least=100)
    found = await rows(busy, "/api/darkpool/SPY", at_least=10)
    cursor = found[-1]["executed_at"]
    older = await rows(busy, "/api/darkpool/SPY", older_than=cursor)
    ascending = await rows(busy, "/api/darkpool/SPY", order="asc")

    assert {row["ticker"] for row in found} == {"SPY"}
    assert {row["executed_at"] for row in older} <= {cursor} | {
        row["executed_at"] for row in older if row["executed_at"] < cursor
    }
    assert ascending[0]["executed_at"] <= ascending[-1]["executed_at"]


async def test_what_the_socket_says_rest_says_too(connect: Any):
    """A flow alert and a dark-pool print have one identity on both sides."""
    options = {"source": "synthetic", "flow_alert_rate": 20, "off_lit_rate": 20, "sample_every": 100}
    async with (
        Simulator.in_process(**options) as simulator,
        connect(simulator) as client,
        httpx.AsyncClient(base_url=simulator.http_url, headers=headers()) as rest,
    ):
        for name in ("flow-alerts", "off_lit_trades"):
            await client.ask(name, "join")
        heard: dict[str, Any] = {}
        while len(heard) < 2:
            channel, payload = await client.read()
            if payload.keys() != {"response", "status"}:
                heard[channel] = payload
        alerts = await rows(rest, "/api/option-trades/flow-alerts", limit=200)
        prints = await rows(rest, "/api/darkpool/recent", limit=200)

    assert heard["flow-alerts"]["id"] in {row["id"] for row in alerts}
    off_lit = heard["off_lit_trades"]
    key = (off_lit["symbol"], off_lit["executed_at"], off_lit["price"], off_lit["size"], off_lit["volume"])
    assert key in {
        (row["ticker"], row["executed_at"], row["price"], row["size"], row["volume"]) for row in prints
    }


@pytest.mark.parametrize(
    ("channel", "path", "key", "clock"),
    [
        ("flow-alerts", "/api/option-trades/flow-alerts", "id", "created_at"),
        ("off_lit_trades", "/api/darkpool/SPY", "tracking_id", "executed_at"),
        ("lit_trades", "/api/lit-flow/SPY", "tracking_id", "executed_at"),
    ],
)
async def test_whatever_is_said_can_be_asked_for_page_by_page(
    simulator: Simulator, rest: httpx.AsyncClient, *, channel: str, path: str, key: str, clock: str
):
    """Bursts as well, heard or not: going back by `older_than` finds every record, with some overlap."""
    await simulator.control.burst(channel, count=450, rate=2_000)
    found: dict[Any, str] = {}
    cursor: dict[str, Any] = {"limit": 500}
    while True:
        page = (await rest.get(path, params=cursor)).json()["data"]
        if {row[key] for row in page} <= found.keys():
            break
        found.update({row[key]: row[clock] for row in page})
        cursor["older_than"] = datetime.fromisoformat(page[-1][clock]).timestamp()

    assert len(found) == 450
    assert list(found.values()) == sorted(found.values(), reverse=True)


async def test_the_newest_prints_have_no_cursor(simulator: Simulator, rest: httpx.AsyncClient):
    """`recent` over all tickers ends after 200 rows, whatever else is asked; a ticker's prints go further."""
    await simulator.control.burst("off_lit_trades", count=300, rate=1e9)
    path, ancient = "/api/darkpool/recent", {"older_than": "1000000000", "limit": 500}

    assert len((await rest.get(path)).json()["data"]) == 100
    assert len((await rest.get(path, params=ancient)).json()["data"]) == 200
    assert (await rest.get("/api/darkpool/SPY", params=ancient)).json()["data"] == []
    assert len((await rest.get("/api/darkpool/SPY")).json()["data"]) == 300


async def test_prints_are_filtered_and_ordered(simulator: Simulator, rest: httpx.AsyncClient):
    """By size and premium; by any of the columns, either way."""
    await simulator.control.burst("off_lit_trades", count=200, rate=1e9)
    everything = (await rest.get("/api/darkpool/SPY")).json()["data"]
    middle = sorted(row["size"] for row in everything)[100]
    large = (await rest.get("/api/darkpool/SPY", params={"min_size": middle})).json()["data"]
    by_size = (await rest.get("/api/darkpool/SPY", params={"order_by": "size"})).json()["data"]

    assert large == [row for row in everything if row["size"] >= middle]
    assert [row["size"] for row in by_size] == sorted((row["size"] for row in everything), reverse=True)


async def test_a_bad_record_has_no_twin(simulator: Simulator, rest: httpx.AsyncClient):
    """What somebody lets be said may be anything; REST tells only of what it can read."""
    await simulator.control.say("flow-alerts", {"id": "x"})
    answer = await rest.get("/api/option-trades/flow-alerts")

    assert (answer.status_code, answer.json()) == (200, {"data": []})


def test_the_book_forgets_after_an_hour():
    """And never holds more than it may."""
    book = Book()
    for minute in range(90):
        book.hear("off_lit_trades", b'{"symbol":"SPY","price":"1","size":%d}' % minute, 60.0 * minute)

    rows = list(book.rows("off_lit_trades", since=60.0 * 80, until=60.0 * 85))
    assert len(book.twins["off_lit_trades"]) == 61
    assert [row["size"] for _, row in rows] == [85, 84, 83, 82, 81, 80]


async def test_new_disclosures_appear_among_the_captured_ones(busy: httpx.AsyncClient):
    """Sorted by the trade's date, so a new filing may stand far down; late ones are told apart."""
    found = await rows(busy, "/api/congress/recent-trades", at_least=10, limit=200)
    traded = [row["transaction_date"] for row in found]
    late = await rows(busy, "/api/congress/late-reports", limit=200)

    assert traded == sorted(traded, reverse=True)
    assert "Marjorie Taylor Greene" in {row.get("name") for row in found}
    assert "ONSOLVE LLC" in {row["ticker"] for row in late}
    one = await rows(busy, "/api/congress/recent-trades", ticker="EXC")
    assert {row["ticker"] for row in one} == {"EXC"}


async def test_the_whole_market_is_told(busy: httpx.AsyncClient):
    """Movers in three lists, net impact in two halves, the tide, headlines."""
    movers = (await busy.get("/api/market/movers")).json()["data"]
    impact = (await busy.get("/api/market/top-net-impact", params={"limit": 10})).json()["data"]

    assert {"last_updated", "top_gainers", "top_losers", "most_active"} == movers.keys()
    assert movers["top_gainers"][0].keys() == {"ticker", "price", "change", "change_percent", "volume"}
    assert len(impact) == 10
    assert impact[0]["net_premium"] >= impact[-1]["net_premium"]
    assert (await rows(busy, "/api/market/market-tide"))[0]["date"]
    assert (await rows(busy, "/api/news/headlines", limit=1))[0]["headline"]


@pytest.mark.parametrize("path", sorted(CAPTURED_ROUTES))
async def test_captured_routes_answer_as_captured(busy: httpx.AsyncClient, path: str):
    """Bodies as they were, a bare array included."""
    response = await busy.get(path.replace("{ticker}", "AAPL").replace("{id}", "x"))

    assert response.status_code == 200
    assert response.json() == rest_body(CAPTURED_ROUTES[path])


async def test_answers_can_be_spoiled(simulator: Simulator, rest: httpx.AsyncClient):
    """A gateway's error page instead of JSON, so often as asked; the plan is not charged."""
    await simulator.control.rest_fault(
        2, status=502, body="<html>bad gateway</html>", content_type="text/html"
    )

    assert [(await rest.get("/api/market/movers")).status_code for _ in range(3)] == [502, 502, 200]
    assert (await simulator.control.state())["accounts"][0]["day"] == 1
