"""The demo publishers: the script said on the bus, through the same publisher that any team would use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from random import Random

import structlog

from baleen_bus import OutboxFull, Publisher, open_bus
from baleen_contracts.message import Message
from baleen_contracts.session import SessionEvent, SessionType
from uw_simulator import demo_script as script
from uw_simulator.market.market import Market
from uw_simulator.settings import Settings

log = structlog.get_logger(__name__)

_SIGNAL_EVERY, _INSIGHT_EVERY, _NARRATIVE_EVERY = 5, 7, 20
_BETWEEN_SESSIONS = 5.0


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
        log.info("demo publishers speak", backtest=script.BACKTEST, forward=script.FORWARD)
        tasks.create_task(_tell(publisher, market), name="demo-market")
        for session_id, kind, steps in (
            (script.BACKTEST, SessionType.BACKTEST, script.backtest),
            (script.FORWARD, SessionType.FORWARD, script.forward),
        ):
            tasks.create_task(_play(publisher, session_id, kind, steps), name=session_id)


async def _tell(publisher: Publisher, market: Callable[[], Market]) -> None:
    chance = Random()  # noqa: S311 - a demo
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
        second += 1
        await asyncio.sleep(1)


async def _play(
    publisher: Publisher, session_id: str, kind: SessionType, steps: Callable[[Random], Iterator[script.Step]]
) -> None:
    """Play one session again and again."""
    while True:
        for wait, data in steps(Random()):  # noqa: S311 - a demo
            await asyncio.sleep(wait)
            event = SessionEvent(
                session_id=session_id,
                session_type=kind,
                event=data.event,
                data=data.model_dump(mode="json", exclude_unset=True),
                occurred_at=datetime.now(UTC),
            )
            _say(publisher, event)
        await asyncio.sleep(_BETWEEN_SESSIONS)


def _say(publisher: Publisher, message: Message) -> None:
    with suppress(OutboxFull):  # the bus is away: a demo has nothing worth keeping
        publisher.offer(message)
