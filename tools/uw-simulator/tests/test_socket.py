"""What a client of the socket meets, as transcripts over real sockets."""

from __future__ import annotations

import asyncio
import time
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import Any

import httpx
import pytest
import websockets

from uw_simulator.testing import AGENT, BASIC_TOKEN, TOKEN, Simulator

SCOPE_TEXT = (
    "Your token does not have the websocket scope. To connect to the websocket you need to upgrade your api "
    "subscription. Contact support@unusualwhales.com for more information"
)
PRICE = {"ticker": "SPY", "close": "562.82", "time": 1726670327692, "vol": 6015555}


async def refusal(url: str, **options: Any) -> tuple[int, str]:
    """Return status and body of a handshake that must fail."""
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(url, **{"user_agent_header": AGENT, **options}):
            pass
    response = refused.value.response
    return response.status_code, bytes(response.body or b"").decode()


async def test_a_bad_token_is_refused_at_the_handshake(simulator: Simulator):
    """401 with a text, before any frame; the same without a token."""
    base = f"ws://127.0.0.1:{simulator.port}/socket"

    assert (await refusal(f"{base}?token=wrong"))[0] == 401
    assert (await refusal(base))[0] == 401


async def test_a_token_without_the_scope_is_told_so(simulator: Simulator):
    """401 with upstream's own sentence."""
    url = f"ws://127.0.0.1:{simulator.port}/socket?token={BASIC_TOKEN}"

    assert await refusal(url) == (401, SCOPE_TEXT)


