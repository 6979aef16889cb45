"""The demo publishers: the script said on the bus, through the same publisher that any team would use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from random import Random

import structlog

from baleen_bus import OutboxFull, Publisher, open_bus
from baleen_contracts.message import Message
from baleen_contracts.session import SessionType
from uw_simulator import demo_script as script
from uw_simulator.demo_bridge import DemoDesk
from uw_simulator.demo_engine import DemoEngine
from uw_simulator.demo_sessions import BACKTEST, FORWARD, backtest, forward
from uw_simulator.market.market import Market
from uw_simulator.settings import Settings

log = structlog.get_logger(__name__)

_SIGNAL_EVERY, _INSIGHT_EVERY, _NARRATIVE_EVERY = 5, 7, 20


async def publish_demo(settings: Settings, market: Callable[[], Market]) -> None:
    """Publish until cancelled. Waits for a bus that is not there yet; what it cannot take is not kept."""
    password = settings.nats_password.get_secret_value() if settings.nats_password else None
    async with (
        open_bus(
            url=settings.nats_url, user=settings.nats_user, password=password, name="uw-simulator-demo"
        ) as bus,
        Publisher(bus, source="uw-simulator", max_messages=1_000) as publisher,
        asyncio.TaskGroup() as tasks,
    ):
        log.info("demo publishers speak", backtest=BACKTEST, forward=FORWARD)
        tasks.create_task(_tell(publisher, market), name="demo-market")
        for session_id, kind, steps in (
            (BACKTEST, SessionType.BACKTEST, backtest),
            (FORWARD, SessionType.FORWARD, forward),
        ):
            engine = DemoEngine(bus, publisher, session_id, kind, steps)
            tasks.create_task(engine.play(), name=session_id)


async def _tell(publisher: Publisher, market: Callable[[], Market]) -> None:
    chance = Random()  # noqa: S311 - a demo
    desk = DemoDesk(script.TICKERS[0])
    second = 0
    while True:
        now = datetime.now(UTC)
        if second % _SIGNAL_EVERY == 0:
            _say(publisher, script.signal(market(), chance, second, now))
        if second % _INSIGHT_EVERY == 0:
            _say(publisher, script.insight(market(), chance, now))
        if second % _NARRATIVE_EVERY == 0:
            _say(publisher, script.narrative(market(), now))
        for ticker in script.TICKERS:
            _say(publisher, script.market_data(market(), ticker, now))
        for message in desk.second(market(), now):
            _say(publisher, message)
        second += 1
        await asyncio.sleep(1)


def _say(publisher: Publisher, message: Message) -> None:
    with suppress(OutboxFull):  # the bus is away: a demo has nothing worth keeping
        publisher.offer(message)
