"""The whole road over real servers: simulator, uw-ingest, nats-server."""

import asyncio
import json
import os
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from baleen_bus.testing import NatsServer
from uw_ingest.refusals import Refusal
from uw_simulator import samples
from uw_simulator.faults import Garbage
from uw_simulator.testing import BASIC_TOKEN, Simulator

CHANNELS = "option_trades,flow-alerts,price,news"


def price(close: str, number: int) -> dict[str, Any]:
    """A price of SPY, each number a little later."""
    return {"ticker": "SPY", "close": close, "time": 1_790_000_000_000 + number, "vol": number}


def headline(words: str) -> dict[str, Any]:
    """A headline of now."""
    return {
        "headline": words,
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "source": "test",
        "tickers": [],
        "is_trump_ts": False,
    }


async def test_captured_frames_arrive_on_the_bus_and_answers_do_not(
    nats_server: NatsServer, ingest_running: Any, stored: Any, eventually: Any
):
    """Every captured frame is stored once, marked as simulated; no join's answer is."""
    frames = {name: told[0] for name, told in samples.socket_frames().items()}
    channels = ",".join(channel for channel, _ in frames.values())
    async with (
        Simulator.in_process() as upstream,
        ingest_running(nats_server, upstream.http_url, channels=channels) as ingest,
    ):
        await eventually(ingest.joined, "every channel is joined")
        for channel, payload in frames.values():
            name, _, ticker = channel.partition(":")
            await upstream.control.say(name, payload, ticker=ticker or None)
        await eventually(lambda: _reached(ingest, "frames", 2 * len(frames)), "every frame is received")
        await eventually(lambda: _settled(ingest), "everything is stored")

        assert await ingest.refused() == {}
        assert (await ingest.status())["simulated"] is True
    (trade,) = await stored("option_trade")
    assert trade.headers["ce-source"] == "uw-simulator"
    assert trade.headers["ce-type"] == "uw.v1.option_trade"
    assert json.loads(trade.body)["side"] == "bid"
    assert len(await stored("raw")) == 4
    for entity in (
        "flow_alert",
        "gex",
        "gex_strike_expiry",
        "dark_pool",
        "lit_trade",
        "news",
        "custom_alert",
    ):
        assert len(await stored(entity)) == 1, entity


SPOILT = {
    Garbage.NOT_JSON: Refusal.NOT_JSON,
    Garbage.TRUNCATED: Refusal.NOT_JSON,
    Garbage.EMPTY: Refusal.NOT_JSON,
    Garbage.NOT_AN_ARRAY: Refusal.NOT_A_PAIR,
    Garbage.THREE_ITEMS: Refusal.NOT_A_PAIR,
    Garbage.ERROR_OBJECT: Refusal.UPSTREAM_ERROR,
    Garbage.UNKNOWN_CHANNEL: Refusal.UNKNOWN_CHANNEL,
    Garbage.PAYLOAD_NOT_AN_OBJECT: Refusal.BAD_PAYLOAD,
    Garbage.WRONG_TYPES: Refusal.WRONG_TYPE,
    Garbage.MISSING_FIELDS: Refusal.MISSING_FIELD,
    Garbage.NAN: Refusal.NOT_JSON,
    Garbage.HUGE_NUMBERS: Refusal.NOT_JSON,
    Garbage.INVALID_UTF8: Refusal.INVALID_UTF8,
    Garbage.DEEP: Refusal.NOT_JSON,
    Garbage.OVERSIZED: Refusal.OVERSIZED,
    Garbage.BINARY: Refusal.NOT_TEXT,
    Garbage.RESERVED_OPCODE: Refusal.NOT_WEBSOCKET,
}


