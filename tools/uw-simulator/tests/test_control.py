"""Faults on request: each is seen by a client of the real socket."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
import websockets

from uw_simulator.faults import Garbage, garbage_frame
from uw_simulator.settings import Settings
from uw_simulator.testing import AGENT, Simulator

PRICE = {"ticker": "SPY", "close": "562.82", "time": 1726670327692, "vol": 6015555}


async def say(simulator: Simulator, **changes: Any) -> None:
    """Let a price be said to SPY's listeners."""
    await simulator.control.say("price", {**PRICE, **changes}, ticker="SPY")


async def test_drop_cuts_the_line_without_a_word(simulator: Simulator, connect: Any):
    """The client sees 1006."""
    async with connect(simulator) as client:
        await client.join("price")
        await simulator.control.drop()

        with pytest.raises(websockets.ConnectionClosedError):
            await client.read()
        assert client.socket.close_code == 1006


async def test_drop_with_a_code_closes_properly(simulator: Simulator, connect: Any):
    """One connection of two, with the code asked for."""
    async with connect(simulator) as first, connect(simulator) as second:
        await simulator.control.drop(code=1008, connection=1)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await first.read()

        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        await second.join("price")


async def test_mute_sends_no_data_but_answers(simulator: Simulator, connect: Any):
    """Pings and joins are answered while data stays away; unmuted, it comes again."""
    async with connect(simulator) as client:
        await client.join("price")
        await simulator.control.mute()
        await say(simulator)
        await client.join("news")
        await asyncio.wait_for(await client.socket.ping(), 3)
        assert await client.hears_nothing()

        await simulator.control.mute(False)
        await say(simulator)
        assert await client.read() == ["price", PRICE]


async def test_a_half_open_socket_that_is_closed_is_counted_no_more(simulator: Simulator, connect: Any):
    """As soon as its client has gone too; another socket is then none too many."""
    await simulator.control.limits(sockets=1)
    async with connect(simulator, ping_interval=None) as client:
        await client.join("price")
        await simulator.control.half_open()
        await simulator.control.drop(code=1012)
        client.socket.transport.abort()
    async with connect(simulator) as client:
        await client.join("price")
        assert not any((await simulator.control.violations()).values())


async def test_half_open_answers_nothing_at_all(simulator: Simulator, connect: Any):
    """Not even a ping, with the connection left open; thawed, it reads what it was told meanwhile."""
    async with connect(simulator, ping_interval=None) as client:
        await client.join("price")
        await simulator.control.half_open()
        pong = await client.socket.ping()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(pong), 0.2)

        await simulator.control.half_open(False)
        await asyncio.wait_for(pong, 3)


async def test_refuse_turns_away_the_next_handshakes(simulator: Simulator, connect: Any):
    """So many, with the status asked for."""
    await simulator.control.refuse(2, status=429, body="slow down")
    for _ in range(2):
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with connect(simulator):
                pass
        assert refused.value.response.status_code == 429
    async with connect(simulator) as client:
        await client.join("price")


async def test_close_after_accept(simulator: Simulator, connect: Any):
    """As upstream does at its cap: accepted, then 1000, without an error."""
    await simulator.control.close_after_accept()
    async with connect(simulator) as client:
        with pytest.raises(websockets.ConnectionClosedOK):
            await client.read()
    assert (await simulator.control.state())["counts"]["handshakes_accepted"] == 1


async def test_a_swallowed_join_is_never_answered(simulator: Simulator, connect: Any):
    """The same join sent again is."""
    await simulator.control.swallow_joins()
    async with connect(simulator) as client:
        await client.ask("price", "join")
        assert await client.hears_nothing()
        await client.join("price")


async def test_duplicate_sends_the_next_frames_twice(simulator: Simulator, connect: Any):
    """So many of them, then each once."""
    await simulator.control.duplicate(2)
    async with connect(simulator) as client:
        await client.join("price")
        for n in range(3):
            await say(simulator, time=n)

        assert [(await client.read())[1]["time"] for _ in range(5)] == [0, 0, 1, 1, 2]
        assert await client.hears_nothing()


async def test_lag_loses_and_delays(simulator: Simulator, connect: Any):
    """A share of one loses everything; a delay keeps the order."""
    async with connect(simulator) as client:
        await client.join("price")
        await simulator.control.lag(drop_share=1)
        await say(simulator)
        assert await client.hears_nothing()
        assert (await simulator.control.state())["connections"][0]["dropped"] == 1

        await simulator.control.lag(delay=0.2)
        started = time.perf_counter()
        for n in range(5):
            await say(simulator, time=n)
        assert [(await client.read())[1]["time"] for _ in range(5)] == [0, 1, 2, 3, 4]
        assert time.perf_counter() - started >= 0.2


