"""The budget on a real bus: written before every call, taken over by the next, closed without a bus."""

import asyncio
import logging
import os
import signal
from typing import Any

import orjson
import pytest

from baleen_bus.connection import Bus
from baleen_bus.kv import Bucket
from baleen_bus.testing import NatsServer
from baleen_runtime.clock import SystemClock
from uw_ingest.errors import QuotaTaken, RestFailed, RestLimited
from uw_ingest.rest.limits_told import Limit
from uw_ingest.rest.quota import KEY, Quota, steady


@pytest.fixture
def bucket(bus: Bus) -> Bucket:
    """The bucket all replicas share."""
    return Bucket(bus, "budget", within=0.5)


async def holder(bucket: Bucket, owner: str, **settings: Any) -> Quota:
    """A replica that has taken the budget over."""
    quota = Quota(bucket, owner=owner, clock=SystemClock(), **settings)
    await quota.load()
    return quota


async def stored(bucket: Bucket) -> dict[str, Any]:
    """What stands on the bus."""
    entry = await bucket.read(KEY)
    assert entry is not None
    found: dict[str, Any] = orjson.loads(entry.value)
    return found


async def test_a_call_is_written_down_before_it_may_be_sent(bucket: Bucket):
    """A holder that dies right after has left nothing unsaid; an answer without a charge is given back."""
    quota = await holder(bucket, "one")
    call = await quota.reserve()

    told = await stored(bucket)
    assert (told["owner"], told["day_used"], told["flying"], told["day_limit"]) == ("one", 1, 1, None)
    quota.landed(call, status=200, headers={"x-uw-token-req-limit": "500", "x-uw-daily-req-count": "77"})
    second = await quota.reserve()
    told = await stored(bucket)
    assert (told["day_used"], told["flying"], told["day_limit"]) == (78, 1, 500)
    quota.landed(second, status=404, headers={})
    assert quota.budget.day_used == 77


async def test_whoever_takes_over_shuts_its_predecessor_out(bucket: Bucket):
    """The predecessor's next reservation fails, however sure it is of its lease."""
    one = await holder(bucket, "one")
    one.landed(await one.reserve(), status=200, headers={})
    await one.reserve()
    two = await holder(bucket, "two")

    with pytest.raises(QuotaTaken):
        await one.reserve()
    assert one.budget.flying == 1
    assert (two.budget.day_used, two.budget.flying) == (2, 1)
    await two.reserve()
    assert (await stored(bucket))["day_used"] == 3


@pytest.mark.slow
async def test_holders_in_quick_succession_count_every_call_once(bucket: Bucket):
    """Ten takeovers, each after a call that was answered: the count is exact, and nobody had a burst."""
    began = steady()
    for number in range(10):
        quota = await holder(bucket, f"replica-{number}", in_flight=20)
        quota.landed(await quota.reserve(), status=200, headers={})
    await holder(bucket, "last")

    assert (await stored(bucket))["day_used"] == 10
    assert steady() - began > 10 * 0.6


async def test_without_the_bus_nothing_is_reserved(nats_server: NatsServer, bucket: Bucket, eventually: Any):
    """No answer, no call; when the bus is back the budget goes on, whatever became of the lost write."""
    quota = await holder(bucket, "one")
    quota.landed(await quota.reserve(), status=200, headers={})
    os.kill(nats_server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(RestFailed, match="the bus does not take the reservation"):
            await quota.reserve()
        assert quota.budget.flying == 0
    finally:
        os.kill(nats_server.pid, signal.SIGCONT)

    async def goes_on() -> bool:
        try:
            await quota.reserve()
        except QuotaTaken:
            await quota.load()  # the lost write was stored after all, and looked like somebody else's
            return False
        except RestFailed:
            return False
        return True

    await eventually(goes_on, "a call is reserved again")
    assert 2 <= (await stored(bucket))["day_used"] <= 3


@pytest.mark.parametrize("value", [b"", b"<html>", b"null", b'{"day_used": "lots"}', b"\xff\xfe"])
async def test_a_strangers_record_costs_patience_and_nothing_else(
    bucket: Bucket, value: bytes, caplog: pytest.LogCaptureFixture
):
    """It is counted; calls are taken to be under way; the day is what upstream's headers will say."""
    caplog.set_level(logging.WARNING)
    await bucket.put(KEY, value)
    quota = await holder(bucket, "one")

    assert quota.malformed == 1
    assert quota.budget.flying == quota.budget.in_flight
    assert quota.wait() > 0
    assert (await stored(bucket))["owner"] == "one"


async def test_what_is_over_is_written_down_too(bucket: Bucket):
    """A successor need not wait for calls that were answered; without a bus the next write says it."""
    quota = await holder(bucket, "one")
    quota.landed(await quota.reserve(), status=200, headers={})
    await quota.settle()
    assert (await stored(bucket))["flying"] == 0

    await bucket.put(KEY, b"mine now")
    await quota.settle()
    with pytest.raises(QuotaTaken):
        await quota.reserve()


async def test_a_strangers_write_stops_the_holder_until_it_loads_again(bucket: Bucket):
    """It cannot be told from a successor's; the lease decides who loads."""
    quota = await holder(bucket, "one")
    await bucket.put(KEY, b"mine now")
    with pytest.raises(QuotaTaken):
        await quota.reserve()

    await quota.load()
    assert quota.malformed == 1


async def test_a_used_up_day_is_said_at_once(bucket: Bucket):
    """Nobody waits in line until 20:00 in New York."""
    quota = await holder(bucket, "one")
    call = await quota.reserve()
    quota.landed(call, status=429, headers={"x-uw-token-req-limit": "500"})
    quota.limited(call, kind=Limit.DAY, headers={}, spread=0)

    with pytest.raises(RestLimited, match="day") as limited:
        await quota.reserve()
    assert limited.value.seconds > 60


@pytest.mark.slow
async def test_calls_that_are_wanted_at_once_are_reserved_one_by_one(bucket: Bucket):
    """Three at a time are under way, each of them written down."""
    quota = await holder(bucket, "one")
    quota.landed(await quota.reserve(), status=200, headers={})
    waiting = [asyncio.create_task(quota.reserve(), name=f"call-{n}") for n in range(4)]
    done, pending = await asyncio.wait(waiting, timeout=4)

    assert (len(done), len(pending)) == (3, 1)
    assert (await stored(bucket))["flying"] == 3
    quota.landed(done.pop().result(), status=200, headers={})
    await asyncio.wait_for(asyncio.gather(*pending), 4)
