"""The planner on a real bus: what it plans from, what it survives, and what every replica follows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from baleen_bus import Wishing
from baleen_bus.bootstrap import ensure_streams
from baleen_bus.buckets import BUCKETS, bucket_config
from baleen_bus.connection import Bus
from baleen_bus.errors import Conflict, Unreachable
from baleen_bus.kv import Bucket, Entry
from baleen_bus.lease import Before
from baleen_bus.leases import Grant
from baleen_bus.streams import StreamSettings
from baleen_runtime.clock import SystemClock
from uw_ingest.fleet import board as board_module
from uw_ingest.fleet.planning import Board, Planning
from uw_ingest.plan.budget_plan import MAX_BYTES
from uw_ingest.plan.planner import Plan, plan_to_json
from uw_ingest.plan.wanted import Unserved, Wanted

Until = Callable[..., Awaitable[Any]]


class Demand(Bucket):
    """The demand, which counts how often it is read."""

    read = 0

    async def read_newest(self, most: int, *, key: str = ">") -> tuple[list[Entry], int]:
        """Read, and count."""
        self.read += key == ">"
        return await super().read_newest(most, key=key)


@dataclass
class Term:
    """Whether planning is ours; what the lease's keeper says."""

    grant: Grant | None = None


@dataclass
class Replica:
    """One that may plan."""

    board: Board
    demand: Demand
    planning: Planning
    term: Term
    told: dict[int, dict[str, Any]] = field(default_factory=dict)
    followed: list[Plan] = field(default_factory=list)

    def elect(self, epoch: int = 1) -> None:
        """Planning is ours from now on."""
        self.term.grant = Grant("planner", epoch, Before.RELEASED)

    def joins(self) -> set[str]:
        """Every channel that the plan joins."""
        return {c for joined in (self.board.plan.joins.values() if self.board.plan else ()) for c in joined}


@asynccontextmanager
async def replica(
    bus: Bus,
    *,
    board: type[Board] = Board,
    linger: float = 60.0,
    told: dict[int, dict[str, Any]] | None = None,
) -> AsyncIterator[Replica]:
    """One that runs, and does not plan yet."""
    followed: list[Plan] = []
    views = told or {}
    stands = board(Bucket(bus, "budget"), followed.append)
    demand = Demand(bus, "demand")
    planning = Planning(
        stands,
        demand,
        wanted=Wanted(["news"], linger),
        most=3,
        views=lambda: views,
        clock=SystemClock(),
        say=lambda _message: True,
    )
    term = Term()
    planning.keeper = term  # type: ignore[assignment]
    tasks = [asyncio.create_task(job(), name="planning") for job in (stands.run, planning.run)]
    try:
        yield Replica(stands, demand, planning, term, views, followed)
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def wish(bus: Bus, *topics: str) -> None:
    """Somebody wishes for these from now on."""
    wishing = Wishing(bus, kind="team", wisher="test")
    wishing.want(*topics)
    await wishing.tell()


