"""What a budget of sockets, joins and requests meets upstream: refusals, losses and neighbours on the key."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
import websockets

from uw_simulator.samples import rest_body
from uw_simulator.testing import AGENT, TOKEN, Simulator

PRICE = {"ticker": "SPY", "close": "562.82", "time": 1726670327692, "vol": 6015555}
OK = {"response": {}, "status": "ok"}


async def refused(simulator: Simulator, **options: Any) -> tuple[int, str]:
    """Return status and body of a handshake that must fail."""
    with pytest.raises(websockets.InvalidStatus) as told:
        async with websockets.connect(simulator.socket_url, **{"user_agent_header": AGENT, **options}):
            pass
    return told.value.response.status_code, bytes(told.value.response.body or b"").decode()


async def closed_with(client: Any) -> int:
    """Return how a socket ended for its client."""
    async with asyncio.timeout(5):
        await client.socket.wait_closed()
    code: int = client.socket.close_code
    return code


@pytest.mark.parametrize(("code", "seen"), [(1000, 1000), (1008, 1008), (None, 1006)])
async def test_a_socket_too_many_ends_as_the_plan_says(
    simulator: Simulator, connect: Any, code: int | None, seen: int
):
    """Cleanly, with another code, or cut; the history tells the moment, the count and whose it was."""
    await simulator.control.limits(sockets=1, over_code=code)
    async with connect(simulator) as first, connect(simulator) as second:
        assert await closed_with(second) == seen
        await first.join("price")
        told = await simulator.control.history()

    (violation,) = told["violations"]
    assert violation["what"] == "sockets_over_limit"
    assert abs(violation["at"] - time.time()) < 10
    assert "2 sockets open, 1 allowed" in violation["text"]
    one, over = sorted(told["sockets"], key=lambda socket: socket["connection"])
    assert f"one more from {over['peer']} beside 1 ({one['peer']})" in violation["text"]
    assert over["why"] == f"by upstream, {'without a word' if code is None else code}"
    assert "until" not in one


async def test_history_tells_each_socket_from_its_beginning_to_its_end(simulator: Simulator, connect: Any):
    """Since when, who, what it joined and when, what it heard, until when and why."""
    async with connect(simulator) as client:
        await client.join("price", "news")
        await simulator.control.say("price", PRICE, ticker="SPY")
        await client.read()
        (open_socket,) = (await simulator.control.state())["connections"]
    async with asyncio.timeout(5):
        while "until" not in (gone := (await simulator.control.history())["sockets"][0]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    assert open_socket["joined"] == ["price", "news"]
    assert open_socket["agent"] == AGENT
    assert open_socket["since"] <= open_socket["joined_at"]["price"] <= time.time()
    assert gone["since"] == open_socket["since"] <= gone["until"]
    assert (gone["why"], gone["sent"], gone["joined"]) == ("by the client, 1000", 3, ["price", "news"])
    assert (await simulator.control.state())["accounts"][0]["peak_sockets"] == 1


async def test_a_plan_may_lose_the_scope_while_running(simulator: Simulator, connect: Any):
    """The full token then gets 401 with upstream's sentence; REST goes on."""
    await simulator.control.limits(websocket=False)
    status, body = await refused(simulator)

    assert (status, "does not have the websocket scope" in body) == (401, True)
    headers = {"Authorization": f"Bearer {TOKEN}", "User-Agent": AGENT}
    async with httpx.AsyncClient(base_url=simulator.http_url, headers=headers) as rest:
        assert (await rest.get("/api/congress/recent-trades")).status_code == 200
    await simulator.control.limits(websocket=True)
    async with connect(simulator) as client:
        await client.join("price")


async def test_any_user_agent_can_be_blocked(simulator: Simulator, rest: httpx.AsyncClient):
    """403 with the network's words on both edges, until it is taken back."""
    await simulator.control.block_agents("baleen")

    assert await refused(simulator) == (403, "error code: 1010")
    answer = await rest.get("/api/market/movers")
    assert (answer.status_code, answer.text) == (403, "error code: 1010")
    await simulator.control.block_agents()
    assert (await rest.get("/api/market/movers")).status_code == 200