async def test_a_librarys_own_name_is_kept_out(simulator: Simulator):
    """The network in front of upstream refuses default User-Agents, on the socket and on REST."""
    assert await refusal(simulator.socket_url, user_agent_header="Python-urllib/3.11") == (
        403,
        "error code: 1010",
    )
    async with httpx.AsyncClient(base_url=simulator.http_url) as client:
        response = await client.get("/api/market/movers", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (response.status_code, response.text) == (403, "error code: 1010")


async def test_the_documentation_route_accepts_and_hangs_up(simulator: Simulator):
    """A known trap: `/api/socket` upgrades, says nothing and closes."""
    url = f"ws://127.0.0.1:{simulator.port}/api/socket?token={TOKEN}"
    async with websockets.connect(url, user_agent_header=AGENT) as socket:
        with pytest.raises(websockets.ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 3)


async def test_joins_are_acked_one_by_one_after_a_while(simulator: Simulator, connect: Any):
    """Each ack echoes its channel, within fifteen to fifty milliseconds."""
    async with connect(simulator) as client:
        started = time.perf_counter()
        await client.ask("gex:SPY", "join")

        assert await client.read() == ["gex:SPY", {"response": {}, "status": "ok"}]
        assert time.perf_counter() - started >= 0.015


async def test_data_comes_between_acks(simulator: Simulator, connect: Any):
    """A channel that is acked speaks at once, while others still wait."""
    async with connect(simulator) as client:
        await client.join("price")
        for n in range(20):
            await client.ask(f"gex:T{n}", "join")
        for _ in range(10):
            await simulator.control.say("price", PRICE, ticker="SPY")
        frames = [await client.read() for _ in range(30)]

    assert sum(frame[1].keys() == {"response", "status"} for frame in frames) == 20
    assert sum(frame == ["price", PRICE] for frame in frames) == 10


async def test_what_is_not_a_join_of_a_known_name_is_ignored(simulator: Simulator, connect: Any):
    """Binary joins, unknown names, names without their ticker, other messages: no answer at all."""
    async with connect(simulator) as client:
        await client.socket.send(b'{"channel":"price","msg_type":"join"}')
        await client.socket.send('{"topic":"price","event":"phx_join"}')
        for name in ("weather", "net_flow", "lit_trades:SPY"):
            await client.ask(name, "join")

        assert await client.hears_nothing()
        state = await simulator.control.state()
        verdicts = {"binary": 1, "not_a_request": 1, "unknown_channel": 3}
        assert state["connections"][0]["verdicts"] == verdicts


async def test_a_record_arrives_on_both_names_when_both_are_joined(simulator: Simulator, connect: Any):
    """Global and ticker form are two subscriptions; a record of another ticker comes once."""
    async with connect(simulator) as client:
        await client.join("price", "price:SPY")
        await simulator.control.say("price", PRICE, ticker="SPY")
        await simulator.control.say("price", {**PRICE, "ticker": "QQQ"}, ticker="QQQ")

        assert [(await client.read())[0] for _ in range(3)] == ["price", "price:SPY", "price"]
        assert await client.hears_nothing()


async def test_the_fifty_first_join_is_refused_and_the_others_go_on(simulator: Simulator, connect: Any):
    """With a frame that is no pair; the violation is counted."""
    async with connect(simulator) as client:
        await client.join(*(f"price:T{n}" for n in range(50)))
        await client.ask("news", "join")

        refused = await client.read()
        assert not isinstance(refused, list)
        assert "Channel subscription limit of 50 reached" in str(refused)
        await simulator.control.say("price", PRICE, ticker="T7")
        assert (await client.read())[0] == "price:T7"
    assert (await simulator.control.violations())["joins_over_limit"] == 1


async def test_after_a_leave_nothing_more_arrives(simulator: Simulator, connect: Any):
    """The leave is acked like a join."""
    async with connect(simulator) as client:
        await client.join("price")
        await client.ask("price", "leave")
        assert await client.read() == ["price", {"response": {}, "status": "ok"}]
        await simulator.control.say("price", PRICE, ticker="SPY")

        assert await client.hears_nothing()


async def test_leaving_at_once_after_joining_leaves(simulator: Simulator, connect: Any):
    """Whatever order the delayed acks take."""
    async with connect(simulator) as client:
        for _ in range(5):
            await client.ask("price", "join")
            await client.ask("price", "leave")
        for _ in range(10):
            await client.read()
        await simulator.control.say("price", PRICE, ticker="SPY")

        assert await client.hears_nothing()


async def test_pings_are_answered_and_none_are_sent(simulator: Simulator, connect: Any):
    """There is no heartbeat of the server; the client's pings get their pong."""
    async with connect(simulator) as client:
        pong = await client.socket.ping()
        await asyncio.wait_for(pong, 3)

        assert await client.hears_nothing()


async def test_joins_are_forgotten_with_the_socket_and_nothing_is_resent(simulator: Simulator, connect: Any):
    """Who comes back joins anew and hears only what is said from then on."""
    async with connect(simulator) as client:
        await client.join("price")
    await simulator.control.say("price", PRICE, ticker="SPY")
    async with connect(simulator) as client:
        assert await client.hears_nothing()
        await client.join("price")
        assert await client.hears_nothing()


async def test_a_socket_too_many_is_closed_cleanly_and_counted(simulator: Simulator, connect: Any):
    """The fourth is accepted and closed with 1000; when one leaves there is room again."""
    async with connect(simulator), connect(simulator):
        async with connect(simulator) as third, connect(simulator) as fourth:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await fourth.read()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1000
            await third.join("price")
        state = await _until_sockets(simulator, 2)
        assert state["violations"]["sockets_over_limit"] == 1
        async with connect(simulator) as again:
            await again.join("price")


async def test_in_mute_second_mode_only_the_first_socket_hears_data(connect: Any):
    """The others are accepted and acked, and stay silent."""
    async with (
        Simulator.in_process(mute_second=True) as simulator,
        connect(simulator) as first,
        connect(simulator) as second,
    ):
        await first.join("price")
        await second.join("price")
        await simulator.control.say("price", PRICE, ticker="SPY")

        assert await first.read() == ["price", PRICE]
        assert await second.hears_nothing()


@pytest.mark.slow
async def test_a_reader_that_lags_loses_frames_and_keeps_its_socket(connect: Any):
    """No close, no replay: what was said meanwhile is gone, and counted."""
    async with (
        Simulator.in_process(backlog_bytes=65_536) as simulator,
        connect(simulator, max_queue=1) as slow,
    ):
        await slow.join("option_trades")
        told = await simulator.control.burst(count=30_000, rate=1e9, lossless=False)
        dropped = (await simulator.control.state())["connections"][0]["dropped"]
        assert told["sent"] == 30_000
        assert dropped > 0
        heard = 0
        while not await slow.hears_nothing(0.3):
            heard += 1
        assert heard == 30_000 - dropped
        await simulator.control.say("option_trades", {"ticker": "SPY"})
        assert (await slow.read())[0] == "option_trades"


@pytest.mark.slow
async def test_a_lossless_burst_waits_for_its_reader(simulator: Simulator, connect: Any):
    """Exactly so many frames arrive, none twice."""
    async with connect(simulator) as client:
        await client.join("option_trades")
        burst = asyncio.create_task(simulator.control.burst(count=20_000, rate=1e9), name="burst")
        frames = [await client.read() for _ in range(20_000)]
        await burst

        assert len({frame[1]["id"] for frame in frames}) == 20_000
        assert await client.hears_nothing()


async def _until_sockets(simulator: Simulator, count: int) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while True:
            state = await simulator.control.state()
            if state["accounts"][0]["sockets"] == count:
                return state
            await asyncio.sleep(0.01)


async def test_a_client_that_is_cut_off_between_its_join_and_the_ack_ends_nothing():
    """As a killed process leaves: a reset, without a close frame, while the answer is on its way."""
    async with Simulator.subprocess() as simulator:
        for _ in range(20):
            socket = await websockets.connect(simulator.socket_url, user_agent_header=AGENT)
            await socket.send('{"channel":"news","msg_type":"join"}')
            await (await socket.ping())
            wire = socket.transport.get_extra_info("socket")
            wire.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
            socket.transport.abort()
        async with websockets.connect(simulator.socket_url, user_agent_header=AGENT) as socket:
            await socket.send('{"channel":"news","msg_type":"join"}')

            assert "news" in str(await asyncio.wait_for(socket.recv(), 10))
