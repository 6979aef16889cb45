"""`/ws/backtest` and `/ws/forward` with a real bus in the test's own loop: time, gaps, what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from baleen_bus import Bus, Gap, GapReason, Publisher, Unreachable, open_bus
from baleen_bus.sessions import announce_session
from baleen_bus.testing import NatsServer
from baleen_contracts.session import SessionEvent
from baleen_contracts.session_entry import SessionEntry
from ws_gateway.bus.listen import follow_all
from ws_gateway.sessions import past, replay, watchers
from ws_gateway.sessions.replay import Ledger

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PATH = "/ws/backtest/s"


class Stage:
    """A gateway that hears a bus, and the bus itself."""

    def __init__(self, running: Any, bus: Bus, publisher: Publisher) -> None:
        self.running, self.gateway, self.bus = running, running.gateway, bus
        self._publisher = publisher

    async def say(self, kind: str, **data: Any) -> None:
        """Say an event of the session `s`."""
        await self._publisher.publish(SessionEvent(session_id="s", event=kind, data=data, occurred_at=NOON))

    async def watching(self, closing: AsyncExitStack) -> ClientConnection:
        """Open a tab that is being shown the session."""
        client: ClientConnection = await closing.enter_async_context(self.running.connect(PATH))
        await client.send('{"action": "ping"}')
        assert (await frame_of(client))["type"] == "heartbeat"
        lanes = self.gateway.hub.lanes
        await self.running.until(lambda: len(lanes) == 1)
        return client


async def frame_of(client: ClientConnection) -> dict[str, Any]:
    """Return the next frame."""
    async with asyncio.timeout(5):
        frame: dict[str, Any] = orjson.loads(await client.recv())
    return frame


async def closed(client: ClientConnection) -> tuple[str, int | None]:
    """Return the reason in the last frame, and the close code."""
    reason = (await frame_of(client))["data"]["details"]["reason"]
    with pytest.raises(ConnectionClosed):
        await frame_of(client)
    return reason, client.close_code


@pytest.fixture
async def stage(nats_server: NatsServer, serve_with: Callable[..., Any]) -> AsyncIterator[Stage]:
    """A gateway that hears a bus with one session."""
    async with (
        serve_with() as running,
        open_bus(url=nats_server.url, name="test") as bus,
        Publisher(bus, source="engine") as publisher,
        AsyncExitStack() as closing,
    ):
        running.gateway.bus = bus
        running.gateway.followers = await follow_all(running.gateway, bus, closing)
        await announce_session(bus, SessionEntry(session_id="s", session_type="backtest", updated_at=NOON))
        yield Stage(running, bus, publisher)


async def test_a_heartbeat_is_due_once_in_thirty_seconds(stage: Stage):
    """Each connection has its own; who is gone is forgotten."""
    async with AsyncExitStack() as closing:
        client = await stage.watching(closing)
        sessions = stage.gateway.sessions
        for _ in range(29):
            sessions.beat(NOON)
        await client.send('{"action": "unknown"}')
        assert (await frame_of(client))["type"] == "error"
        sessions.beat(NOON)
        assert await frame_of(client) == {
            "type": "heartbeat",
            "data": {},
            "timestamp": "2026-11-20T12:00:00.000000Z",
        }
    await stage.running.until(lambda: not len(stage.gateway.hub))
    for _ in range(30):
        sessions.beat(NOON)
    assert len(sessions.beats) == 0


async def test_after_a_gap_everybody_comes_back_and_is_shown_the_session_anew(stage: Stage):
    """These clients know no word for a gap, but tell apart what they have seen."""
    async with AsyncExitStack() as closing:
        client = await stage.watching(closing)
        stage.gateway.lose(Gap("TAPE", 1, 5, GapReason.NOTICED_LATE))
        await stage.say("session_initialized")
        assert (await frame_of(client))["type"] == "session_initialized"
        stage.gateway.lose(Gap("SESSION", 1, 5, GapReason.NOTICED_LATE))
        assert await closed(client) == ("bus_away", 1013)


async def test_a_session_that_cannot_be_read_closes_with_try_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    """Whether the bus is to blame or we are; nobody stays connected and is shown nothing."""
    for error in (Unreachable("no answer"), RuntimeError("a bug")):

        async def fail(*_args: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(watchers, "read_past", fail)
        async with stage.running.connect(PATH) as client:
            assert await closed(client) == ("bus_away", 1013)


async def test_a_session_that_is_not_read_in_time_closes_with_try_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    """Its turn is given to the next."""

    async def hang(*_args: object) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(watchers, "READ_WITHIN", 0.05)
        patched.setattr(watchers, "read_past", hang)
        for _ in range(6):
            async with stage.running.connect(PATH) as client:
                assert await closed(client) == ("bus_away", 1013)
    async with AsyncExitStack() as closing:
        await stage.watching(closing)


async def test_of_a_long_session_a_tab_is_told_how_much_it_is_not_shown(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    """Behind the beginning, which is always shown; older clients pass it over."""
    for module in (past, replay):
        monkeypatch.setattr(module, "MOST_EVENTS", 10)
    await stage.say("session_initialized", total_candles=30)
    for number in range(30):
        await stage.say("candle", candle_index=number)
    await stage.running.until(lambda: stage.gateway.past.streams["SESSION"].tail.heard == 31)
    async with stage.running.connect(PATH) as client:
        frames = [await frame_of(client) for _ in range(11)]

    assert [frame["type"] for frame in frames[:3]] == ["session_initialized", "replay_truncated", "candle"]
    assert frames[1]["data"]["skipped"] == 21
    assert [frame["data"]["candle_index"] for frame in frames[2:]] == list(range(21, 30))
    assert frames[-1]["data"]["total_candles"] == 30


async def test_few_sessions_are_read_at_a_time(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    """A crowd that comes back at once is served in turns, so that its replays need little memory together."""
    reading, most, go_on = 0, 0, asyncio.Event()
    read_past = watchers.read_past

    async def count(*args: Any) -> Any:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        await go_on.wait()
        found = await read_past(*args)
        reading -= 1
        return found

    monkeypatch.setattr(watchers, "read_past", count)
    async with AsyncExitStack() as closing:
        clients = [await closing.enter_async_context(stage.running.connect(PATH)) for _ in range(12)]
        for client in clients:
            await client.send('{"action": "ping"}')
            assert (await frame_of(client))["type"] == "heartbeat"
        go_on.set()
        await stage.running.until(
            lambda: stage.gateway.hub.lanes.routes("session.v1.s.candle") and not reading
        )
        await stage.say("candle", candle_index=1)
        assert {(await frame_of(client))["type"] for client in clients} == {"candle"}
    assert most == 4


async def test_when_too_much_waits_for_slow_tabs_another_is_told_to_come_later(stage: Stage):
    """The bytes of all replays together are bounded."""
    await stage.say("session_initialized")
    stage.gateway.sessions.ledger = ledger = Ledger(100)
    held = ledger.shown([b"x" * 90])
    async with stage.running.connect(PATH) as client:
        assert await closed(client) == ("busy", 1013)
    del held
    async with stage.running.connect(PATH) as client:
        assert (await frame_of(client))["type"] == "session_initialized"


@pytest.mark.parametrize("name", ["x" * 201, "%2A", "%3E", "no.such", "%00", "%ED%A0%80"])
async def test_an_id_that_nobody_has_is_nobodys(stage: Stage, name: str):
    """Whatever is in it."""
    async with stage.running.connect(f"/ws/backtest/{name}") as client:
        assert await closed(client) == ("unauthorized_session", 1008)


async def test_who_talks_before_it_is_known_waits_or_is_told_to(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    """A few texts are kept, and answered once the session is open."""
    known = asyncio.Event()
    look_up = watchers.read_session

    async def late(*args: Any, **more: Any) -> SessionEntry | None:
        await known.wait()
        return await look_up(*args, **more)

    monkeypatch.setattr(watchers, "read_session", late)
    async with stage.running.connect(PATH) as client:
        for _ in range(17):
            await client.send('{"action": "ping"}')
        refused = await frame_of(client)
        assert refused["data"]["details"] == {"reason": "too_many"}
        known.set()
        assert [(await frame_of(client))["type"] for _ in range(16)] == ["heartbeat"] * 16