async def test_a_storm_of_refusals_lasts_as_long_as_asked(simulator: Simulator, connect: Any):
    """Every handshake within the time, however many; then it is over by itself."""
    await simulator.control.refuse(0, seconds=0.6)
    until = time.monotonic() + 0.6
    seen = [await refused(simulator) for _ in range(5)]
    assert seen == [(503, "")] * 5
    await asyncio.sleep(max(0.0, until - time.monotonic()) + 0.05)
    async with connect(simulator) as client:
        await client.join("price")


async def test_the_frame_for_a_join_too_many_names_the_plans_figure(simulator: Simulator, connect: Any):
    """It is no pair; who was joined goes on, and the history says which join it was."""
    await simulator.control.limits(joins=2)
    async with connect(simulator) as client:
        await client.join("price:SPY", "news")
        await client.ask("gex", "join")
        assert await client.read() == {"error": "Channel subscription limit of 2 reached"}
        await simulator.control.say("price", PRICE, ticker="SPY")
        assert await client.read() == ["price:SPY", PRICE]
    assert "2 channels joined and gex" in (await simulator.control.history())["violations"][0]["text"]


async def test_joins_of_one_channel_are_lost_while_others_are_answered(simulator: Simulator, connect: Any):
    """So many of it; then it is answered as well."""
    await simulator.control.swallow_joins(2, channel="price")
    async with connect(simulator) as client:
        for _ in range(2):
            await client.ask("price", "join")
            await client.join("news")
        await client.join("price")


async def test_a_join_may_be_acked_and_lost(simulator: Simulator, connect: Any):
    """As in the twenty hours' outage: all looks well and nothing comes; joined again, it does."""
    await simulator.control.swallow_joins(channel="price", acked=True)
    async with connect(simulator) as client:
        await client.join("price", "news")
        await simulator.control.say("price", PRICE, ticker="SPY")
        assert await client.hears_nothing()
        await client.join("price")
        await simulator.control.say("price", PRICE, ticker="SPY")
        assert await client.read() == ["price", PRICE]


async def test_a_mute_socket_hears_nothing_while_its_sibling_does(simulator: Simulator, connect: Any):
    """One of two sockets, with the same channel joined on both."""
    async with connect(simulator) as first, connect(simulator) as second:
        await first.join("price")
        await second.join("price")
        await simulator.control.mute(connection=2)
        await simulator.control.say("price", PRICE, ticker="SPY")
        assert await first.read() == ["price", PRICE]
        assert await second.hears_nothing()


@pytest.mark.parametrize(
    ("hushed", "silent"), [("price", {"price:SPY", "price"}), ("price:SPY", {"price:SPY"})]
)
async def test_a_channel_falls_silent_while_others_go_on(
    simulator: Simulator, connect: Any, hushed: str, silent: set[str]
):
    """Under one name or all of its names."""
    async with connect(simulator) as client:
        await client.join("price:SPY", "price", "news")
        await simulator.control.hush(hushed)
        await simulator.control.say("price", PRICE, ticker="SPY")
        await simulator.control.say("news", {"headline": "x"})
        heard = {(await client.read())[0] for _ in range(3 - len(silent))}
        assert heard == {"price:SPY", "price", "news"} - silent
        await simulator.control.hush(hushed, False)
        await simulator.control.say("price", PRICE, ticker="SPY")
        assert {(await client.read())[0] for _ in range(2)} == {"price", "price:SPY"}


async def test_a_leave_may_be_ignored(simulator: Simulator, connect: Any):
    """No ack, and the data goes on; the place among the joins stays taken."""
    await simulator.control.limits(leave_ignored=True)
    async with connect(simulator) as client:
        await client.join("price")
        await client.ask("price", "leave")
        assert await client.hears_nothing()
        await simulator.control.say("price", PRICE, ticker="SPY")
        assert await client.read() == ["price", PRICE]
    async with connect(simulator) as client:
        await simulator.control.limits(leave_ignored=False)
        await client.join("price")
        await client.ask("price", "leave")
        assert await client.read() == ["price", OK]


