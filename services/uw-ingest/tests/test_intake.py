"""The road from a frame to the outbox, with a real publisher and a real bus that is frozen when wanted."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from baleen_bus.connection import Bus, open_bus
from baleen_bus.errors import DropReason
from baleen_bus.publisher import Publisher
from baleen_bus.testing import NatsServer
from baleen_contracts import Message
from baleen_contracts.feed import FeedGap, FeedStatus, GapReason
from baleen_runtime.clock import SystemClock
from uw_ingest.feeds.gaps import Holes
from uw_ingest.pipeline.intake import Hearers, Intake
from uw_ingest.pipeline.outlet import HELD_AT_MOST, Outlet
from uw_ingest.refusals import Refusal
from uw_ingest.tally import Tally

JOINED = frozenset({"lit_trades", "news", "periscope", "price:SPY"})
CLOCK = SystemClock()


def lit_trade(number: int) -> bytes:
    """A print, each number its own."""
    row = b'{"symbol":"SPY","executed_at":%d,"price":"1.0","size":5,"volume":%d}'
    return b'["lit_trades",' + row % (1_750_000_000_000 + number, number + 5) + b"]"


def deep(levels: int, channel: bytes = b"periscope", field: bytes = b"a") -> bytes:
    """A payload nested so deep."""
    head = b'["%b",{"tape_time":1750000000000,"name":"n","noti_type":"t","ticker":"SPY","%b":{"b":'
    return head % (channel, field) + b"[" * levels + b"]" * levels + b"}}]"


@dataclass
class Road:
    """An intake with all that stands around it."""

    intake: Intake
    outlet: Outlet
    tally: Tally
    holes: Holes
    publisher: Publisher
    server: NatsServer

    def freeze(self) -> None:
        """Let the bus answer nothing."""
        os.kill(self.server.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again."""
        os.kill(self.server.pid, signal.SIGCONT)

    def at_rest(self) -> bool:
        """Whether all that came is stored."""
        return self.intake.backlog + self.outlet.backlog + self.publisher.backlog == 0


@asynccontextmanager
async def road(server: NatsServer, *, outbox: int = 65_536, frames: int = 65_536) -> AsyncIterator[Road]:
    """An intake before a publisher before a bus."""
    tally, holes = Tally(), Holes()
    async with (
        open_bus(url=server.url, name="road", connect_within=10) as bus,
        Publisher(bus, source="test", max_messages=outbox) as publisher,
    ):
        outlet = Outlet(publisher, tally=tally, holes=holes, clock=CLOCK)
        intake = Intake(
            outlet,
            tally=tally,
            holes=holes,
            clock=CLOCK,
            joined=JOINED,
            max_frames=frames,
            max_bytes=1 << 26,
        )
        try:
            yield Road(intake, outlet, tally, holes, publisher, server)
        finally:
            os.kill(server.pid, signal.SIGCONT)


async def gaps_of(stored: Any) -> list[FeedGap]:
    """The gaps on the bus."""
    return [FeedGap.model_validate_json(item.body) for item in await stored("feed_gap")]


@pytest.mark.parametrize("channel", [b"periscope", b"custom_alerts"])
@pytest.mark.parametrize("levels", [70, 254, 900])
async def test_a_payload_too_deep_costs_itself_and_nothing_else(
    channel: bytes, levels: int, nats_server: NatsServer, stored: Any, eventually: Any
):
    """Nested as no honest payload is, it is counted, and its neighbours arrive."""
    async with road(nats_server) as here:
        here.intake.frame(lit_trade(1))
        here.intake.frame(deep(levels, channel, b"meta"))
        here.intake.frame(lit_trade(2))
        await eventually(lambda: here.tally.frames == 3 and here.at_rest(), "all is stored")

        assert here.tally.refused == {Refusal.NOT_JSON: 1}
    assert len(await stored("lit_trade")) == 2


class Poison(FeedStatus):
    """A message that nothing can write."""

    def to_json(self) -> bytes:
        """Fail in a way nobody foresaw."""
        raise RecursionError


async def test_nothing_that_goes_wrong_with_one_message_stops_the_next(
    nats_server: NatsServer, stored: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
):
    """A frame whose reading fails as nobody foresaw, and a message nothing can write, are counted."""

    def stumble(*_args: Any, **_kwargs: Any) -> Message:
        monkeypatch.undo()
        raise RuntimeError

    async with road(nats_server) as here:
        monkeypatch.setattr("uw_ingest.pipeline.intake.from_socket", stumble)
        for number in range(3):
            here.intake.frame(lit_trade(number))
        await eventually(lambda: here.tally.accepted["lit_trade"] == 2, "the others are accepted")
        now = CLOCK.now()
        here.outlet.say(Poison(occurred_at=now, received_at=now, feed="news", state="live"))
        here.intake.frame(lit_trade(9))
        await eventually(lambda: here.tally.accepted["lit_trade"] == 3 and here.at_rest(), "it goes on")

        assert here.tally.refused == {Refusal.UNPUBLISHABLE: 2}
    assert len(await stored("lit_trade")) == 3


async def test_a_hearer_that_fails_does_not_wedge_the_road(nats_server: NatsServer, eventually: Any):
    """The turn is armed again whatever happened in it."""

    def fail(_counts: Any) -> None:
        raise RuntimeError

    failed: list[Any] = []
    async with road(nats_server) as here:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failed.append(context))
        here.intake.hearers = Hearers(on_heard=fail)
        here.intake.frame(lit_trade(1))
        await eventually(lambda: failed, "it failed")
        here.intake.frame(lit_trade(2))
        await eventually(lambda: here.tally.accepted["lit_trade"] == 2, "the next frame is read")