async def remake(bus: Bus, bucket: str) -> None:
    """Wipe a bucket, and make it anew."""
    await bus.request_json(f"$JS.API.STREAM.DELETE.KV_{bucket}", within=5)
    await ensure_streams(bus, [bucket_config(BUCKETS[bucket], StreamSettings())])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the board often."""
    monkeypatch.setattr(board_module, "READ_EVERY", 0.05)


async def test_wishes_that_cannot_be_read_stop_no_planning(bus: Bus, eventually: Until):
    """The last ones count; and whoever never could read any plans what is configured."""
    async with replica(bus) as one:
        await wish(bus, "uw.v1.gex.SPY", "uw.v1.market_mover.*")
        one.elect()
        await eventually(lambda: one.joins() == {"news", "gex:SPY"}, "the wish is planned")
        assert one.board.plan is not None
        assert one.board.plan.polled == ("market_mover",)

        await bus.request_json("$JS.API.STREAM.DELETE.KV_demand", within=5)
        one.planning.reread()
        await Bucket(bus, "budget").delete("plan")
        await eventually(lambda: one.board.stands and one.board.revision > 2, "the plan is written again")
        assert one.joins() == {"news", "gex:SPY"}

    await Bucket(bus, "budget").delete("plan")
    async with replica(bus) as other:
        other.elect()
        await eventually(lambda: other.joins() == {"news"}, "what is configured is planned")


async def test_only_the_planner_reads_the_wishes_and_not_at_every_change(bus: Bus, eventually: Until):
    """However quickly people change their minds."""
    async with replica(bus) as planner, replica(bus) as standby:
        planner.elect()
        began = asyncio.get_running_loop().time()
        for number in range(60):
            await wish(bus, f"uw.v1.gex.T{number}")
        await eventually(lambda: "gex" in planner.joins() or "gex:T59" in planner.joins(), "all are planned")
        seconds = asyncio.get_running_loop().time() - began

        assert 1 <= planner.demand.read <= seconds + 2
        assert standby.demand.read == 0
        await eventually(lambda: standby.board.plan == planner.board.plan, "the standby follows")


async def test_a_new_planner_leaves_nothing_at_once_that_the_last_one_joined(bus: Bus, eventually: Until):
    """It knows no earlier wishes, so what was planned lingers."""
    async with replica(bus) as last:
        await wish(bus, "uw.v1.gex.SPY", "uw.v1.congress_trade.*")
        last.elect()
        await eventually(lambda: "gex:SPY" in last.joins(), "the wish is planned")
    await remake(bus, "demand")
    async with replica(bus) as fresh:
        await eventually(lambda: fresh.board.stands, "the plan is read")
        fresh.elect(2)
        await eventually(lambda: fresh.demand.read, "it plans")
        fresh.told[1] = {"state": "connected", "accepted": ["news"], "full_at": 30}
        before = fresh.board.revision
        await eventually(lambda: fresh.board.revision > before, "it has planned")

        assert fresh.joins() == {"news", "gex:SPY"}
        assert fresh.board.plan is not None
        assert fresh.board.plan.polled == ("congress_trade",)


class Torn(Board):
    """A board which somebody else wrote, and then the bus is away."""

    tried = 0

    async def write(self, fresh: Plan) -> None:
        """Too late, twice."""
        self.tried += 1
        if self.tried <= 2:
            raise Conflict("somebody was quicker")
        await super().write(fresh)

    async def read(self) -> None:
        """No answer, after the first conflict."""
        if self.tried == 1:
            raise Unreachable("the bus is away")
        await super().read()


async def test_a_bus_that_goes_away_after_a_conflict_ends_nothing(bus: Bus, eventually: Until):
    """Planning goes on once it is back."""
    async with replica(bus, board=Torn) as one:
        one.elect()
        await eventually(lambda: one.joins() == {"news"}, "it plans in the end")


@pytest.mark.parametrize("written", [True, False])
async def test_a_bucket_that_was_made_anew_is_believed(bus: Bus, eventually: Until, written: bool):
    """The planner writes its plan again, whatever stands there meanwhile, and the others follow it."""
    async with replica(bus) as planner, replica(bus) as standby:
        planner.elect()
        for number in range(3):
            planner.told[1] = {"state": "connected", "accepted": ["news"], "full_at": 20 + number}
            await wish(bus, f"uw.v1.gex.T{number}")
            await eventually(lambda n=number: f"gex:T{n}" in planner.joins(), "the wish is planned")
        known = planner.board.revision
        assert known >= 3
        planner.term.grant = None
        await remake(bus, "budget")
        if written:
            await Bucket(bus, "budget").put("plan", plan_to_json(Plan({1: ("price",)}, (), (), 3, "anew")))
            await eventually(lambda: standby.joins() == {"price"}, "what stands there is followed")
        planner.elect(2)
        await wish(bus, "uw.v1.gex.SPY")
        await eventually(lambda: {"news", "gex:SPY"} <= standby.joins(), "planning goes on")

        assert standby.board.revision < known
        assert planner.board.stands


async def test_an_older_reading_is_believed_when_it_is_repeated(bus: Bus):
    """One alone may come from a server that is behind."""
    followed: list[Plan] = []
    plans = [Plan({1: (channel,)}, (), (), 3, "") for channel in ("news", "price", "gex")]
    board, bucket = Board(Bucket(bus, "budget"), followed.append), Bucket(bus, "budget")
    for one in plans[:2]:
        await bucket.put("plan", plan_to_json(one))
        await board.read()
    await remake(bus, "budget")
    await bucket.put("plan", plan_to_json(plans[2]))

    await board.read()
    assert board.plan == plans[1]
    await board.read()
    assert followed == plans


async def test_a_socket_that_is_opened_anew_counts_as_served(bus: Bus, eventually: Until):
    """When upstream refuses a third, two remain, though one of them is not connected at this moment."""
    told = {
        1: {"state": "connected", "accepted": ["news"]},
        2: {"state": "waiting", "accepted": []},
        3: {"state": "cooling", "mute": True, "why": "one socket too many"},
    }
    async with replica(bus, told=told) as one:
        one.elect()
        await eventually(lambda: one.board.plan, "it plans")

        assert one.board.plan is not None
        assert one.board.plan.ceiling == 2
        assert "too many" in one.board.plan.ceiling_why


async def test_a_socket_without_the_right_to_it_is_none_that_upstream_serves(bus: Bus, eventually: Until):
    """Nor is a mute one, whatever else is said of it."""
    told = {
        1: {"state": "connected", "accepted": ["news"]},
        2: {"state": "not_entitled"},
        3: {"state": "cooling", "mute": True},
    }
    async with replica(bus, told=told) as one:
        one.elect()
        await eventually(lambda: one.board.plan and one.board.plan.ceiling == 1, "one is left")


async def test_the_bus_takes_the_largest_plan_there_can_be(bus: Bus):
    """And it is read again."""
    wishes = tuple(Unserved(f"{number:0200}", (), "w" * 900) for number in range(812))
    largest = Plan({}, (), wishes, 3, "")
    assert MAX_BYTES - 10_000 < len(plan_to_json(largest)) <= MAX_BYTES
    board = Board(Bucket(bus, "budget"), lambda _plan: None)

    await board.write(largest)
    await board.read()

    assert (board.plan, board.stands) == (largest, True)


class Counting(Board):
    """A board that counts what is written to it."""

    tried = 0

    async def write(self, fresh: Plan) -> None:
        """Write, and count."""
        self.tried += 1
        await super().write(fresh)


async def test_what_the_bus_refuses_is_logged_once(bus: Bus, eventually: Until):
    """A bucket that takes no plan is a reason to look, and planning goes on once it does."""
    config = bucket_config(BUCKETS["budget"], StreamSettings())
    await bus.request_json("$JS.API.STREAM.UPDATE.KV_budget", config | {"max_msg_size": 20})
    with capture_logs() as logs:
        async with replica(bus, board=Counting) as one:
            one.elect()
            await eventually(lambda: one.board.tried == 4, "it is refused again and again")  # type: ignore[attr-defined]
            await bus.request_json("$JS.API.STREAM.UPDATE.KV_budget", config)
            await eventually(lambda: one.board.stands, "it plans")

    assert [(log["log_level"], log["event"]) for log in logs] == [("warning", "cannot plan")]