async def test_garbage_is_counted_by_reason_and_the_feed_lives(
    nats_server: NatsServer, ingest_running: Any, stored: Any, eventually: Any
):
    """Each kind of bad frame has its reason; after all of them a good frame still arrives."""
    assert set(SPOILT) == set(Garbage)
    async with (
        Simulator.in_process() as upstream,
        ingest_running(nats_server, upstream.http_url, channels=CHANNELS) as ingest,
    ):
        for kind, reason in SPOILT.items():
            await eventually(ingest.joined, "every channel is joined")
            before = (await ingest.refused()).get(reason, 0)
            await upstream.control.garbage(kind, size=3_000_000)
            await eventually(lambda r=reason, b=before: _refused(ingest, r, b + 1), f"{kind} is {reason}")
        await eventually(ingest.joined, "every channel is joined")
        await upstream.control.say("news", headline("still here"))

        await eventually(lambda: stored("news"), "the headline is stored")
        assert set(await ingest.refused()) <= set(Refusal)


async def test_a_frame_beyond_all_measure_costs_the_socket_and_nothing_else(
    nats_server: NatsServer, ingest_running: Any, eventually: Any
):
    """Twenty megabytes in a frame are not read: the socket is closed, the reason counted, one opened."""
    async with (
        Simulator.in_process() as upstream,
        ingest_running(nats_server, upstream.http_url, channels="news") as ingest,
    ):
        await eventually(ingest.joined, "news is joined")
        await upstream.control.garbage(Garbage.OVERSIZED, size=20_000_000)
        await eventually(lambda: _refused(ingest, Refusal.OVERSIZED, 1), "it is counted")
        await eventually(lambda: _opened(ingest, 2), "a new socket is open")
        assert await eventually(ingest.joined, "news is joined again")


async def test_a_cut_is_announced_for_lossless_feeds_and_healed(
    nats_server: NatsServer, ingest_running: Any, stored: Any, eventually: Any
):
    """After a drop all is joined anew and each lossless feed gets one gap, the newest-only feed none."""
    async with (
        Simulator.in_process() as upstream,
        ingest_running(nats_server, upstream.http_url, channels=CHANNELS) as ingest,
    ):
        await eventually(ingest.joined, "every channel is joined")
        before = datetime.now(UTC)
        await upstream.control.drop()
        await eventually(lambda: _opened(ingest, 2), "a new socket is open")
        await eventually(ingest.joined, "every channel is joined again")
        await eventually(lambda: _count(stored("feed_gap"), 3), "three gaps are announced")
        await upstream.control.say("news", headline("after the cut"))
        await eventually(lambda: stored("news"), "data flows again")

    gaps = {gap["feed"]: gap for gap in map(_body, await stored("feed_gap"))}
    assert set(gaps) == {"option_trade", "flow_alert", "news"}
    assert {gap["reason"] for gap in gaps.values()} == {"reconnected"}
    for gap in gaps.values():
        assert gap["started_at"] <= gap["ended_at"]
        assert datetime.fromisoformat(gap["ended_at"]) >= before


@pytest.mark.slow
async def test_what_a_killed_process_held_is_announced_by_its_successor(
    nats_server: NatsServer, ingest_process: Any, stored: Any, eventually: Any
):
    """Kill -9: the next process says from where each feed has a hole, whether the bus knows it or not."""
    async with Simulator.in_process() as upstream:
        async with ingest_process(nats_server, upstream.http_url, channels=CHANNELS) as first:
            await eventually(first.joined, "every channel is joined")
            await upstream.control.burst(count=50)
            await eventually(lambda: _count(stored("option_trade"), 50), "the trades are stored")
            assert first.process is not None
            await asyncio.to_thread(first.process.kill)
        newest = _body((await stored("option_trade"))[-1])["occurred_at"]
        async with ingest_process(nats_server, upstream.http_url, channels=CHANNELS) as second:
            await eventually(second.joined, "every channel is joined")
            await eventually(lambda: stored("feed_gap"), "the gap is announced")

    gaps = {gap["feed"]: gap for gap in map(_body, await stored("feed_gap"))}
    assert {gap["reason"] for gap in gaps.values()} == {"restarted"}
    assert datetime.fromisoformat(gaps["option_trade"]["started_at"]) == datetime.fromisoformat(newest)
    del gaps["option_trade"]
    for gap in gaps.values():  # nothing of them was ever stored: there is no last message to begin after
        assert "before_id" not in gap
        assert datetime.fromisoformat(gap["started_at"]) < datetime.fromisoformat(newest)


