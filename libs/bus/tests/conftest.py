"""What several of the bus's tests stand on."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime

import pytest

from baleen_bus import Bus, open_bus
from baleen_bus.testing import NatsServer
from baleen_contracts.signals import Signal

NOW = datetime(2026, 1, 5, 15, 30, tzinfo=UTC)
SYMBOLS = ("SPY", "QQQ", "IWM")


@pytest.fixture
def signal() -> Callable[..., Signal]:
    """Makes the signal with a number; its ticker follows from the number unless given."""

    def make(number: int, symbol: str | None = None, padding: int = 0) -> Signal:
        return Signal(
            id=f"s{number}",
            symbol=symbol or SYMBOLS[number % len(SYMBOLS)],
            signal={"n": number, "padding": "x" * padding},
            occurred_at=NOW,
            received_at=NOW,
        )

    return make


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    """A connection to a server of its own."""
    async with open_bus(url=nats_server.url, name="test", connect_within=5) as bus:
        yield bus


@pytest.fixture
def nats_server_sync() -> Iterator[NatsServer]:
    """A server without streams, for tests without an event loop."""
    with NatsServer() as server:
        yield server