async def test_frames_of_the_old_socket_do_not_end_the_outage(
    nats_server: NatsServer, stored: Any, eventually: Any
):
    """What was received before the cut and read after it tells nobody that data flows again."""
    heard: list[Any] = []
    async with road(nats_server) as here:
        here.intake.hearers = Hearers(on_heard=heard.append)
        for number in range(1_000):
            here.intake.frame(lit_trade(number))
        cut_at = CLOCK.now()
        here.intake.cut()
        here.holes.open("lit_trades", cut_at, GapReason.RECONNECTED, now=CLOCK.now())
        await eventually(here.at_rest, "the old frames are stored")
        assert here.holes.by_channel
        assert heard == []
        joined_at = CLOCK.now()
        here.intake.rejoined("lit_trades")
        await eventually(lambda: here.tally.gaps == 1 and here.at_rest(), "the gap is announced")

    (gap,) = await gaps_of(stored)
    assert gap.started_at == cut_at
    assert gap.ended_at >= joined_at


async def test_an_overflow_is_announced_when_it_is_over(
    nats_server: NatsServer, stored: Any, eventually: Any
):
    """While the bus is frozen frames are dropped; the gap spans them all and comes after what was queued."""
    async with road(nats_server, outbox=50, frames=300) as here:
        here.freeze()
        first_at = CLOCK.now()
        for number in range(2_000):
            here.intake.frame(lit_trade(number))
            if number % 100 == 0:
                await asyncio.sleep(0)
        last_at = CLOCK.now()
        assert here.tally.overflowed > 0
        assert here.tally.gaps == 0
        here.thaw()
        await eventually(lambda: here.tally.gaps > 0 and here.at_rest(), "the gap is announced")
        overflowed = here.tally.overflowed

    (gap,) = await gaps_of(stored)
    assert first_at <= gap.started_at < last_at <= gap.ended_at
    assert gap.lost == overflowed
    assert len(await stored("lit_trade")) == 2_000 - overflowed


async def test_dropped_frames_of_channels_nobody_joined_are_one_hole(
    nats_server: NatsServer, stored: Any, eventually: Any
):
    """Garbage cannot make holes without end, and its one hole closes when the buffer is empty."""
    async with road(nats_server, frames=1) as here:
        for number in range(5_000):
            here.intake.frame(b'["junk%d",{}]' % number)
        assert len(here.holes.by_channel) == 1
        await eventually(lambda: here.tally.gaps == 1 and here.at_rest(), "it is announced")
        assert not here.holes.by_channel

    (gap,) = await gaps_of(stored)
    assert (gap.feed, gap.lost) == ("raw", 4_999)


async def test_the_conversation_goes_on_while_the_bus_is_away(nats_server: NatsServer):
    """Answers are told at once, and that data comes can be asked, though nothing leaves the buffer."""
    answers: list[Any] = []
    async with road(nats_server, outbox=10) as here:
        here.intake.hearers = Hearers(on_answer=answers.append)
        here.freeze()
        for number in range(100):
            here.intake.frame(lit_trade(number))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert here.outlet.backlog > 0
        here.intake.unheard()
        assert not here.intake.unheard()
        here.intake.frame(lit_trade(100))
        assert here.intake.unheard()
        here.intake.frame(b'["news",{"response":{},"status":"ok"}]')
        assert [answer.channel for answer in answers] == ["news"]
        assert not here.intake.unheard(), "an answer is no data"


async def test_what_is_said_while_the_bus_is_away_is_bounded(nats_server: NatsServer, eventually: Any):
    """A day of statuses is one message, and of what matters each so many are taken and no more."""
    async with road(nats_server, outbox=10) as here:
        here.freeze()
        taken = 0
        for number in range(3 * HELD_AT_MOST):
            now = CLOCK.now()
            here.outlet.say(FeedStatus(occurred_at=now, received_at=now, feed="news", state="live"))
            taken += here.outlet.say(
                FeedGap(
                    occurred_at=now,
                    received_at=now,
                    feed="news",
                    started_at=now,
                    ended_at=now,
                    reason="overflow",
                    lost=number,
                )
            )
        assert here.outlet.backlog == 2 * HELD_AT_MOST + 1
        assert here.tally.refused[Refusal.NO_ROOM] == 3 * HELD_AT_MOST - taken
        here.thaw()
        await eventually(here.at_rest, "it is stored")


async def test_what_the_bus_refuses_later_is_a_gap(
    nats_server: NatsServer, bus: Bus, stored: Any, eventually: Any
):
    """A stream that rejects what it was sent makes a hole of its feed, announced when the refusals end."""
    answer = await bus.request_json("$JS.API.STREAM.INFO.TAPE")
    await bus.request_json(
        "$JS.API.STREAM.UPDATE.TAPE", {**answer["config"], "max_msg_size": 10}
    )  # smaller than any message
    async with road(nats_server) as here:
        for number in range(3):
            here.intake.frame(lit_trade(number))
        await eventually(here.at_rest, "all is answered")
        assert sum(here.publisher.stats.dropped.values()) == 3

        async def announced() -> bool:
            here.outlet.look()
            return here.tally.gaps > 0 and here.at_rest()

        await eventually(announced, "it is announced")

    (gap,) = await gaps_of(stored)
    assert (gap.feed, gap.reason, gap.lost) == ("lit_trade", "refused", 3)


async def test_what_is_left_at_the_end_is_no_refusal(nats_server: NatsServer):
    """What the publisher gives up when we leave is told by the successor."""
    async with road(nats_server) as here:
        here.freeze()
        here.intake.frame(lit_trade(1))
        here.intake.flush()
        assert here.publisher.backlog == 1
    assert here.publisher.stats.dropped == {DropReason.CLOSED: 1}
    assert not here.holes.by_channel