async def test_an_overflow_is_counted_and_announced_to_the_frame(
    nats_server: NatsServer, ingest_running: Any, stored: Any, eventually: Any
):
    """While the bus is frozen the bounds fill; what did not fit is exactly what the gaps say was lost."""
    sent = 3_000
    async with (
        Simulator.in_process() as upstream,
        ingest_running(
            nats_server, upstream.http_url, channels="option_trades", outbox_messages=200, buffer_frames=300
        ) as ingest,
    ):
        await eventually(ingest.joined, "the channel is joined")
        os.kill(nats_server.pid, signal.SIGSTOP)
        try:
            await upstream.control.burst(count=sent)
            await eventually(lambda: _reached(ingest, "frames", sent), "every frame is received")
        finally:
            os.kill(nats_server.pid, signal.SIGCONT)
        await eventually(lambda: _settled(ingest), "the rest is stored")
        await upstream.control.burst(count=1)
        await eventually(lambda: stored("feed_gap"), "the gap is announced")
        await eventually(lambda: _settled(ingest), "the last is stored")
        overflowed = await ingest.counter("overflowed")

    gaps = [gap for gap in map(_body, await stored("feed_gap")) if gap["reason"] == "overflow"]
    assert overflowed > 0
    assert sum(gap["lost"] for gap in gaps) == overflowed
    assert len(await stored("option_trade")) == sent + 1 - overflowed


async def test_a_plan_without_sockets_is_said_and_rest_goes_on(
    nats_server: NatsServer, ingest_running: Any, stored: Any, eventually: Any
):
    """401 with the scope text: not entitled, one socket asked for, and congress still arrives."""
    async with (
        Simulator.in_process() as upstream,
        ingest_running(nats_server, upstream.http_url, channels="news", token=BASIC_TOKEN) as ingest,
    ):
        await eventually(lambda: _state(ingest, "news", "not_entitled"), "the feed is not entitled")
        await eventually(lambda: stored("congress_trade"), "congress is polled")
        await eventually(lambda: stored("market_mover"), "movers come from a substitute")

        status = await ingest.status()
        assert status["connection"]["state"] == "not_entitled"
        assert "scope" in status["feeds"]["news"]["why"]
        assert not await ingest.ready()
        assert status["connection"]["opened_times"] == 0


async def test_without_a_token_it_runs_and_says_that_it_is_disabled(
    nats_server: NatsServer, ingest_running: Any, stored: Any, eventually: Any
):
    """Nothing pretends: alive, not ready, every feed disabled, the cure in the reason."""
    async with ingest_running(nats_server, None, token=None, channels="news,price") as ingest:
        await eventually(lambda: _state(ingest, "news", "disabled"), "the feed is disabled")
        answer = await ingest.http.get("/readyz")
        assert (await ingest.http.get("/livez")).status_code == 200
        assert answer.status_code == 503
        assert "UW_INGEST_TOKEN" in answer.text
        await eventually(lambda: _count(stored("feed_status"), 4), "the states are on the bus")

    states = {status["feed"]: status["state"] for status in map(_body, await stored("feed_status"))}
    assert states == dict.fromkeys(["news", "price", "market_mover", "congress_trade"], "disabled")


