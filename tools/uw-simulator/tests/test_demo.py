"""The demo publishers: the script holds to the contracts, and reaches the bus through its own user."""

# ruff: noqa: S311 - a seeded market needs chance that repeats, not secrets

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, date, datetime
from random import Random

from baleen_bus import open_bus
from baleen_bus.sessions import read_session
from baleen_bus.testing import NatsServer
from baleen_contracts.bridge import BridgeEvent, BridgeState
from baleen_contracts.session import SESSION_DATA, SessionEvent
from uw_simulator import demo_script as script
from uw_simulator.demo_bridge import DemoDesk
from uw_simulator.demo_sessions import BACKTEST, FORWARD, backtest, forward
from uw_simulator.market.market import Market
from uw_simulator.testing import Simulator

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def test_the_scripted_sessions_hold_to_the_contract():
    """They begin, tell candles, decisions, trades and figures, and end; every event is valid."""
    for steps, needs in (
        (
            backtest(Random(1), NOW),
            {"candle", "ai_thinking", "ai_decision", "position_opened", "position_closed"},
        ),
        (forward(Random(1), NOW), {"candle", "price_update", "countdown_update", "ai_decision"}),
    ):
        events = [
            SessionEvent(
                session_id="x", event=data.event, data=data.model_dump(exclude_unset=True), occurred_at=NOW
            )
            for _, data in steps
        ]
        told = Counter(event.event for event in events)
        assert events[0].event == "session_initialized"
        assert events[-1].event == "session_completed"
        assert needs | {"stats_update"} <= told.keys() <= SESSION_DATA.keys()


def test_the_market_talk_holds_to_the_contract():
    """Signals, market data, insights and narratives are made from the present market."""
    market = Market(chance=Random(1), today=date(2026, 11, 20), id_prefix="00000000-0000-4000-8000-")
    messages = [
        script.market_data(market, "SPY", NOW),
        script.signal(market, Random(1), 1, NOW),
        script.insight(market, Random(1), NOW),
        script.narrative(market, NOW),
    ]

    assert [message.subject.partition(".")[0] for message in messages] == [
        "market",
        "signal",
        "agent",
        "narrative",
    ]
    assert all(message.to_json() for message in messages)


def test_the_trading_process_opens_and_closes_positions():
    """Its events are of the bridge's topics; at the end of a round nothing is left open."""
    market = Market(chance=Random(1), today=date(2026, 11, 20), id_prefix="00000000-0000-4000-8000-")
    desk = DemoDesk("SPY")
    said = [message for _ in range(600) for message in desk.second(market, NOW)]
    events = {message.event_type for message in said if isinstance(message, BridgeEvent)}
    state = {message.path: message for message in said if isinstance(message, BridgeState)}

    assert events == {"runner_started", "tick_update", "trade_executed", "position_closed"}
    standing = {path for path, message in state.items() if not message.deleted}
    assert standing == {"trading.runner_status", "trading.daily_pnl"}
    assert len(state) == 12
    assert all(message.to_json() for message in said)


async def test_they_reach_the_bus_with_the_simulators_own_rights(nats_server_with_users: NatsServer):
    """Within seconds every kind has been republished on its public subject."""
    server = nats_server_with_users
    login = server.credentials("uw-simulator")
    heard: Counter[str] = Counter()
    complete = asyncio.Event()
    wanted = {"market", "signal", "agent", "narrative", "session", "bridge"}

    async def hear(message: object) -> None:
        heard[str(message.subject).partition(".")[0]] += 1
        if wanted <= heard.keys():
            complete.set()

    async with open_bus(url=server.url, **server.credentials("ws-gateway"), name="test") as bus:
        for domain in wanted:
            await bus.nc.subscribe(f"{domain}.v1.>", cb=hear)
        options = {"nats_url": server.url, "nats_user": login["user"], "nats_password": login["password"]}
        async with Simulator.in_process(demo_publishers=True, **options), asyncio.timeout(20):
            await complete.wait()
            for session_id, kind in ((BACKTEST, "backtest"), (FORWARD, "forward")):
                entry = await read_session(bus, session_id)
                assert entry is not None
                assert (entry.session_type, entry.owner, entry.state) == (kind, "demo", "running")
