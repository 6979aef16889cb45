"""Congress over a real HTTP server whose endpoints fail, and a real bus that is slow to answer."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from baleen_bus.connection import Bus
from baleen_bus.testing import NatsServer
from baleen_contracts import Message
from baleen_runtime.clock import SystemClock
from uw_ingest.limiter import Budget
from uw_ingest.polls import Congress
from uw_ingest.predecessor import known_disclosures
from uw_ingest.rest import Rest
from uw_ingest.tally import Tally
from uw_simulator import samples


@asynccontextmanager
async def congress(
    statuses: dict[str, int], say: Callable[[Message], bool], stored: Any, *, every: float = 0.02
) -> AsyncIterator[tuple[Congress, Counter[str]]]:
    """A running poll of an upstream whose endpoints answer with these statuses, and what it was asked."""
    asked: Counter[str] = Counter()
    rows = samples.rest_body("congress-recent-trades.doc")

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        endpoint = request.split()[1].partition("?")[0].rpartition("/")[2]
        asked[endpoint] += 1
        body = json.dumps(rows).encode()
        head = f"HTTP/1.1 {statuses[endpoint]} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    clock, tally = SystemClock(), Tally()
    rest = Rest(url, "token", budget=Budget(per_minute=100_000), tally=tally, clock=clock)
    poll = Congress(rest, every=every, recheck=900, say=say, tally=tally, clock=clock, stored=stored)
    async with server:
        running = asyncio.create_task(poll.run(), name="congress")
        try:
            yield poll, asked
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await rest.aclose()


async def nothing() -> list[str]:
    """A bus that has no disclosures."""
    return []


@pytest.mark.parametrize("status", [422, 500, 503])
async def test_an_endpoint_that_always_fails_does_not_cost_the_other_ones_rows(status: int, eventually: Any):
    """The rows of the good endpoint are said once; a failure is told, a refusal borne."""
    said: list[Message] = []

    def take(message: Message) -> bool:
        said.append(message)
        return True

    async with congress({"recent-trades": 200, "late-reports": status}, take, nothing) as (poll, asked):
        await eventually(lambda: asked["late-reports"] >= 3, "it is polled some times")
        facts = poll.facts()

    assert said
    assert len({message.message_id for message in said}) == len(said)
    assert (facts.answered_ago is not None) == (status == 422)
    assert (str(status) in facts.failing) == (status != 422)


async def test_a_row_that_was_not_taken_is_said_again(eventually: Any):
    """While nobody takes rows they stay news; once taken they are known."""
    said: Counter[str] = Counter()
    taking = False

    def take(message: Message) -> bool:
        said[message.message_id] += 1
        return taking

    async with congress({"recent-trades": 200, "late-reports": 404}, take, nothing) as (_, asked):
        await eventually(lambda: asked["late-reports"] >= 3, "it is polled some times")
        assert min(said.values()) >= 2
        taking = True
        mark = asked["recent-trades"] + 2
        await eventually(lambda: asked["recent-trades"] >= mark, "everything is taken")
        before = said.copy()
        mark = asked["recent-trades"] + 2
        await eventually(lambda: asked["recent-trades"] >= mark, "it is polled again")

    assert said == before


async def test_congress_is_not_asked_before_the_bus_told_what_it_has(
    nats_server: NatsServer, bus: Bus, eventually: Any
):
    """A bus that does not answer makes the poll wait, not publish all that is old as news."""
    told: list[Message] = []

    def take(message: Message) -> bool:
        told.append(message)
        return True

    async def stored() -> list[str]:
        return await known_disclosures(bus)

    os.kill(nats_server.pid, signal.SIGSTOP)
    try:
        async with congress({"recent-trades": 200, "late-reports": 404}, take, stored) as (poll, asked):
            started = datetime.now(UTC)
            await eventually(
                lambda: datetime.now(UTC) - started > timedelta(seconds=0.5), "half a second has passed"
            )
            assert not asked
            assert "not read yet" in poll.facts().failing
            os.kill(nats_server.pid, signal.SIGCONT)
            await eventually(lambda: told, "the rows are news to an empty bus")
    finally:
        os.kill(nats_server.pid, signal.SIGCONT)


async def test_the_ids_are_waited_for_longer_than_the_rest(
    monkeypatch: pytest.MonkeyPatch, nats_server: NatsServer, bus: Bus
):
    """However many tries have failed, no bus means no answer, and never an empty one."""
    monkeypatch.setattr("uw_ingest.predecessor.BETWEEN_TRIES", 0.001)
    nats_server.kill()
    reading = asyncio.create_task(known_disclosures(bus), name="reading")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(reading), 2)
    nats_server.restart()

    assert await asyncio.wait_for(reading, 20) == []
