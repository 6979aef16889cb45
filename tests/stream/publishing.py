"""Publishes signals at a rate, and reads back what a stream holds: what clients are judged by.

As a process of its own (`python -m tests.stream.publishing URL RATE SECONDS`) it does not take its time from
the clients that it is published for.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from baleen_bus import Bus, OutboxFull, Publisher, open_bus
from baleen_bus.reading import fetch_after
from baleen_contracts import by_name, example
from baleen_contracts.signals import Signal
from ws_gateway.topics import matches

ROOT = Path(__file__).resolve().parents[2]
SIGNAL = by_name("signal")
SYMBOLS = [f"T{number}" for number in range(500)]


_NOW = datetime.now(UTC)
_SAMPLE = Signal.model_validate({**example(SIGNAL), "occurred_at": _NOW, "received_at": _NOW})


def signal(symbol: str, word: str = "") -> Signal:
    """Make a signal that no other is equal to, and whose id begins with a word."""
    now = datetime.now(UTC)
    given = {"symbol": symbol, "id": word + uuid4().hex, "occurred_at": now, "received_at": now}
    return _SAMPLE.model_copy(update=given)


async def publish(
    publisher: Publisher, symbols: Sequence[str], rate: float, until: Callable[[], bool]
) -> int:
    """Publish *rate* signals a second over *symbols* in turn, until it is time; return how many."""
    loop = asyncio.get_running_loop()
    began, count = loop.time(), 0
    while not until():
        due = int((loop.time() - began) * rate)
        with contextlib.suppress(OutboxFull):  # the machine is too busy for the rate: as fast as it goes
            while count < due:
                publisher.offer(signal(symbols[count % len(symbols)]))
                count += 1
        await asyncio.sleep(0.005)
    assert await publisher.drain(30) == 0
    return count


async def publish_elsewhere(url: str, rate: float, seconds: float) -> None:
    """Publish for a while from a process of its own."""
    arguments = ("-m", "tests.stream.publishing", url, str(rate), str(seconds))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT)
    assert await process.wait() == 0


async def _main(url: str, rate: float, seconds: float) -> None:
    async with (
        open_bus(url=url, name="publishing", connect_within=10) as bus,
        Publisher(bus, source="test") as publisher,
    ):
        until = asyncio.get_running_loop().time() + seconds
        count = await publish(publisher, SYMBOLS, rate, lambda: asyncio.get_running_loop().time() > until)
    print(f"published {count / seconds:,.0f} a second")  # noqa: T201 - whether the rate was held is worth reading


class Stored:
    """What a stream holds."""

    def __init__(self, messages: Sequence[tuple[int, str]]) -> None:
        """Know the number and the subject of every message."""
        self._by_subject: dict[str, list[int]] = {}
        for seq, subject in messages:
            self._by_subject.setdefault(subject, []).append(seq)

    def of(self, topics: Sequence[str]) -> list[int]:
        """Return the numbers of all messages that *topics* mean, in order."""
        return sorted(
            seq
            for subject, numbers in self._by_subject.items()
            if any(matches(topic, subject) for topic in topics)
            for seq in numbers
        )


async def stored(bus: Bus, stream: str) -> Stored:
    """Read all that a stream holds."""
    found: list[tuple[int, str]] = []
    await fetch_after(bus, stream, ">", 0, lambda item: found.append((item.seq, item.subject)))
    return Stored(found)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
