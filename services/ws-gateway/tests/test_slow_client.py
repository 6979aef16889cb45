"""One client that stops reading costs nobody else anything, and is told why it is closed."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from ws_gateway.errors import Behind

OTHERS = 199
MESSAGES = 200
FILLING = "x" * 6_000
ENOUGH = 2_000
"""Messages of which far fewer fill every buffer on the way to a client that does not read."""
PIECE = 65_536 + 2 * len(FILLING)


@pytest.mark.slow
async def test_one_that_stops_reading_among_two_hundred(serve_with: Any):
    """The bound closes one that cannot catch up; the others get every message in order."""
    async with serve_with(client_buffer_bytes=65_536) as running:
        slow = await running.connect("/api/v1/ws/signals", ping_interval=None)
        slow.transport.pause_reading()
        others = await asyncio.gather(*(running.connect() for _ in range(OTHERS)))
        await asyncio.gather(*(running.subscribed(other, "signal.v1.>") for other in others))

        reading = [asyncio.create_task(_numbers(other)) for other in others]
        for _ in range(MESSAGES):
            say(running)
            await asyncio.sleep(0.002)
        for numbers in await asyncio.wait_for(asyncio.gather(*reading), 60):
            assert numbers == list(range(1, MESSAGES + 1))

        assert 'closes_total{code="1013",reason="too_slow"} 1.0' in running.metrics()
        assert running.gateway.hub.laggards.fallen == {Behind.BYTES: 1}
        await asyncio.gather(*(other.close() for other in others))


def say(running: Any, subject: str = "signal.v1.SPY") -> Any:
    """Put a large message into the gateway, which seeds understand as well."""
    signal = {"n": running.number + 1, "filling": FILLING}
    return running.say(subject, signal=signal, filling=FILLING, occurred_at="2026-01-01T00:00:00Z")


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
        slow = await running.connect("/api/v1/ws/signals", ping_interval=None, max_queue=None)
        await slow.recv()
        slow.transport.pause_reading()
        (wire,) = running.gateway.hub.wires
        assert running.gateway.hub.buffered() == 0
        most = 0
        for _ in range(ENOUGH):
            say(running)
            await running.until(lambda: wire.pen is None or not wire.pen.pending)
            if wire.closing:
                break
            most = max(most, running.gateway.hub.buffered())
        assert 65_536 - 2 * len(FILLING) < most < 65_536 + PIECE
        assert 0 < running.gateway.hub.buffered() < PIECE
        slow.transport.resume_reading()

        frames: list[dict[str, Any]] = []
        with suppress(ConnectionClosed):
            async with asyncio.timeout(5):
                while True:
                    frames.append(json.loads(await slow.recv()))

        assert slow.close_code == 1013
        assert "later" in slow.close_reason
        assert (frames[-1]["type"], frames[-1]["code"]) == ("error", "too_slow")
        numbers = [frame["signal"]["n"] for frame in frames[:-1]]
        assert numbers == list(range(1, len(numbers) + 1))
        assert running.gateway.hub.books.held == 0


async def lag(running: Any, wire: Any, subject: str = "signal.v1.SPY") -> int:
    """Say messages until the socket of a client is full; return how many."""
    count = 0
    while not wire.lagging and count < ENOUGH:
        say(running, subject)
        count += 1
        await running.until(lambda: not wire.pen.pending)
    return count


async def test_one_that_falls_behind_is_told_everything_once_it_reads(serve_with: Any):
    """Beyond the bound nothing is kept for it here; it catches up from the stream and misses nothing."""
    async with serve_with(client_buffer_bytes=65_536) as running, running.connect() as client:
        await running.subscribed(client, "signal.v1.>")
        client.transport.pause_reading()
        (wire,) = running.gateway.hub.wires
        count = await lag(running, wire)
        while not wire.behind and count < ENOUGH:
            say(running)
            count += 1
            await running.until(lambda: wire.pen is None or not wire.pen.pending)
        for _ in range(20):  # which nobody keeps for it
            say(running)
            count += 1
        described = running.gateway.hub.describe(wire)
        assert (described.behind, described.times_behind) == (True, 1)
        assert described.skipped > 0
        assert described.last_gap == {"SIGNAL": count - 20 - described.skipped}
        assert described.waiting_bytes < PIECE
        assert described.lag_ms > 0
        assert running.gateway.hub.find(wire.id) is wire
        client.transport.resume_reading()

        numbers = [(await running.hear(client))["data"]["n"] for _ in range(count)]
        assert numbers == list(range(1, count + 1))
        await running.until(lambda: wire.pen is not None)
        say(running)
        assert (await running.hear(client))["data"]["n"] == count + 1
        assert running.gateway.hub.describe(wire).lag_ms == 0


async def test_only_the_newest_price_waits_and_trades_keep_their_order(live: Any):
    """A lagging client is told how many prices were passed over, then the last; every other message comes."""
    async with live.connect() as client:
        await live.subscribed(client, "uw.v1.price.*", "signal.v1.*")
        client.transport.pause_reading()
        (wire,) = live.gateway.hub.wires
        count = await lag(live, wire)
        said = [("signal.v1.SPY", n) for n in range(1, count + 1)]
        for number in range(30):
            subject = f"uw.v1.price.T{number % 3}" if number % 2 else "signal.v1.QQQ"
            said.append((subject, say(live, subject).seq))
        await live.until(lambda: not wire.pen.pending)
        client.transport.resume_reading()

        last = dict(said)
        kept = [(topic, n) for topic, n in said if "signal" in topic or last[topic] == n]
        heard, passed = [], {}
        while len(heard) < len(kept):
            frame = await live.hear(client)
            if frame["op"] == "conflated":
                passed[frame["topic"]] = frame["count"]
            else:
                heard.append((frame["topic"], frame["data"]["n"]))
        assert heard == kept
        assert passed == {f"uw.v1.price.T{number}": 4 for number in range(3)}
        assert live.gateway.hub.describe(wire).conflated == 12


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
