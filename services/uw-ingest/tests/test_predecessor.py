"""Reading what the last process left, and leaving in the middle of it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from baleen_bus.connection import Bus
from baleen_bus.errors import Unreachable
from baleen_bus.publisher import Publisher
from baleen_contracts import by_name, example
from baleen_contracts.happenings import TradingHalt
from uw_ingest.feeds.predecessor import Newest, _patiently, newest_of

LONG_AGO = timedelta(minutes=10)


@pytest.mark.parametrize("outcome", ["an answer", "a failure"])
async def test_leaving_is_not_forgotten_when_the_answer_comes_in_the_same_moment(outcome: str):
    """The client may hand over an answer, or a lost connection, instead of the cancellation it met with."""

    async def read() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if outcome == "a failure":
                raise Unreachable("the connection was lost") from None
        return outcome

    reading = asyncio.create_task(_patiently(read), name="reading")
    await asyncio.sleep(0)
    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(reading, 5)


async def test_a_channel_of_which_nothing_is_kept_may_have_had_messages_all_the_same(bus: Bus):
    """Where its stream is older than we are, somebody was there, and what he heard last is not known."""
    halt = TradingHalt.model_validate(example(by_name("trading_halt")))
    now = datetime.now(UTC)
    assert await newest_of(bus, ["trading_halts"], now) == {"trading_halts": None}

    async with Publisher(bus, source="test") as publisher:
        await publisher.publish(halt)
    known = {"trading_halts": Newest(halt.occurred_at, f"trading_halt:{halt.identity}")}
    assert await newest_of(bus, ["trading_halts", "market_tide"], now - LONG_AGO) == known | {
        "market_tide": None
    }
    assert await newest_of(bus, ["trading_halts", "market_tide"], now + LONG_AGO) == known