async def test_a_restart_of_the_bus_loses_and_doubles_nothing(
    nats_server: NatsServer, ingest_running: Any, stored: Any, eventually: Any
):
    """Killed and restarted in the middle of a burst, the bus ends with each trade once and no gap."""
    async with (
        Simulator.in_process() as upstream,
        ingest_running(nats_server, upstream.http_url, channels="option_trades") as ingest,
    ):
        await eventually(ingest.joined, "the channel is joined")
        burst = asyncio.create_task(upstream.control.burst(count=4_000, rate=4_000), name="burst")
        await eventually(lambda: _reached(ingest, "published", 500), "the burst has begun")
        nats_server.restart()
        await burst
        await eventually(lambda: _settled(ingest), "everything is stored", within=30)

    trades = await stored("option_trade")
    assert len(trades) == len({trade.headers["Nats-Msg-Id"] for trade in trades}) == 4_000
    assert [gap for gap in map(_body, await stored("feed_gap")) if gap["reason"] == "overflow"] == []


@pytest.mark.slow
async def test_congress_is_told_once_however_often_it_is_polled(
    nats_server: NatsServer, ingest_running: Any, stored: Any, eventually: Any
):
    """Both endpoints, many polls and a restart make one message of each disclosure."""
    async with Simulator.in_process(congress_every=3600) as upstream:
        for _ in range(2):
            async with ingest_running(
                nats_server, upstream.http_url, channels="news", congress_every=0.2, movers_every=0.2
            ) as ingest:
                await eventually(lambda i=ingest: _calls(i, "200", 8), "it polled some times")
                await eventually(lambda i=ingest: _state(i, "congress_trade", "live"), "congress is live")
                last = await ingest.status()
    told = await stored("congress_trade")

    assert told
    assert len({item.headers["Nats-Msg-Id"] for item in told}) == len(told)
    assert last["feeds"]["congress_trade"]["messages"] == 0, "the second process knew them all"
    assert last["rest"]["day_limit"] is not None


@pytest.mark.slow
async def test_rest_faults_are_waited_out(nats_server: NatsServer, ingest_running: Any, eventually: Any):
    """A broken answer, HTML and a used-up minute are counted by status and asked again."""
    async with (
        Simulator.in_process() as upstream,
        ingest_running(
            nats_server, upstream.http_url, channels="news", congress_every=0.1, movers_every=0.1
        ) as ingest,
    ):
        await eventually(lambda: _state(ingest, "congress_trade", "live"), "congress is live")
        await upstream.control.rest_fault(2, status=500)
        await eventually(lambda: _calls(ingest, "500", 2), "two failures are counted")
        await upstream.control.rest_fault(2, status=200, body="<html></html>", content_type="text/html")
        await upstream.control.exhaust("minute")
        await eventually(lambda: _limited(ingest), "the minute's limit is respected")
        assert (await ingest.status())["rest"]["wait_s"] > 0


async def test_a_sigterm_empties_the_outbox_and_leaves_with_zero(
    nats_server: NatsServer, ingest_process: Any, stored: Any, eventually: Any
):
    """Asked to leave, it finishes saying what it heard, within five seconds."""
    async with (
        Simulator.in_process() as upstream,
        ingest_process(nats_server, upstream.http_url, channels="option_trades") as ingest,
    ):
        await eventually(ingest.joined, "the channel is joined")
        await upstream.control.burst(count=2_000)
        await eventually(lambda: _reached(ingest, "frames", 2_000), "every frame is received")
        assert ingest.process is not None
        ingest.process.ask_to_leave()
        assert await ingest.process.left(5) == 0

    assert len(await stored("option_trade")) == 2_000
    assert "outbox emptied" in ingest.process.log_text()