@pytest.mark.parametrize("kind", [kind for kind in Garbage if kind is not Garbage.RESERVED_OPCODE])
async def test_garbage_arrives_as_bad_as_it_was_made(simulator: Simulator, connect: Any, kind: Garbage):
    """A client that looks at nothing gets the bytes, and the simulator lives."""
    async with connect(simulator) as client:
        await simulator.control.garbage(kind.value, size=2_000_000)
        frame = garbage_frame(kind, size=2_000_000)
        if kind is Garbage.INVALID_UTF8:
            heard: Any = await client.socket.recv(decode=False)
        else:
            heard = await client.read_text()

        heard = heard.encode() if isinstance(heard, str) else heard
        assert frame.endswith(heard)
        assert not _is_good_record(heard)
    state = await simulator.control.state()
    assert state["counts"][f"garbage_{kind}"] == 1


async def test_a_reserved_opcode_breaks_the_protocol(simulator: Simulator, connect: Any):
    """A correct client hangs up; the simulator goes on."""
    async with connect(simulator) as client:
        await simulator.control.garbage("reserved_opcode")
        with pytest.raises(websockets.ConnectionClosedError):
            await client.read()
    async with connect(simulator) as client:
        await client.join("price")


async def test_say_text_sends_anything(simulator: Simulator, connect: Any):
    """A literal frame, to whoever is connected."""
    async with connect(simulator) as client:
        await simulator.control.say_text('["price",{"response":{},"status":"error"}]')

        assert await client.read() == ["price", {"response": {}, "status": "error"}]


async def test_limits_can_be_changed_and_reset(simulator: Simulator, connect: Any):
    """A plan of one socket, and back to three; reset forgets violations and disarms."""
    await simulator.control.limits(sockets=1)
    await simulator.control.refuse(5)
    async with httpx.AsyncClient(base_url=simulator.http_url) as http:
        assert (await http.get("/_sim/state")).json()["plan"]["sockets"] == 1
    await simulator.control.reset()
    async with connect(simulator), connect(simulator):
        assert sum((await simulator.control.violations()).values()) == 0


async def test_a_misspelt_order_is_refused(simulator: Simulator):
    """It would otherwise pass as no fault at all."""
    async with httpx.AsyncClient(base_url=simulator.http_url) as http:
        assert (await http.post("/_sim/drop", json={"cod": 1000})).status_code == 422
        assert (await http.post("/_sim/drop", json={"connection": 9})).status_code == 404
        assert (await http.post("/_sim/burst", json={"channel": "weather"})).status_code == 422


async def test_no_token_is_told(simulator: Simulator, connect: Any):
    """Neither the state nor its connections hold one."""
    async with connect(simulator):
        told = json.dumps(await simulator.control.state())

    assert Settings().token.get_secret_value() not in told


async def test_a_burst_of_each_kind(simulator: Simulator, connect: Any):
    """Exactly so many frames, made before or while they are sent, waited for or not."""
    kinds = [
        "option_trades",
        "flow-alerts",
        "lit_trades",
        "off_lit_trades",
        "price",
        "gex",
        "news",
        "trading_halts",
    ]
    async with connect(simulator) as client:
        await client.join(*kinds)
        for kind in kinds:
            told = await simulator.control.burst(kind, count=50, prepared=kind == "gex")
            frames = [await client.read() for _ in range(50)]
            assert {frame[0] for frame in frames} == {kind}
            assert told["sent"] == 50
        await simulator.control.burst(count=10, wait=False)
        assert len([await client.read() for _ in range(10)]) == 10
        assert await client.hears_nothing()


async def test_pause_silences_the_sources(connect: Any):
    """Bursts and acks go on, so that a test hears only what it asked for."""
    async with Simulator.in_process(source="mix") as simulator:
        await simulator.control.pause()
        async with connect(simulator) as client:
            await client.join("option_trades")
            assert await client.hears_nothing(0.3)
            await simulator.control.pause(False)
            assert (await client.read())[0] == "option_trades"


def test_the_agent_of_the_tests_is_none_that_is_blocked():
    """Otherwise every test above would only see refusals."""
    assert not AGENT.startswith(Settings().blocked_agents)


def _is_good_record(text: bytes) -> bool:
    try:
        channel, payload = json.loads(text, parse_constant=float)
    except (ValueError, TypeError, RecursionError):
        return False
    return (
        channel == "price"
        and isinstance(payload, dict)
        and payload.keys() == PRICE.keys()
        and all(type(payload[key]) is type(PRICE[key]) and len(str(payload[key])) < 30 for key in PRICE)
    )
