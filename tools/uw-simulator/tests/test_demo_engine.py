"""The demo's engine on a real bus: what it is told over the bus it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from baleen_bus import Bus, Follower, Live, Publisher, open_bus
from baleen_bus.sessions import read_session
from baleen_bus.testing import NatsServer
from baleen_contracts.command import session_subject
from baleen_contracts.session import SessionEvent, SessionType
from uw_simulator.demo_engine import DemoEngine
from uw_simulator.demo_sessions import BACKTEST, backtest

WITHIN = 10.0


@asynccontextmanager
async def playing(server: NatsServer) -> AsyncIterator[tuple[Bus, asyncio.Queue[SessionEvent]]]:
    """Run the backtest's engine as the simulator's user, and listen as the gateway's."""
    heard: asyncio.Queue[SessionEvent] = asyncio.Queue()

    def hear(item: object) -> None:
        heard.put_nowait(SessionEvent.model_validate_json(item.body))

    async with (
        open_bus(url=server.url, name="engine", **server.credentials("uw-simulator")) as bus,
        open_bus(url=server.url, name="gateway", **server.credentials("ws-gateway")) as gateway,
        Publisher(bus, source="uw-simulator") as publisher,
        Follower(gateway, "SESSION", ["session.v1.*.*"], Live(), hear, lambda _gap: None),
    ):
        engine = DemoEngine(bus, publisher, BACKTEST, SessionType.BACKTEST, backtest)
        task = asyncio.create_task(engine.play())
        try:
            yield gateway, heard
        finally:
            task.cancel()
            await asyncio.wait([task])
        assert bus.stats.denials == gateway.stats.denials == 0


async def until(heard: asyncio.Queue[SessionEvent], kind: str) -> SessionEvent:
    """Return the next event of that kind."""
    async with asyncio.timeout(WITHIN):
        while (event := await heard.get()).event != kind:
            pass
    return event


async def until_it_is(bus: Bus, state: str) -> None:
    """Wait until the session is announced to stand so."""
    async with asyncio.timeout(WITHIN):
        entry = await read_session(bus, BACKTEST)
        while entry is None or entry.state != state:
            await asyncio.sleep(0.01)
            entry = await read_session(bus, BACKTEST)


@pytest.mark.slow
async def test_pause_resume_and_stop_act_and_are_announced(nats_server_with_users: NatsServer):
    """A paused session says nothing more; who stops it gets the result's id."""
    async with playing(nats_server_with_users) as (bus, heard):
        await until(heard, "candle")

        async def order(action: str) -> dict[str, object]:
            return await bus.request_json(session_subject(BACKTEST), {"action": action})

        assert await order("pause") == {"ok": True}
        paused = await until(heard, "session_paused")
        assert paused.data["session_id"] == BACKTEST
        await asyncio.sleep(1.2)  # two candles would have come
        assert heard.empty()
        await until_it_is(bus, "paused")
        assert (await order("pause"))["code"] == "nothing_to_do"

        assert await order("resume") == {"ok": True}
        await until(heard, "session_resumed")
        await until(heard, "candle")
        assert await order("stop") == {"ok": True, "data": {"result_id": "demo-backtest-result"}}
        assert (await until(heard, "session_completed")).data["forced_stop"] is True

        await until_it_is(bus, "completed")
        await until(heard, "session_initialized")  # it is played again
