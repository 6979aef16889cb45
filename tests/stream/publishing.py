"""Publishes signals at a rate, and reads back what a stream holds: what clients are judged by."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import uuid4

from baleen_bus import Bus, Delivered, Publisher
from baleen_bus.reading import fetch_after
from baleen_contracts import by_name, example
from baleen_contracts.signals import Signal
from ws_gateway.topics import matches

SIGNAL = by_name("signal")


def signal(symbol: str, word: str = "") -> Signal:
    """Make a signal that no other is equal to, and whose id begins with a word."""
    now = datetime.now(UTC)
    given = {"symbol": symbol, "id": word + uuid4().hex}
    return Signal.model_validate({**example(SIGNAL), **given, "occurred_at": now, "received_at": now})


async def publish(
    publisher: Publisher, symbols: Sequence[str], rate: float, until: Callable[[], bool]
) -> int:
    """Publish *rate* signals a second over *symbols* in turn, until it is time; return how many."""
    loop = asyncio.get_running_loop()
    began, count = loop.time(), 0
    while not until():
        due = int((loop.time() - began) * rate)
        while count < due:
            publisher.offer(signal(symbols[count % len(symbols)]))
            count += 1
        await asyncio.sleep(0.005)
    assert await publisher.drain(30) == 0
    return count


async def stored(bus: Bus, stream: str, topics: Sequence[str]) -> list[int]:
    """Return the numbers of all messages of a stream that *topics* mean."""
    found: list[int] = []

    def take(item: Delivered) -> None:
        if any(matches(topic, item.subject) for topic in topics):
            found.append(item.seq)

    await fetch_after(bus, stream, ">", 0, take)
    return found