async def test_its_own_user_may_do_all_it_needs(
    nats_server_with_users: NatsServer, ingest_running: Any, eventually: Any
):
    """With the permissions of the user uw-ingest it reads what it left and publishes everything."""
    server = nats_server_with_users
    user = {"nats_user": "uw-ingest", "nats_password": server.passwords["uw-ingest"]}
    async with Simulator.in_process() as upstream:
        for _ in range(2):
            async with ingest_running(server, upstream.http_url, channels="news,price", **user) as ingest:
                await eventually(ingest.joined, "every channel is joined")
                await upstream.control.say("news", headline(f"number {datetime.now(UTC)}"))
                await upstream.control.say("price", price("1.00", 1), ticker="SPY")
                await eventually(lambda i=ingest: _reached(i, "published", 8), "it is published")
                await eventually(lambda i=ingest: _settled(i), "nothing is refused by the bus")
                gaps = await ingest.counter("gaps")
                assert (await ingest.http.get("/metrics")).text.count("baleen_ingest_dropped_total{") == 0

    assert gaps == 1, "the successor knew of the first headline"


async def test_metrics_carry_no_ticker(nats_server: NatsServer, ingest_running: Any, eventually: Any):
    """Labels are feeds, reasons, places, kinds and statuses: nothing that grows with the market."""
    async with (
        Simulator.in_process() as upstream,
        ingest_running(nats_server, upstream.http_url, channels="gex:SPY,price:TSLA") as ingest,
    ):
        await eventually(ingest.joined, "every channel is joined")
        await upstream.control.say("price", price("1.00", 1), ticker="TSLA")
        await eventually(lambda: _reached(ingest, "accepted", 1), "the price is accepted")
        text = (await ingest.http.get("/metrics")).text

    assert 'baleen_ingest_accepted_total{feed="price"} 1.0' in text
    assert 'baleen_ingest_refused_total{reason="not_json"} 0.0' in text
    assert "SPY" not in text
    assert "TSLA" not in text


@pytest.mark.slow
async def test_no_limit_of_the_plan_is_ever_exceeded(
    nats_server: NatsServer, ingest_running: Any, eventually: Any
):
    """Through cuts and refusals there is never a socket, join or call too many."""
    async with (
        Simulator.in_process(max_sockets=1) as upstream,
        ingest_running(nats_server, upstream.http_url, channels=CHANNELS, congress_every=0.2) as ingest,
    ):
        for number in range(2):
            await eventually(ingest.joined, "every channel is joined")
            await upstream.control.refuse(number)
            await upstream.control.drop()
            await eventually(lambda n=number: _opened(ingest, n + 2), "a new socket is open", within=30)
        assert not any((await upstream.control.violations()).values())


@pytest.mark.slow
async def test_a_half_open_socket_is_noticed(nats_server: NatsServer, ingest_running: Any, eventually: Any):
    """A peer that neither speaks nor answers pings is given up after thirty seconds or so."""
    async with (
        Simulator.in_process() as upstream,
        ingest_running(nats_server, upstream.http_url, channels="news") as ingest,
    ):
        await eventually(ingest.joined, "news is joined")
        await upstream.control.half_open()
        assert await eventually(lambda: _opened(ingest, 2), "a new socket is open", within=60)


async def _reached(ingest: Any, counter: str, least: int) -> bool:
    return bool(await ingest.counter(counter) >= least)


async def _settled(ingest: Any) -> bool:
    return bool(await ingest.counter("backlog") == 0)


async def _refused(ingest: Any, reason: str, least: int) -> bool:
    return bool((await ingest.refused()).get(reason, 0) >= least)


async def _opened(ingest: Any, times: int) -> bool:
    connection = (await ingest.status())["connection"]
    return bool(connection["opened_times"] >= times and connection["state"] == "connected")


async def _state(ingest: Any, feed: str, state: str) -> bool:
    return bool((await ingest.status()).get("feeds", {}).get(feed, {}).get("state") == state)


async def _calls(ingest: Any, status: str, least: int) -> bool:
    return bool((await ingest.status())["rest"]["calls"].get(status, 0) >= least)


async def _limited(ingest: Any) -> bool:
    rest = (await ingest.status())["rest"]
    return bool(rest["last_limit"] == "minute" or rest["wait_s"] > timedelta(seconds=1).total_seconds())


async def _count(read: Any, least: int) -> bool:
    return len(await read) >= least


def _body(item: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(item.body)
    return body
