"""One client that stops reading costs nobody else anything, and is told why it is closed."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from websockets.exceptions import ConnectionClosed

OTHERS = 199
MESSAGES = 200
FILLING = "x" * 6_000
PIECE = 65_536 + 2 * len(FILLING)


async def test_one_that_stops_reading_among_two_hundred(serve_with: Any):
    """The bound closes the slow one with an error frame; the others get every message in order."""
    async with serve_with(client_buffer_bytes=65_536) as running:
        slow = await running.connect(ping_interval=None)
        await running.subscribed(slow, "signal.v1.>")
        slow.transport.pause_reading()
        others = await asyncio.gather(*(running.connect() for _ in range(OTHERS)))
        await asyncio.gather(*(running.subscribed(other, "signal.v1.>") for other in others))

        reading = [asyncio.create_task(_numbers(other)) for other in others]
        for _ in range(MESSAGES):
            running.say("signal.v1.SPY", filling=FILLING)
            await asyncio.sleep(0.002)
        for numbers in await asyncio.wait_for(asyncio.gather(*reading), 60):
            assert numbers == list(range(1, MESSAGES + 1))

        assert 'closes_total{code="4100",reason="too_slow"} 1.0' in running.metrics()
        assert 'reason="too_slow"' in running.metrics()
        await asyncio.gather(*(other.close() for other in others))


async def _numbers(client: Any) -> list[int]:
    numbers: list[int] = []
    while len(numbers) < MESSAGES:
        frame = json.loads(await client.recv())
        if frame["op"] != "heartbeat":
            numbers.append(frame["data"]["n"])
    return numbers


async def test_the_slow_client_hears_why_when_it_reads_again(serve_with: Any):
    """What it reads is whole and in order up to the cut, then an error frame and the code."""
    async with serve_with(client_buffer_bytes=65_536) as running:
        slow = await running.connect(ping_interval=None, max_queue=None)
        await running.subscribed(slow, "signal.v1.>")
        slow.transport.pause_reading()
        (wire,) = running.gateway.hub.wires
        assert running.gateway.hub.buffered() == 0
        most = 0
        while not wire.closing:
            running.say("signal.v1.SPY", filling=FILLING)
            await running.until(lambda: wire.pen is None or not wire.pen.pending)
            most = max(most, running.gateway.hub.buffered())
        assert 65_536 - 2 * len(FILLING) < most < 65_536 + PIECE
        assert 0 < running.gateway.hub.buffered() < PIECE
        slow.transport.resume_reading()

        frames: list[dict[str, Any]] = []
        with suppress(ConnectionClosed):
            async with asyncio.timeout(5):
                while True:
                    frames.append(json.loads(await slow.recv()))

        assert slow.close_code == 4100
        assert "retry_in_ms=" in slow.close_reason
        assert (frames[-1]["op"], frames[-1]["code"]) == ("error", "too_slow")
        numbers = [frame["data"]["n"] for frame in frames[:-1]]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_a_client_that_catches_up_misses_nothing(serve_with: Any):
    """A pause within the bound costs lateness, no message."""
    async with serve_with(client_buffer_bytes=8_000_000) as running, running.connect() as client:
        await running.subscribed(client, "signal.v1.>")
        client.transport.pause_reading()
        (wire,) = running.gateway.hub.wires
        count = 0
        while not wire.lagging:
            running.say("signal.v1.SPY", filling=FILLING)
            count += 1
            await asyncio.sleep(0.001)
        for number in range(50):
            running.say("signal.v1.SPY", filling=FILLING)
            count += 1
            await running.until(lambda: wire.backlog.live > (number + 1) * len(FILLING))  # noqa: B023 - awaited here
        client.transport.resume_reading()

        numbers = [(await running.hear(client))["data"]["n"] for _ in range(count)]
        assert numbers == list(range(1, count + 1))
        assert not wire.lagging
        running.say("signal.v1.SPY")
        assert (await running.hear(client))["data"]["n"] == count + 1


async def test_one_that_caught_up_is_written_to_again(live: Any):
    """Each message between two full moments of the socket waits its turn; the next goes out at once."""
    async with live.connect() as client:
        await live.subscribed(client, "signal.v1.>")
        (wire,) = live.gateway.hub.wires
        for round_ in range(2):
            wire.pause_writing()
            for number in range(3):
                live.say("signal.v1.SPY", filling=FILLING)
                await live.until(lambda: wire.backlog.live > (number + 1) * len(FILLING))  # noqa: B023 - awaited here
            wire.resume_writing()
            live.say("signal.v1.SPY")
            heard = [(await live.hear(client))["data"]["n"] for _ in range(4)]
            assert heard == [4 * round_ + number for number in (1, 2, 3, 4)]
            assert not wire.backlog
