"""The poller from one lease to the next: a real bus, the simulator as upstream, and no limit exceeded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from baleen_bus.connection import Bus
from baleen_bus.kv import Bucket
from baleen_bus.lease import Before
from baleen_bus.leases import Grant
from baleen_bus.publisher import Publisher
from baleen_runtime.clock import SystemClock
from baleen_runtime.settings import load_settings
from uw_ingest.feeds.gaps import Holes
from uw_ingest.feeds.market_hours import MarketHours
from uw_ingest.pipeline.outlet import Outlet
from uw_ingest.rest.poller import Poller
from uw_ingest.rest.quota import KEY
from uw_ingest.settings import Settings
from uw_ingest.tally import Tally
from uw_simulator.testing import BASIC_TOKEN, TOKEN, Simulator

GRANT = Grant("rest", 1, Before.VACANT)


@dataclass
class Replica:
    """A poller that runs, and the word of whoever keeps its lease."""

    poller: Poller
    tally: Tally
    may: bool = False

    def held(self) -> None:
        """The lease is ours."""
        self.may = True
        self.poller.held(GRANT)

    def lost(self) -> None:
        """It is not any more."""
        self.may = False
        self.poller.lost("a test took it")

    def asked(self) -> int:
        """How often upstream answered."""
        return sum(self.tally.rest_calls.values())


@asynccontextmanager
async def replica(
    bus: Bus, simulator: Simulator, *, token: str = TOKEN, **given: Any
) -> AsyncIterator[Replica]:
    """A poller without a lease, yet."""
    settings = load_settings(
        Settings,
        {
            "UW_INGEST_UPSTREAM_URL": simulator.http_url,
            "UW_INGEST_TOKEN": token,
            "UW_INGEST_SOURCE": "uw-simulator",
            **{f"UW_INGEST_{name.upper()}": str(value) for name, value in given.items()},
        },
    )
    clock, tally = SystemClock(), Tally()
    async with Publisher(bus, source="uw-simulator") as publisher:
        outlet = Outlet(publisher, tally=tally, holes=Holes(), clock=clock)
        poller = Poller(
            settings,
            token=token,
            bus=bus,
            budget=Bucket(bus, "budget"),
            outlet=outlet,
            tally=tally,
            clock=clock,
            allowed=lambda: here.may,
            hours=lambda: MarketHours(always_open=True),
            wished=lambda: {"market_mover"},
        )
        here = Replica(poller, tally)
        task = asyncio.create_task(poller.run(), name="poller")
        try:
            yield here
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await poller.aclose()


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """An upstream with a market, and a plan of three at once and 120 a minute."""
    async with Simulator.in_process(source="synthetic", congress_every=0.5) as simulator:
        yield simulator


async def violations(simulator: Simulator) -> dict[str, int]:
    """How often a limit was exceeded, by kind."""
    return {kind: n for kind, n in (await simulator.control.state())["violations"].items() if n}


async def test_it_asks_only_while_the_lease_is_held(
    bus: Bus, simulator: Simulator, stored: Any, eventually: Any
):
    """Before, between and after, nothing is sent; while it is held, both feeds are live."""
    async with replica(bus, simulator, movers_every=1, congress_every=1) as here:
        assert here.poller.describe()["held"] is False
        assert here.poller.facts() == {}
        here.held()
        await eventually(lambda: stored("market_mover"), "movers are said")
        await eventually(lambda: stored("congress_trade"), "disclosures are said")
        facts = here.poller.facts()
        assert set(facts) == {"market_mover", "congress_trade"}

        here.lost()
        await eventually(lambda: here.poller.facts() == {}, "it has stopped")
        asked = here.asked()
        here.held()
        here.lost()
        here.held()
        await eventually(lambda: here.asked() > asked, "it asks again")

    assert await violations(simulator) == {}


async def test_an_operator_reads_where_the_quota_goes(bus: Bus, simulator: Simulator, eventually: Any):
    """What is left of the minute and the day, whether it lasts, and how each question fares."""
    async with replica(bus, simulator, movers_every=1, congress_every=1) as here:
        here.held()
        await eventually(lambda: here.poller.describe().get("day_limit") == 40_000, "a header told the limit")
        await eventually(
            lambda: all(
                q["answered_ago_s"] is not None for q in here.poller.describe()["questions"].values()
            ),
            "everything was asked",
        )
        told = here.poller.describe()

    assert told["forecast"]["lasts"] is True
    assert told["day_used"] >= 3
    assert told["minute_left"] < told["per_minute"] == 115
    assert set(told["questions"]) == {"movers", "congress_recent", "congress_late"}
    assert told["questions"]["movers"]["wished"] is True
    assert told["questions"]["movers"]["every_s"] >= 1
    assert told["backfill"]["waiting"] == 0
    assert told["why"] == ""


@pytest.mark.slow
async def test_replicas_that_take_turns_quickly_exceed_nothing_and_count_once(
    bus: Bus, simulator: Simulator, eventually: Any
):
    """Six takeovers on a short quota: the count on the bus is upstream's own."""
    await simulator.control.limits(per_day=30, per_minute=60)
    for turn in range(6):
        async with replica(bus, simulator, movers_every=0.2, congress_every=0.2, rest_per_minute=60) as here:
            here.held()
            await eventually(
                lambda: here.asked() >= 2 or here.poller.describe()["wait_s"] > 60, f"turn {turn}"
            )
            used = here.poller.describe()["day_used"]

    state = await simulator.control.state()
    assert not any(state["violations"].values())
    assert used <= 30


async def test_a_plan_without_the_endpoint_gets_substitutes(bus: Bus, simulator: Simulator, eventually: Any):
    """The basic tier has no movers; what it has instead is said, and the feed is live."""
    async with replica(bus, simulator, token=BASIC_TOKEN, movers_every=1) as here:
        here.held()
        await eventually(lambda: here.tally.accepted["market_mover"], "movers come from a substitute")
        facts = here.poller.facts()["market_mover"]

    assert facts.refused == ""


async def test_a_stranger_in_the_budgets_key_disturbs_for_a_moment(
    bus: Bus, simulator: Simulator, eventually: Any
):
    """The budget is taken over again, with calls taken to be under way; the day is upstream's."""
    async with replica(bus, simulator, movers_every=0.5, congress_every=0.5) as here:
        here.held()
        await eventually(lambda: here.poller.describe()["day_limit"], "it asks")
        await Bucket(bus, "budget").put(KEY, b"<html>")
        await eventually(lambda: here.poller.describe()["malformed"] == 1, "it is noticed")

    assert await violations(simulator) == {}
