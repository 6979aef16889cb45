"""nats-server killed (-9) twenty times under load: nothing acked is lost, nothing comes twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from baleen_bus import Delivered, Follower, Gap, Live, OutboxFull, Publisher, Stored, fetch_newest, open_bus
from baleen_bus.testing import NatsServer, eventually
from baleen_contracts.signals import Signal

KILLS = 20
NOW = datetime(2026, 1, 5, 15, 30, tzinfo=UTC)
BUSY = ("SPY", "QQQ", "IWM", "TSLA")


def signal(number: int, symbol: str) -> Signal:
    """The signal with a number."""
    return Signal(id=f"s{number}", symbol=symbol, signal={"n": number}, occurred_at=NOW, received_at=NOW)


class Crowd:
    """Publishes without end and remembers what was taken and what was acked."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.taken: list[str] = []
        self.acked: dict[str, int] = {}
        self.number = 0

    def say(self, symbol: str) -> None:
        """Offers one message, unless the outbox is full."""
        message = signal(self.number, symbol)
        self.number += 1
        try:
            self.publisher.offer(message, lambda ack: self._stored(message.message_id, ack))
        except OutboxFull:
            return
        self.taken.append(message.message_id)

    def _stored(self, message_id: str, ack: Stored) -> None:
        assert message_id not in self.acked, "acked twice"
        self.acked[message_id] = ack.seq

    async def run(self) -> None:
        """Says twenty messages every five milliseconds."""
        while True:
            for _ in range(20):
                self.say(BUSY[self.number % len(BUSY)])
            await asyncio.sleep(0.005)


@pytest.fixture
async def crowd(nats_server: NatsServer) -> AsyncIterator[Crowd]:
    """A crowd with a connection of its own."""
    async with (
        open_bus(url=nats_server.url, name="chaos/publisher") as bus,
        Publisher(bus, source="chaos", max_messages=200_000) as publisher,
    ):
        yield Crowd(publisher)


@pytest.mark.slow
async def test_a_server_killed_under_load_loses_and_doubles_nothing(
    nats_server: NatsServer, crowd: Crowd
) -> None:
    """Whole-stream, filtered and quiet followers each hear every message once and in order, without a gap.

    Right before each kill a quiet subject says its last word, whose loss no successor would show.
    """
    whole: list[Delivered] = []
    part: list[Delivered] = []
    quiet: list[Delivered] = []
    gaps: list[Gap] = []
    async with (
        open_bus(url=nats_server.url, name="chaos/follower") as bus,
        Follower(bus, "SIGNAL", ["signal.>"], Live(), whole.append, gaps.append),
        Follower(bus, "SIGNAL", ["signal.v1.SPY", "signal.v1.TSLA"], Live(), part.append, gaps.append),
        Follower(bus, "SIGNAL", ["signal.v1.QUIET"], Live(), quiet.append, gaps.append),
    ):
        talking = asyncio.create_task(crowd.run())
        for kill in range(KILLS):
            acked = len(crowd.acked)
            await eventually(lambda acked=acked: len(crowd.acked) > acked + 200, within=20)
            crowd.say("QUIET")
            await asyncio.sleep(0.001 * (kill % 5))  # the kill meets the last word in another state each time
            await asyncio.to_thread(nats_server.restart)
        await eventually(lambda: bus.connected, within=20)
        talking.cancel()
        assert await crowd.publisher.drain(30) == 0
        await eventually(lambda: len(whole) >= len(crowd.taken) and len(quiet) >= KILLS, within=20)
        stored = await fetch_newest(bus, "SIGNAL", ">", len(crowd.taken) + 10)

    assert gaps == []
    assert [item.headers["ce-id"] for item in stored] == crowd.taken, (
        "stored once, in the order of their offers"
    )
    assert crowd.acked == {item.headers["ce-id"]: item.seq for item in stored}
    assert [item.seq for item in whole] == list(range(1, len(crowd.taken) + 1))
    subjects = {item.seq: item.subject for item in stored}
    assert [item.seq for item in part] == [
        seq for seq, subject in subjects.items() if subject.endswith((".SPY", ".TSLA"))
    ]
    assert [item.seq for item in quiet] == [seq for seq, name in subjects.items() if name.endswith(".QUIET")]
    assert len(quiet) == KILLS