async def test_an_error_page_may_come_with_200(simulator: Simulator, rest: httpx.AsyncClient):
    """From the network in front, which no account knows of, or from upstream, which charges it."""
    page = {"status": 200, "body": "<html>one moment</html>", "content_type": "text/html"}
    await simulator.control.rest_fault(1, **page)
    free = await rest.get("/api/market/movers")
    await simulator.control.rest_fault(1, **page, charged=True)
    charged = await rest.get("/api/market/movers")

    for answer in (free, charged):
        assert (answer.status_code, answer.text) == (200, "<html>one moment</html>")
        assert answer.headers["content-type"].startswith("text/html")
    assert "x-uw-daily-req-count" not in free.headers
    assert charged.headers["x-uw-daily-req-count"] == "1"


async def test_rest_faults_keep_to_their_path_and_time(simulator: Simulator, rest: httpx.AsyncClient):
    """Movers fail for a while, disclosures do not."""
    await simulator.control.rest_fault(0, seconds=0.5, status=503, path="/api/market")
    until = time.monotonic() + 0.5
    seen = [
        (await rest.get(path)).status_code for path in ("/api/market/movers", "/api/congress/recent-trades")
    ]
    assert seen == [503, 200]
    await asyncio.sleep(max(0.0, until - time.monotonic()) + 0.05)
    assert (await rest.get("/api/market/movers")).status_code == 200


@pytest.mark.parametrize(
    ("kind", "case"),
    [("in_flight", "concurrent_requests"), ("minute", "per_minute"), ("day", "daily_limit")],
)
async def test_each_kind_of_429_on_request(
    simulator: Simulator, rest: httpx.AsyncClient, kind: str, case: str
):
    """In upstream's words, with the accounts; nobody is to blame and the next is answered."""
    await simulator.control.rest_limited(kind)
    answer = await rest.get("/api/market/movers")

    (body,) = [told["body"] for told in rest_body("_errors") if told["case"] == case]
    assert (answer.status_code, answer.json()) == (429, body)
    assert answer.headers["x-uw-token-req-limit"] == "40000"
    assert (await rest.get("/api/market/movers")).status_code == 200
    assert sum((await simulator.control.violations()).values()) == 0


async def test_a_slow_answer_is_in_flight_meanwhile(simulator: Simulator, rest: httpx.AsyncClient):
    """Three slow ones take all places; the fourth offends, and the history names it."""
    await simulator.control.rest_fault(0, delay=0.4)
    answers = await asyncio.gather(*(rest.get("/api/market/movers") for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 429]
    (violation,) = (await simulator.control.history())["violations"]
    assert violation["what"] == "requests_in_flight"
    assert (
        "3 requests in flight and one more, 3 allowed: /api/market/movers from 127.0.0.1:"
        in violation["text"]
    )


async def test_other_programs_spend_on_the_key(simulator: Simulator, rest: httpx.AsyncClient):
    """The headers tell of them; being refused for their sake is no offence, asking on is."""
    await simulator.control.spend(100)
    assert (await rest.get("/api/market/movers")).headers["x-uw-req-per-minute-remaining"] == "19"
    await simulator.control.spend(500)
    assert (await rest.get("/api/market/movers")).status_code == 429
    assert sum((await simulator.control.violations()).values()) == 0
    await asyncio.sleep(0.3)
    assert (await rest.get("/api/market/movers")).status_code == 429
    told = await simulator.control.state()
    assert told["violations"]["requests_per_minute"] == 1
    assert (told["accounts"][0]["own_minute"], told["accounts"][0]["peak_minute"]) == (1, 1)

    await simulator.control.reset()
    await simulator.control.limits(others_in_flight=3)
    answer = await rest.get("/api/market/movers")
    assert (answer.status_code, "concurrent requests" in answer.text) == (429, True)
    assert sum((await simulator.control.violations()).values()) == 0
